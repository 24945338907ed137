"""The spline as one Triton kernel each way, for CUDA: theta is read once, nothing else touches memory.

The arithmetic is that of spline_torch.py, whose derivation the gradients follow. Each lane holds one element and walks
over its bins, so neighbouring lanes read neighbouring numbers of theta (B, 3K - 1 or 3K, events).
"""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportIndexIssue=false
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fluvial.kernels.rational_triton import MIN, RAW, clamped, edges, evaluate, local_vjp, over, slope, solve

_BLOCK = 128


@triton.jit
def _largest(theta, stride, live, bins: tl.constexpr):
    """Largest logit."""
    most = tl.load(theta, mask=live, other=0.0)
    for k in tl.static_range(1, bins):
        most = tl.maximum(most, tl.load(theta + k * stride, mask=live, other=0.0))
    return most


@triton.jit
def _total(theta, stride, live, most, bins: tl.constexpr):
    total = tl.exp(tl.load(theta, mask=live, other=0.0) - most)
    for k in tl.static_range(1, bins):
        total += tl.exp(tl.load(theta + k * stride, mask=live, other=0.0) - most)
    return total


@triton.jit
def _find(value, theta, stride, live, most, total, bound: tl.constexpr, bins: tl.constexpr):
    """The bin of the value along one axis: its number, the sum of exponentials left of it, and its own."""
    at = (value + bound) * (0.5 / bound) * (total / (1 - bins * MIN))
    left = tl.zeros_like(total)
    index = left.to(tl.int32)
    mass = tl.exp(tl.load(theta, mask=live, other=0.0) - most)
    running = mass
    for k in tl.static_range(1, bins):
        e = tl.exp(tl.load(theta + k * stride, mask=live, other=0.0) - most)
        beyond = at - k * MIN * (total / (1 - bins * MIN)) >= running
        index = tl.where(beyond, k, index)
        left = tl.where(beyond, running, left)
        mass = tl.where(beyond, e, mass)
        running += e
    return index, left, mass


@triton.jit
def _at(theta, stride, live, most, index, bins: tl.constexpr):
    """The sum of exponentials left of the bin of this number, and its own."""
    running = tl.zeros_like(most)
    left = tl.zeros_like(most)
    mass = tl.zeros_like(most)
    for k in tl.static_range(0, bins):
        e = tl.exp(tl.load(theta + k * stride, mask=live, other=0.0) - most)
        here = index == k
        left = tl.where(here, running, left)
        mass = tl.where(here, e, mass)
        running += e
    return left, mass


@triton.jit
def _raw_slopes(raw, stride, live, index, bins: tl.constexpr, circular: tl.constexpr):
    """The raw slopes left and right of the bin, wherever they are learned."""
    if circular:
        left = index
        right = (index + 1) % bins
    else:
        left = tl.maximum(index - 1, 0)
        right = tl.minimum(index, bins - 2)
    return tl.load(raw + left * stride, mask=live, other=0.0), tl.load(raw + right * stride, mask=live, other=0.0)


@triton.jit
def _locate(
    value, theta, stride, live, bound: tl.constexpr, axis: tl.constexpr, bins: tl.constexpr, circular: tl.constexpr
):
    """The bin of each value: its number, corner, size and the slopes at its ends; and both axes' sums."""
    heights = theta + bins * stride
    most_w = _largest(theta, stride, live, bins)
    most_h = _largest(heights, stride, live, bins)
    total_w = _total(theta, stride, live, most_w, bins)
    total_h = _total(heights, stride, live, most_h, bins)
    if axis == 0:
        index, left_w, mass_w = _find(value, theta, stride, live, most_w, total_w, bound, bins)
        left_h, mass_h = _at(heights, stride, live, most_h, index, bins)
    else:
        index, left_h, mass_h = _find(value, heights, stride, live, most_h, total_h, bound, bins)
        left_w, mass_w = _at(theta, stride, live, most_w, index, bins)
    x0, w = edges(left_w, mass_w, total_w, index, bound, bins)
    y0, h = edges(left_h, mass_h, total_h, index, bound, bins)
    raw0, raw1 = _raw_slopes(theta + 2 * bins * stride, stride, live, index, bins, circular)
    d0, d1 = slope(raw0), slope(raw1)
    if not circular:
        d0 = tl.where(index == 0, 1.0, d0)
        d1 = tl.where(index == bins - 1, 1.0, d1)
    return index, x0, w, y0, h, d0, d1, most_w, total_w, left_w, mass_w, most_h, total_h, left_h, mass_h


@triton.jit
def _forward(
    x_ptr,
    theta_ptr,
    y_ptr,
    slope_ptr,
    n,
    events,
    row_stride,
    bound: tl.constexpr,
    bins: tl.constexpr,
    circular: tl.constexpr,
    inverse: tl.constexpr,
    block: tl.constexpr,
):
    at = tl.program_id(0) * block + tl.arange(0, block)
    live = at < n
    row = at // events
    theta = theta_ptr + row.to(tl.int64) * row_stride + (at - row * events)
    x = tl.load(x_ptr + at, mask=live, other=0.0)
    value = clamped(x, bound)
    axis: tl.constexpr = 1 if inverse else 0
    _, x0, w, y0, h, d0, d1, _, _, _, _, _, _, _, _ = _locate(value, theta, events, live, bound, axis, bins, circular)
    if inverse:
        y = solve(value, x0, w, y0, h, d0, d1)
        _, log_slope = evaluate(y, x0, w, y0, h, d0, d1)
        log_slope = -log_slope
    else:
        y, log_slope = evaluate(value, x0, w, y0, h, d0, d1)
    inside = (x >= -bound) & (x <= bound)
    tl.store(y_ptr + at, tl.where(inside, y, x), mask=live)
    tl.store(slope_ptr + at, tl.where(inside, log_slope, 0.0), mask=live)


