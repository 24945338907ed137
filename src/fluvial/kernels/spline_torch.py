r"""The rational-quadratic spline in plain torch, with a backward pass written by hand.

Layout: x is (B, \*event), theta is (B, 3K - 1 or 3K, \*event); bins lie on dim 1, so every operator runs over
contiguous events. Autograd through the formula would keep and revisit some forty tensors of theta's size; the
backward pass below needs only the exponentials of the logits and the bin that each value fell into.

Derivation. With p = softmax(logits), c = 1 - K * MIN_SIZE and j the bin of x, the left knot and width of bin j are
    x_j = -b + 2b (MIN_SIZE j + c sum_{i<j} p_i),    w_j = 2b (MIN_SIZE + c p_j),
(heights alike), so the gradient at logit i is
    p_i (G_i - dot),    G_i = 2bc (g_left [i < j] + g_width [i = j]),    dot = sum_i p_i G_i,
and dot follows from the two gathered numbers alone.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core.tracing import forward_mode

MIN_SIZE = 1e-3
"""Smallest width and height of a bin, as a share of the interval."""
MIN_SLOPE = 1e-3
"""Smallest slope at a knot."""
UNIT_RAW = math.log(math.expm1(1 - MIN_SLOPE))
"""softplus(UNIT_RAW) + MIN_SLOPE = 1."""


def forward(x: Tensor, theta: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor]:
    """z and log_det of the spline."""
    return _run(Spline, x, theta, bins, bound)


def inverse(z: Tensor, theta: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor]:
    """x and log_det of the inverse spline."""
    return _run(InverseSpline, z, theta, bins, bound)


def _run(function: type[Spline], x: Tensor, theta: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor]:
    if torch.is_grad_enabled() and (x.requires_grad or theta.requires_grad) and not forward_mode():
        return function.apply(x, theta, bins, bound)[:2]  # pyright: ignore
    return function.evaluate(x, theta, bins, bound)[:2]


class _Bin(NamedTuple):
    """The bin of each value: its corner, size and the slopes at its ends."""

    which: Tensor  # (B, 1, *event): its number
    x0: Tensor
    y0: Tensor
    w: Tensor
    h: Tensor
    d0: Tensor
    d1: Tensor


def _exponentials(theta: Tensor, bins: int) -> Tensor:
    """exp(logit - max) of widths and heights, (B, 2, K, *event); the sum is divided out after gathering."""
    logits = theta[:, : 2 * bins].unflatten(1, (2, bins))
    return (logits - logits.amax(2, keepdim=True)).exp_()


def _locate(value: Tensor, theta: Tensor, bins: int, bound: float, axis: int) -> tuple[_Bin, Tensor]:
    """The bin of each value along ``axis`` (0: widths, 1: heights), and the exponentials for the backward pass."""
    e = _exponentials(theta, bins)
    total = e.cumsum(2)
    # value >= knot j  <=>  at * sum - j * MIN_SIZE * sum >= share * (e_0 + ... + e_{j-1})
    share = 1 - bins * MIN_SIZE
    scale = total[:, axis, -1:] / share
    at = (value.unsqueeze(1) + bound) * (0.5 / bound * scale)
    knot = _count(bins, value, start=1)
    index = (torch.addcmul(at, scale, knot, value=-MIN_SIZE) >= total[:, axis, :-1]).sum(1, keepdim=True)
    return _pick(e, total, theta, index, bins, bound), e


def _count(bins: int, like: Tensor, start: int = 0) -> Tensor:
    """start, ..., K - 1 along the axis of bins."""
    return torch.arange(start, bins, dtype=like.dtype, device=like.device).view(-1, *[1] * (like.dim() - 1))


def _pick(e: Tensor, total: Tensor, theta: Tensor, index: Tensor, bins: int, bound: float) -> _Bin:
    """Gather the bin ``index`` from the exponentials and their running sums."""
    both = index.unsqueeze(1).expand(-1, 2, *index.shape[1:])
    whole = total[:, :, -1]
    mass = e.gather(2, both).squeeze(2)
    left = (total.gather(2, both).squeeze(2) - mass) / whole
    share = 1 - bins * MIN_SIZE
    corner = (left * share + index.to(e.dtype) * MIN_SIZE) * (2 * bound) - bound
    size = mass / whole * (2 * bound * share) + 2 * bound * MIN_SIZE
    d0, d1 = _slopes(theta[:, 2 * bins :], index, bins)
    return _Bin(index, corner[:, 0], corner[:, 1], size[:, 0], size[:, 1], d0, d1)


def _slopes(raw: Tensor, index: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Slopes at the left and right knot of each bin; 1 at the ends of a linear tail."""
    circular = raw.shape[1] == bins
    left, right = (index, (index + 1) % bins) if circular else ((index - 1).clamp(min=0), index.clamp(max=bins - 2))
    picked = raw.gather(1, torch.cat((left, right), 1))
    slopes = F.softplus(picked + UNIT_RAW) + MIN_SLOPE
    d0, d1 = slopes.unbind(1)
    if circular:
        return d0, d1
    at = index.squeeze(1)
    return torch.where(at == 0, 1.0, d0), torch.where(at == bins - 1, 1.0, d1)


