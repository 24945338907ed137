"""Functions of torch whose translation to ONNX loses their tails, in forms that it keeps."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core.tracing import to_onnx

_LOG_ERFCX = (
    *(-0.651326859891, 0.641969792356, 0.0194764732042, -0.00956151478681, -0.000946595344482, 0.000366839497853),
    *(4.25233248069e-05, -2.02785781127e-05, -1.62429000476e-06, 1.30365583531e-06, 1.56264417798e-08),
    *(-8.52380959807e-08, 6.52905429512e-09),
)
"""Chebyshev's coefficients of log(erfcx(x) / t) in 2 t - 1, t = 1 / (1 + x / 2): within 6e-9 for all x >= 0."""


def log_sigmoid(x: Tensor) -> Tensor:
    """log(1 / (1 + exp(-x))), which ONNX takes from a sigmoid that is 0 from -88 on."""
    return _log_sigmoid(x) if to_onnx() else F.logsigmoid(x)


def _log_sigmoid(x: Tensor) -> Tensor:
    return x.clamp(max=0) - torch.log1p(torch.exp(-x.abs()))


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(-x)) of x > 0, without loss where x is small; ONNX has no expm1."""
    return _log1mexp(x) if to_onnx() else torch.log(-torch.expm1(-x))


def _log1mexp(x: Tensor) -> Tensor:
    small = x < 0.25
    square = torch.where(small, x, 0.0).square()
    series = x.log() - x / 2 + square * (1 / 24 - square * (1 / 2880 - square / 181_440))
    return torch.where(small, series, torch.log1p(-torch.exp(-torch.where(small, 1.0, x))))


def log_ndtr(u: Tensor) -> Tensor:
    """log of the normal's CDF, which ONNX's translation makes -inf from 6 standard deviations on; there within 1e-8."""
    return _log_ndtr(u) if to_onnx() else torch.special.log_ndtr(u)


def _log_ndtr(u: Tensor) -> Tensor:
    x = u.abs() / math.sqrt(2)
    t = 1 / (1 + x / 2)
    y, ahead, last = 2 * t - 1, torch.zeros_like(x), torch.zeros_like(x)
    for coefficient in _LOG_ERFCX[:0:-1]:
        ahead, last = 2 * y * ahead - last + coefficient, ahead
    tail = y * ahead - last + _LOG_ERFCX[0] + t.log() - x.square() - math.log(2)  # of the CDF at -|u|
    return torch.where(u < 0, tail, torch.log1p(-tail.exp()))


def first_not_below(ascending: Tensor, values: Tensor) -> Tensor:
    """The place of the first of ascending numbers (D, A) that is not below each of the values (D, B); ONNX searches
    nothing."""
    if to_onnx():
        return (ascending.unsqueeze(1) < values.unsqueeze(2)).sum(2)
    return torch.searchsorted(ascending, values)
