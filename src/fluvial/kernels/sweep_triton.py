# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportIndexIssue=false
"""An autoregressive inverse as one persistent Triton kernel: all D steps in one launch, for CUDA.

A program walks over the positions for a few rows. When one more input is known it computes, layer by layer, the units
that this completes, each once, then theta of the next position and from it the next input. What is known (inputs, then
units by layer and degree) lies in memory that only this program touches, so it stays in the nearest cache; a unit is a
product of its row of weights with one contiguous range of that, so no masks are needed and no zeros are multiplied.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from fluvial.kernels.gpu import MOST_BINS
from fluvial.kernels.rational_triton import MIN, clamped, edges, evaluate, slope, solve
from fluvial.kernels.sweep import Map, Net

KINDS = ("shift", "exp", "tanh", "sigmoid", "gate", "spline")
_ACTIVATIONS: dict[Callable[[Tensor], Tensor], int] = {torch.relu: 0, torch.tanh: 1, F.elu: 2, F.silu: 3}
_ROWS = 4  # of a program: more would be fewer programs at work
_CHUNK = 1024  # numbers of a row that are multiplied at once
_MOST_NUMBERS = 1 << 27  # that are known at once: half a gigabyte


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
def _dot(known, weight, count, live, chunk: tl.constexpr, block: tl.constexpr):
    """The product of ``count`` numbers of each row of known with those of weight."""
    column = tl.arange(0, chunk)
    total = tl.zeros((block, chunk), dtype=weight.dtype.element_ty)
    for c in range(0, count, chunk):
        inside = column < count - c
        w = tl.load(weight + c + column, mask=inside, other=0.0)
        total += tl.load(known[:, None] + (c + column)[None, :], mask=live[:, None] & inside[None, :], other=0.0) * w
    return tl.sum(total, 1)


@triton.jit
def _sweep(
    weight,
    weight_stride,
    bias,
    extra,
    extra_stride,
    out,
    out_stride,
    direct,
    out_bias,
    ends,
    offsets,
    order,
    z_ptr,
    x_ptr,
    log_det_ptr,
    known_ptr,
    known_stride,
    rows,
    n,
    layers,
    kind: tl.constexpr,
    a: tl.constexpr,
    b: tl.constexpr,
    size: tl.constexpr,
    sized: tl.constexpr,
    bins: tl.constexpr,
    activation: tl.constexpr,
    context: tl.constexpr,
    across: tl.constexpr,
    chunk: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0) * block + tl.arange(0, block)
    live = row < rows
    known = known_ptr + row.to(tl.int64) * known_stride
    log_det = tl.zeros((block,), dtype=weight.dtype.element_ty)
    for k in range(0, n):
        first = k * 0  # where the numbers begin that the next layer reads, and how many are known
        count = first + k
        for layer in range(0, layers):
            offset = tl.load(offsets + layer)
            stop = tl.load(ends + layer * (n + 2) + k + 1)
            for u in range(tl.load(ends + layer * (n + 2) + k), stop):
                value = _dot(known + first, weight + (offset + u) * weight_stride, count, live, chunk, block)
                value += tl.load(bias + offset + u)
                if context:
                    mine = live & (layer == 0)
                    value += tl.load(extra + row.to(tl.int64) * extra_stride + u, mask=mine, other=0.0)
                tl.store(known + (n + offset + u), _activate(value, activation), mask=live)
            tl.debug_barrier()  # other threads read what this one wrote
            first = n + offset
            count = stop
        position = tl.load(order + k)
        z = tl.load(z_ptr + row.to(tl.int64) * n + position, mask=live, other=0.0)
        number = tl.arange(0, sized)
        theta = tl.zeros((block, sized), dtype=weight.dtype.element_ty)
        for i in range(0, size):
            value = _dot(known + first, out + (i * n + k) * out_stride, count, live, chunk, block)
            if across:
                value += _dot(known, direct + (i * n + k) * n, k, live, chunk, block)
            value += tl.load(out_bias + i * n + k)
            theta = tl.where(number[None, :] == i, value[:, None], theta)
        if kind == 5:
            x, s = _spline(z, theta, number, a, bins, size == 3 * bins)
            log_det += s
        else:
            shift = tl.sum(tl.where(number[None, :] == 0, theta, 0.0), 1)
            raw = tl.sum(tl.where(number[None, :] == 1, theta, 0.0), 1)
            if kind == 0:
                x = z + shift
            elif kind == 4:
                gate = b + (1 - b) * _sigmoid(raw + a)
                x = (z - (1 - gate) * shift) / gate
                log_det -= tl.log(gate)
            else:
                s = _log_scale(raw, kind, a)
                x = z * tl.exp(s) + shift
                log_det += s
        tl.store(x_ptr + row.to(tl.int64) * n + position, x, mask=live)
        tl.store(known + k, x, mask=live)
        tl.debug_barrier()
    tl.store(log_det_ptr + row, log_det, mask=live)


def knows(univariate: Map, net: Net) -> bool:
    """Whether the kernel can invert this network: the map, and plain layers."""
    plain = not net.residual and net.encoding == "numbers"
    return univariate.kind in KINDS and univariate.bins <= MOST_BINS and plain


def invert(net: Net, univariate: Map, z: Tensor) -> tuple[Tensor, Tensor]:
    """x (B, n) and its log-det (B,)."""
    program, z = _Program(net), z.contiguous()
    x, log_det = torch.empty_like(z), z.new_empty(z.shape[0])
    most = max(1, _MOST_NUMBERS // program.numbers)
    for start in range(0, z.shape[0], most):
        part = slice(start, start + most)
        program.run(univariate, z[part], x[part], log_det[part], part)
    return x, log_det


_TABLES = WeakTensorKeyDictionary()  # of a network's layout, which never changes, on each device


def _tables(net: Net, device: torch.device) -> list[Tensor]:
    """The order (as int32 and int64), units of degree below k = 0..n + 1, and where each layer begins."""
    known: dict[torch.device, list[Tensor]] = _TABLES.setdefault(net.layout.ends, {})  # pyright: ignore
    if device not in known:
        begins = torch.tensor([0, *net.units[:-1]]).cumsum(0).int()
        tables = (net.layout.order, net.layout.order.long(), F.pad(net.layout.ends, (1, 0)).contiguous(), begins)
        known[device] = [t.to(device) for t in tables]
    return known[device]


class _Program:
    """A network as the kernel reads it: the layers' weights one below the other, units sorted by degree."""

    def __init__(self, net: Net) -> None:
        self.net, (self.size, self.n, _) = net, net.out.shape
        units, device = net.units, net.out.device
        self.numbers = self.n + sum(units)
        self.reads = max(self.n, *units)
        self.weight = net.out.new_zeros(sum(units), self.reads)
        for part, w in zip(self.weight.split(units), net.weights):
            part[:, : w.shape[1]] = w
        first, *others = net.biases
        self.context = first.dim() > 1
        self.extra = first.t().contiguous() if self.context else first.new_zeros(1, 1)
        self.bias = torch.cat([torch.zeros_like(first[:, 0]) if self.context else first, *others])
        self.order, positions, self.ends, self.offsets = _tables(net, device)
        self.out, self.out_bias = net.out[:, positions].contiguous(), net.out_bias[:, positions].contiguous()
        self.direct = self.out if net.direct is None else net.direct[:, positions].contiguous()

    def run(self, univariate: Map, z: Tensor, x: Tensor, log_det: Tensor, rows: slice) -> None:
        """Write x and log_det of these rows."""
        known = z.new_empty(z.shape[0], self.numbers)
        extra = self.extra[rows] if self.context else self.extra
        _sweep[(triton.cdiv(z.shape[0], _ROWS),)](
            *(self.weight, self.reads, self.bias, extra, extra.stride(0), self.out, self.out.shape[2], self.direct),
            *(self.out_bias, self.ends, self.offsets, self.order, z, x, log_det, known, self.numbers),
            *(z.shape[0], self.n, len(self.net.units), KINDS.index(univariate.kind), univariate.a, univariate.b),
            *(self.size, triton.next_power_of_2(max(2, self.size)), univariate.bins, self.net.activation),
            *(self.context, self.net.direct is not None),
            *(min(_CHUNK, max(16, triton.next_power_of_2(self.reads))), _ROWS),
        )
