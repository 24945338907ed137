"""The rational-quadratic formula inside one bin, as functions of Triton kernels; see spline_torch.py."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportIndexIssue=false
from __future__ import annotations

import triton
import triton.language as tl

from fluvial.kernels import spline_torch

MIN = tl.constexpr(spline_torch.MIN_SIZE)
_MIN_SLOPE = tl.constexpr(spline_torch.MIN_SLOPE)
RAW = tl.constexpr(spline_torch.UNIT_RAW)


@triton.jit
def over(a, b):
    """a / b rounded to nearest; Triton's own division of float32 is two units off."""
    if b.dtype == tl.float32:  # noqa: SIM108
        ratio = tl.div_rn(a, b)
    else:
        ratio = a / b
    return ratio


@triton.jit
def softplus(x):
    return tl.maximum(x, 0.0) + tl.log(1 + tl.exp(-tl.abs(x)))


@triton.jit
def slope(raw):
    return softplus(raw + RAW) + _MIN_SLOPE


@triton.jit
def edges(left, mass, total, index, bound: tl.constexpr, bins: tl.constexpr):
    share: tl.constexpr = 1 - bins * MIN
    corner = (over(left, total) * share + index.to(mass.dtype) * MIN) * (2 * bound) - bound
    size = over(mass, total) * (2 * bound * share) + 2 * bound * MIN
    return corner, size


@triton.jit
def evaluate(x, x0, w, y0, h, d0, d1):
    s = over(h, w)
    t = over(x - x0, w)
    q = t * (1 - t)
    denominator = s + (d0 + d1 - 2 * s) * q
    y = y0 + over(h * (s * t * t + d0 * q), denominator)
    slope = s * s * (d1 * t * t + 2 * s * q + d0 * (1 - t) * (1 - t))
    return y, tl.log(slope) - 2 * tl.log(denominator)


@triton.jit
def solve(y, x0, w, y0, h, d0, d1):
    s = over(h, w)
    v = y - y0
    bend = d0 + d1 - 2 * s
    qa = h * (s - d0) + v * bend
    qb = h * d0 - v * bend
    qc = -s * v
    root = over(2 * qc, -qb - tl.sqrt(tl.maximum(qb * qb - 4 * qa * qc, 0.0)))
    x = x0 + tl.minimum(tl.maximum(root, 0.0), 1.0) * w
    again, log_slope = evaluate(x, x0, w, y0, h, d0, d1)
    polished = x - (again - y) * tl.exp(-log_slope)
    return tl.minimum(tl.maximum(polished, x0), x0 + w)


@triton.jit
def clamped(value, bound: tl.constexpr):
    """As torch's clamp: NaN stays."""
    return tl.where(value < -bound, -bound, tl.where(value > bound, bound, value))


@triton.jit
def local_vjp(x, x0, w, h, d0, d1, g_y, g_l):
    """Gradients at (x, w, h, d0, d1) of the formula inside one bin; those at x0 and y0 are -g_x and g_y."""
    s = over(h, w)
    t = over(x - x0, w)
    r = 1 - t
    q = t * r
    bend = d0 + d1 - 2 * s
    denominator = s + bend * q
    numerator = s * t * t + d0 * q
    curve = d1 * t * t + 2 * s * q + d0 * r * r
    g_n = over(g_y * h, denominator)
    g_den = -over(g_n * numerator + 2 * g_l, denominator)
    g_curve = over(g_l, curve)
    g_s = g_n * t * t + g_den * (1 - 2 * q) + 2 * g_curve * q + over(2 * g_l, s)
    g_q = g_n * d0 + g_den * bend + 2 * g_curve * s
    g_d0 = g_n * q + g_den * q + g_curve * r * r
    g_d1 = g_den * q + g_curve * t * t
    g_t = 2 * t * (g_n * s + g_curve * d1) - 2 * r * g_curve * d0 + g_q * (r - t)
    g_h = over(g_y * numerator, denominator) + over(g_s, w)
    g_w = -over(g_s * s + g_t * t, w)
    return over(g_t, w), g_w, g_h, g_d0, g_d1