@triton.jit
def _logits_vjp(
    theta, out, stride, live, most, total, left, mass, index, g_left, g_size, bound: tl.constexpr, bins: tl.constexpr
):
    unit = 2 * bound * (1 - bins * MIN) / total
    g_left, g_size = g_left * unit, g_size * unit
    dot = over(g_left * left + g_size * mass, total)
    for k in tl.static_range(0, bins):
        e = tl.exp(tl.load(theta + k * stride, mask=live, other=0.0) - most)
        g = tl.where(k < index, g_left, 0.0) + tl.where(k == index, g_size, 0.0) - dot
        tl.store(out + k * stride, g * e, mask=live)


@triton.jit
def _backward(
    x_ptr,
    theta_ptr,
    y_ptr,
    slope_ptr,
    g_y_ptr,
    g_slope_ptr,
    g_x_ptr,
    g_theta_ptr,
    n,
    events,
    row_stride,
    bound: tl.constexpr,
    size: tl.constexpr,
    bins: tl.constexpr,
    circular: tl.constexpr,
    inverse: tl.constexpr,
    block: tl.constexpr,
):
    at = tl.program_id(0) * block + tl.arange(0, block)
    live = at < n
    row = at // events
    theta = theta_ptr + row.to(tl.int64) * row_stride + (at - row * events)
    out = g_theta_ptr + row.to(tl.int64) * (size * events) + (at - row * events)
    given = tl.load(x_ptr + at, mask=live, other=0.0)
    inside = (given >= -bound) & (given <= bound)
    g_out = tl.load(g_y_ptr + at, mask=live, other=0.0)
    g_l = tl.where(inside, tl.load(g_slope_ptr + at, mask=live, other=0.0), 0.0)
    axis: tl.constexpr = 1 if inverse else 0
    index, x0, w, _, h, d0, d1, most_w, total_w, left_w, mass_w, most_h, total_h, left_h, mass_h = _locate(
        clamped(given, bound), theta, events, live, bound, axis, bins, circular
    )
    if inverse:  # log_det = -l(x(z, theta), theta): its part in x first, then x itself through z = f(x, theta)
        x = clamped(tl.load(y_ptr + at, mask=live, other=0.0), bound)
        rate = tl.exp(tl.load(slope_ptr + at, mask=live, other=0.0))
        of_slope, _, _, _, _ = local_vjp(x, x0, w, h, d0, d1, g_l * 0, -g_l)
        g_x = tl.where(inside, g_out + of_slope, g_out) * tl.where(inside, rate, 1.0)
        g_y = tl.where(inside, -g_x, 0.0)
        g_l = -g_l
        inner, g_w, g_h, g_d0, g_d1 = local_vjp(x, x0, w, h, d0, d1, g_y, g_l)
    else:
        x = clamped(given, bound)
        g_y = tl.where(inside, g_out, 0.0)
        inner, g_w, g_h, g_d0, g_d1 = local_vjp(x, x0, w, h, d0, d1, g_y, g_l)
        g_x = tl.where(inside, inner, g_out)
    tl.store(g_x_ptr + at, g_x, mask=live)
    _logits_vjp(theta, out, events, live, most_w, total_w, left_w, mass_w, index, -inner, g_w, bound, bins)
    heights = bins * events
    _logits_vjp(
        theta + heights, out + heights, events, live, most_h, total_h, left_h, mass_h, index, g_y, g_h, bound, bins
    )
    slopes: tl.constexpr = bins if circular else bins - 1
    for k in tl.static_range(0, slopes):
        if circular:
            g = tl.where(index == k, g_d0, 0.0) + tl.where((index + 1) % bins == k, g_d1, 0.0)
        else:
            g = tl.where(index == k + 1, g_d0, 0.0) + tl.where(index == k, g_d1, 0.0)
        raw = tl.load(theta + (2 * bins + k) * events, mask=live, other=0.0)
        tl.store(out + (2 * bins + k) * events, g / (1 + tl.exp(-(raw + RAW))), mask=live)


def run(x: Tensor, theta: Tensor, bins: int, bound: float, inverse: bool) -> tuple[Tensor, Tensor]:
    """y and log_det of contiguous x; rows of theta are contiguous."""
    y, slope = torch.empty_like(x), torch.empty_like(x)
    if x.numel():
        events = x.numel() // x.shape[0]
        _forward[_grid(x)](
            x, theta, y, slope, x.numel(), events, theta.stride(0), bound,
            bins, theta.shape[1] == 3 * bins, inverse, _BLOCK,
        )  # fmt: skip
    return y, slope


def vjp(
    x: Tensor,
    theta: Tensor,
    y: Tensor,
    log_det: Tensor,
    g_y: Tensor,
    g_l: Tensor,
    bins: int,
    bound: float,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients at x and theta, given the results y and log_det and the gradients there; all contiguous."""
    g_x, g_theta = torch.empty_like(x), torch.empty(theta.shape, dtype=x.dtype, device=x.device)
    if x.numel():
        events, size = x.numel() // x.shape[0], theta.shape[1]
        _backward[_grid(x)](
            x, theta, y, log_det, g_y, g_l, g_x, g_theta, x.numel(), events, theta.stride(0), bound,
            size, bins, size == 3 * bins, inverse, _BLOCK,
        )  # fmt: skip
    return g_x, g_theta


def _grid(x: Tensor) -> tuple[int]:
    return (triton.cdiv(x.numel(), _BLOCK),)