def _evaluate(x: Tensor, b: _Bin) -> tuple[Tensor, Tensor]:
    """y and log dy/dx inside the bin (arXiv 1906.04032, eq. 4 and 5)."""
    s = b.h / b.w
    t = (x - b.x0) / b.w
    q = t * (1 - t)
    denominator = s + (b.d0 + b.d1 - 2 * s) * q
    y = b.y0 + b.h * (s * t.square() + b.d0 * q) / denominator
    slope = s.square() * (b.d1 * t.square() + 2 * s * q + b.d0 * (1 - t).square())
    return y, torch.log(slope) - 2 * torch.log(denominator)


def _solve(y: Tensor, b: _Bin) -> Tensor:
    """x of y inside the bin: the stable root of the quadratic (eq. 6-8), then one Newton step."""
    s = b.h / b.w
    v = y - b.y0
    bend = b.d0 + b.d1 - 2 * s
    qa = b.h * (s - b.d0) + v * bend
    qb = b.h * b.d0 - v * bend
    qc = -s * v
    discriminant = (qb.square() - 4 * qa * qc).clamp_min(0)
    root = 2 * qc / (-qb - discriminant.sqrt())
    x = b.x0 + root.clamp(0, 1) * b.w
    again, log_slope = _evaluate(x, b)
    polished = x - (again - y) * torch.exp(-log_slope)
    return torch.minimum(torch.maximum(polished, b.x0), b.x0 + b.w)


