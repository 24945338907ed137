# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportIndexIssue=false
"""An autoregressive inverse as one persistent Triton kernel: all D steps in one launch, for CUDA.

A masked network is a list of units in the order in which they can be computed: for k = 0, 1, ... those that read k
inputs, layer by layer, then theta of the next position. A program holds, for a few rows, everything known so far (the
inputs, then the units in that order) in registers; each unit is a product with one row of a weight matrix over that
vector, in which what is not known yet is still 0, so no masks are needed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

from fluvial.kernels.sweep import Map, Net

KINDS = ("shift", "exp", "tanh", "sigmoid", "gate")
_ACTIVATIONS: dict[Callable[[Tensor], Tensor], int] = {torch.relu: 0, torch.tanh: 1, F.elu: 2, F.silu: 3}
_WIDEST = 4096  # numbers that a program can hold for each row
_HELD = 8192  # numbers that it holds in all


@triton.jit
def _tanh(x):
    e = tl.exp(-2 * tl.abs(x))
    t = (1 - e) / (1 + e)
    return tl.where(x < 0, -t, t)


@triton.jit
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def _activate(x, activation: tl.constexpr):
    if activation == 0:
        x = tl.where(x < 0, 0.0, x)
    elif activation == 1:
        x = _tanh(x)
    elif activation == 2:
        x = tl.where(x < 0, tl.exp(tl.minimum(x, 0.0)) - 1, x)
    else:
        x = x * _sigmoid(x)
    return x


@triton.jit
def _log_scale(raw, kind: tl.constexpr, a: tl.constexpr):
    """s of an affine map z = (x - t) exp(-s)."""
    if kind == 1:
        s = raw
    elif kind == 2:
        s = a * _tanh(raw / a)
    else:
        s = tl.log(1 + tl.exp(-tl.abs(raw + 2.0))) + tl.maximum(-(raw + 2.0), 0.0)
    return s


@triton.jit
def _sweep(
    weight,
    bias,
    extra,
    extra_stride,
    out,
    out_bias,
    order,
    starts,
    z_ptr,
    x_ptr,
    log_det_ptr,
    rows,
    n,
    kind: tl.constexpr,
    a: tl.constexpr,
    b: tl.constexpr,
    activation: tl.constexpr,
    context: tl.constexpr,
    width: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0) * block + tl.arange(0, block)
    live = row < rows
    column = tl.arange(0, width)
    known = tl.zeros((block, width), dtype=weight.dtype.element_ty)
    log_det = tl.zeros((block,), dtype=weight.dtype.element_ty)
    for k in range(0, n):
        for u in range(tl.load(starts + k), tl.load(starts + k + 1)):
            w = tl.load(weight + u * width + column)
            value = tl.sum(known * w[None, :], 1) + tl.load(bias + u)
            if context:
                value += tl.load(extra + row.to(tl.int64) * extra_stride + u, mask=live, other=0.0)
            value = _activate(value, activation)
            known = tl.where(column[None, :] == n + u, value[:, None], known)
        position = tl.load(order + k)
        z = tl.load(z_ptr + row.to(tl.int64) * n + position, mask=live, other=0.0)
        shift = tl.sum(known * tl.load(out + k * width + column)[None, :], 1) + tl.load(out_bias + k)
        if kind == 0:
            x = z + shift
        else:
            raw = tl.sum(known * tl.load(out + (n + k) * width + column)[None, :], 1)
            raw += tl.load(out_bias + n + k)
            if kind == 4:
                gate = b + (1 - b) * _sigmoid(raw + a)
                x = (z - (1 - gate) * shift) / gate
                log_det -= tl.log(gate)
            else:
                s = _log_scale(raw, kind, a)
                x = z * tl.exp(s) + shift
                log_det += s
        tl.store(x_ptr + row.to(tl.int64) * n + position, x, mask=live)
        known = tl.where(column[None, :] == k, x[:, None], known)
    tl.store(log_det_ptr + row, log_det, mask=live)


def knows(univariate: Map, net: Net) -> bool:
    """Whether the kernel can invert this network: affine maps, plain layers, and few enough numbers in all."""
    plain = not net.residual and net.encoding == "numbers"
    return univariate.kind in KINDS and plain and net.out.shape[1] + sum(net.units) <= _WIDEST


def invert(net: Net, univariate: Map, z: Tensor) -> tuple[Tensor, Tensor]:
    """x (B, n) and its log-det (B,)."""
    program, rows, n = _Program(net), z.shape[0], z.shape[1]
    x, log_det = torch.empty_like(z), z.new_empty(rows)
    if rows:
        width = program.weight.shape[1]
        block = max(1, min(16, _HELD // width))
        _sweep[(triton.cdiv(rows, block),)](
            program.weight, program.bias, program.extra, program.extra.stride(0), program.out, program.out_bias,
            program.order, program.starts, z.contiguous(), x, log_det, rows, n, KINDS.index(univariate.kind),
            univariate.a, univariate.b, net.activation, program.context, width, block, num_warps=4,
        )  # fmt: skip
    return x, log_det


class _Program:
    """The network as one matrix: a row for each unit, in the order of computation, over inputs and units."""

    def __init__(self, net: Net) -> None:
        size, n, _ = net.out.shape
        like, units = net.out, sum(net.units)
        ends = torch.stack([e.long() for e in net.layout.ends])  # (layers, n + 1): units of degree at most k
        degrees = [torch.searchsorted(e, torch.arange(int(e[-1])), right=True) for e in ends]
        layer = torch.cat([torch.full_like(d, i) for i, d in enumerate(degrees)])
        degree = torch.cat(degrees)
        place = torch.empty_like(degree)
        by_turn = (degree * len(degrees) + layer).argsort(stable=True)
        place[by_turn] = torch.arange(len(degree))
        counts = torch.bincount(degree, minlength=n + 1)[: n + 1]
        self.starts = F.pad(counts.cumsum(0), (1, 0)).int().to(like.device)
        self.order = net.layout.order.to(like.device)
        place = place.to(like.device)
        slots = place.split([len(d) for d in degrees])
        width = triton.next_power_of_2(n + units)
        self.weight = like.new_zeros(max(1, units), width)
        self.bias = like.new_zeros(max(1, units))
        self.extra = like.new_zeros(1, 1)
        self.context = net.biases[0].dim() > 1
        reads = torch.arange(n, device=like.device)
        for i, (w, bias, slot) in enumerate(zip(net.weights, net.biases, slots)):
            used = slot.shape[0]
            self.weight[slot[:, None], reads[None, : w.shape[1]]] = w[:used, : reads.shape[0]]
            if i == 0 and self.context:
                self.extra = bias.new_zeros(bias.shape[1], units)
                self.extra[:, slot] = bias[:used].t()
            else:
                self.bias[slot] = bias[:used]
            reads = n + slot
        self.out = like.new_zeros(size, n, width)
        self.out[:, :, reads] = net.out[:, :, : reads.shape[0]]
        if net.direct is not None:
            self.out[:, :, :n] = net.direct
        positions = self.order.long()
        self.out, self.out_bias = self.out[:, positions].contiguous(), net.out_bias[:, positions].contiguous()
