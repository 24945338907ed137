# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportIndexIssue=false
"""An autoregressive inverse as one persistent Triton kernel: all D steps in one launch, for CUDA.

A masked network is a list of units in the order in which they can be computed: for k = 0, 1, ... those that read k
inputs, layer by layer, then theta of the next position. A program holds, for a few rows, everything known so far (the
inputs, then the units in that order) in registers; each unit is a product with one row of a weight matrix over that
vector, in which what is not known yet is still 0, so no masks are needed.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

from fluvial.kernels.gpu import MOST_BINS
from fluvial.kernels.rational_triton import MIN, clamped, edges, evaluate, slope, solve
from fluvial.kernels.sweep import Map, Net, checked

KINDS = ("shift", "exp", "tanh", "sigmoid", "gate", "spline")
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
def _pick(values, column, at):
    """values[row, at[row]]."""
    return tl.sum(tl.where(column[None, :] == at[:, None], values, 0.0), 1)


@triton.jit
def _share(theta, column, first: tl.constexpr, bins: tl.constexpr):
    """exp(logit - max) of the columns from ``first`` on, 0 elsewhere, and their sum."""
    ours = (column[None, :] >= first) & (column[None, :] < first + bins)
    e = tl.where(ours, tl.exp(theta - tl.max(tl.where(ours, theta, -float("inf")), 1)[:, None]), 0.0)
    return e, tl.sum(e, 1)


@triton.jit
def _spline(z, theta, column, bound: tl.constexpr, bins: tl.constexpr, circular: tl.constexpr):
    """x and log_det of the inverse spline, theta (rows, numbers) in columns."""
    value = clamped(z, bound)
    e_w, total_w = _share(theta, column, 0, bins)
    e_h, total_h = _share(theta, column, bins, bins)
    whole = total_h / (1 - bins * MIN)
    at = (value + bound) * (0.5 / bound) * whole
    knot = (column - (bins - 1)).to(z.dtype) * MIN  # of the right end of each bin of the heights
    beyond = at[:, None] - knot[None, :] * whole[:, None] >= tl.cumsum(e_h, 1)
    inner = (column[None, :] >= bins) & (column[None, :] < 2 * bins - 1)
    index = tl.sum((beyond & inner).to(tl.int32), 1)
    left_w = tl.sum(tl.where(column[None, :] < index[:, None], e_w, 0.0), 1)
    left_h = tl.sum(tl.where(column[None, :] < (bins + index)[:, None], e_h, 0.0), 1)
    x0, w = edges(left_w, _pick(e_w, column, index), total_w, index, bound, bins)
    y0, h = edges(left_h, _pick(e_h, column, bins + index), total_h, index, bound, bins)
    if circular:
        d0 = slope(_pick(theta, column, 2 * bins + index))
        d1 = slope(_pick(theta, column, 2 * bins + (index + 1) % bins))
    else:
        d0 = slope(_pick(theta, column, 2 * bins + tl.maximum(index - 1, 0)))
        d1 = slope(_pick(theta, column, 2 * bins + tl.minimum(index, bins - 2)))
        d0 = tl.where(index == 0, 1.0, d0)
        d1 = tl.where(index == bins - 1, 1.0, d1)
    x = solve(value, x0, w, y0, h, d0, d1)
    _, log_slope = evaluate(x, x0, w, y0, h, d0, d1)
    inside = (z >= -bound) & (z <= bound)
    return tl.where(inside, x, z), tl.where(inside, -log_slope, 0.0)


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
    size: tl.constexpr,
    sized: tl.constexpr,
    bins: tl.constexpr,
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
        if kind == 5:
            theta = tl.zeros((block, sized), dtype=weight.dtype.element_ty)
            number = tl.arange(0, sized)
            for i in range(0, size):
                value = tl.sum(known * tl.load(out + (i * n + k) * width + column)[None, :], 1)
                value += tl.load(out_bias + i * n + k)
                theta = tl.where(number[None, :] == i, value[:, None], theta)
            x, s = _spline(z, theta, number, a, bins, size == 3 * bins)
            log_det += s
        else:
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
            elif kind > 0:
                s = _log_scale(raw, kind, a)
                x = z * tl.exp(s) + shift
                log_det += s
        tl.store(x_ptr + row.to(tl.int64) * n + position, x, mask=live)
        known = tl.where(column[None, :] == k, x[:, None], known)
    tl.store(log_det_ptr + row, log_det, mask=live)


def knows(univariate: Map, net: Net) -> bool:
    """Whether the kernel can invert this network: the map, plain layers, and few enough numbers in all."""
    plain = not net.residual and net.encoding == "numbers"
    fits = univariate.bins <= MOST_BINS and net.out.shape[1] + sum(net.units) <= _WIDEST
    return univariate.kind in KINDS and plain and fits


def invert(net: Net, univariate: Map, z: Tensor) -> tuple[Tensor, Tensor]:
    """x (B, n) and its log-det (B,)."""
    z = z.contiguous()
    program, (rows, n), size = _Program(checked(net, univariate, z)), z.shape, net.out.shape[0]
    x, log_det = torch.empty_like(z), z.new_empty(rows)
    if rows:
        width = program.weight.shape[1]
        block = max(1, min(16, _HELD // width))
        _sweep[(triton.cdiv(rows, block),)](
            *(program.weight, program.bias, program.extra, program.extra.stride(0), program.out, program.out_bias),
            *(program.order, program.starts, z, x, log_det, rows, n),
            *(KINDS.index(univariate.kind), univariate.a, univariate.b),
            *(size, triton.next_power_of_2(size), univariate.bins),
            *(net.activation, program.context, width, block),
        )
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