class Spline(torch.autograd.Function):
    """Forward spline; outputs z, log_det and the two tensors that the backward pass needs."""

    generate_vmap_rule = True

    @staticmethod
    def evaluate(x: Tensor, theta: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        clamped = x.clamp(-bound, bound)
        at, e = _locate(clamped, theta, bins, bound, axis=0)
        z, log_det = _evaluate(clamped, at)
        inside = (x >= -bound) & (x <= bound)
        return torch.where(inside, z, x), torch.where(inside, log_det, 0.0), e, at.which

    @staticmethod
    def forward(x: Tensor, theta: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return Spline.evaluate(x, theta, bins, bound)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:  # noqa: ANN401
        x, theta, ctx.bins, ctx.bound = inputs
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(x, theta, *output[2:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, theta, e, index = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: let autograd differentiate the formula
            return (*_twice(Spline.evaluate, (x, theta), grads[:2], ctx.bins, ctx.bound), None, None)
        return (*_vjp(x, theta, e, index, grads[0], grads[1], ctx.bins, ctx.bound), None, None)


class InverseSpline(Spline):
    """Inverse spline; its gradients follow from the forward map's by the implicit function theorem."""

    @staticmethod
    def evaluate(x: Tensor, theta: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        clamped = x.clamp(-bound, bound)
        at, e = _locate(clamped, theta, bins, bound, axis=1)
        solved = _solve(clamped, at)
        log_det = -_evaluate(solved, at)[1]
        inside = (x >= -bound) & (x <= bound)
        return torch.where(inside, solved, x), torch.where(inside, log_det, 0.0), e, at.which

    @staticmethod
    def forward(x: Tensor, theta: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return InverseSpline.evaluate(x, theta, bins, bound)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:  # noqa: ANN401
        z, theta, ctx.bins, ctx.bound = inputs
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(z, theta, *output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        z, theta, x, log_det, e, index = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (*_twice(InverseSpline.evaluate, (z, theta), grads[:2], ctx.bins, ctx.bound), None, None)
        # log_det = -l(x(z, theta), theta): its part in x first, then x itself through z = f(x, theta)
        of_slope, _ = _vjp(x, theta, e, index, torch.zeros_like(x), -grads[1], ctx.bins, ctx.bound)
        g_z = (grads[0] + of_slope) * torch.exp(log_det)
        _, g_theta = _vjp(x, theta, e, index, -g_z, -grads[1], ctx.bins, ctx.bound)
        return g_z, g_theta, None, None


def _twice(
    function: Any,  # noqa: ANN401
    inputs: tuple[Tensor, Tensor],
    grads: tuple[Tensor, ...],
    bins: int,
    bound: float,
) -> tuple[Tensor, ...]:
    pull = torch.func.vjp(lambda x, theta: function(x, theta, bins, bound)[:2], *inputs)[1]
    return pull(tuple(grads))


def _vjp(
    x: Tensor, theta: Tensor, e: Tensor, index: Tensor, g_y: Tensor, g_l: Tensor, bins: int, bound: float
) -> tuple[Tensor, Tensor]:
    """Gradients at x and theta for gradients g_y at y = f(x) and g_l at log f'(x)."""
    inside = (x >= -bound) & (x <= bound)
    g_y_in, g_l = torch.where(inside, g_y, 0.0), torch.where(inside, g_l, 0.0)
    total = e.cumsum(2)
    at = _pick(e, total, theta, index, bins, bound)
    g_x, g_x0, g_y0, g_w, g_h, g_d0, g_d1 = _local_vjp(x.clamp(-bound, bound), at, g_y_in, g_l)
    # the logits: p_i (G_i - dot), with p_i = e_i / sum
    both = index.unsqueeze(1).expand(-1, 2, *index.shape[1:])
    unit = 2 * bound * (1 - bins * MIN_SIZE) / total[:, :, -1:]
    g_left = torch.stack((g_x0, g_y0), 1).unsqueeze(2) * unit
    g_size = torch.stack((g_w, g_h), 1).unsqueeze(2) * unit
    picked = e.gather(2, both)
    dot = (g_left * (total.gather(2, both) - picked) + g_size * picked) / total[:, :, -1:]
    g_logits = torch.where(_count(bins, x) < both, g_left - dot, -dot)
    g_logits.scatter_add_(2, both, g_size)
    g_logits.mul_(e)
    g_slopes = _slopes_vjp(theta[:, 2 * bins :], index, g_d0, g_d1, bins)
    return torch.where(inside, g_x, g_y), torch.cat((g_logits.flatten(1, 2), g_slopes), 1)


def _slopes_vjp(raw: Tensor, index: Tensor, g_d0: Tensor, g_d1: Tensor, bins: int) -> Tensor:
    at = index.squeeze(1)
    if raw.shape[1] == bins:  # circular
        left, right = index, (index + 1) % bins
    else:  # the ends are fixed at 1
        left, right = (index - 1).clamp(min=0), index.clamp(max=bins - 2)
        g_d0, g_d1 = torch.where(at == 0, 0.0, g_d0), torch.where(at == bins - 1, 0.0, g_d1)
    g_raw = torch.zeros_like(raw).scatter_add_(1, left, g_d0.unsqueeze(1)).scatter_add_(1, right, g_d1.unsqueeze(1))
    return g_raw.mul_(torch.sigmoid(raw + UNIT_RAW))


def _local_vjp(x: Tensor, b: _Bin, g_y: Tensor, g_l: Tensor) -> tuple[Tensor, ...]:
    """Gradients at (x, x0, y0, w, h, d0, d1) of the formula inside one bin."""
    s = b.h / b.w
    t = (x - b.x0) / b.w
    r = 1 - t
    q = t * r
    bend = b.d0 + b.d1 - 2 * s
    denominator = s + bend * q
    numerator = s * t.square() + b.d0 * q
    curve = b.d1 * t.square() + 2 * s * q + b.d0 * r.square()
    # y = y0 + h n / den;  l = 2 log s + log curve - 2 log den
    g_n = g_y * b.h / denominator
    g_den = -(g_n * numerator + 2 * g_l) / denominator
    g_curve = g_l / curve
    g_s = g_n * t.square() + g_den * (1 - 2 * q) + 2 * g_curve * q + 2 * g_l / s
    g_q = g_n * b.d0 + g_den * bend + 2 * g_curve * s
    g_d0 = g_n * q + g_den * q + g_curve * r.square()
    g_d1 = g_den * q + g_curve * t.square()
    g_t = 2 * t * (g_n * s + g_curve * b.d1) - 2 * r * g_curve * b.d0 + g_q * (r - t)
    g_x = g_t / b.w
    g_h = g_y * numerator / denominator + g_s / b.w
    g_w = -(g_s * s + g_t * t) / b.w
    return g_x, -g_x, g_y, g_w, g_h, g_d0, g_d1
