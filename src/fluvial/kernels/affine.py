"""Affine maps in one pass, where no gradient is asked for; with one, torch's own operators do as well.

In float32 z is within (6 + 3 |s|) ulps of its two terms' sizes, s within 4 ulps (tests/kernels/test_ulps.py).
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn

from fluvial.kernels import boundary, native
from fluvial.kernels.maps import Map

_RULES = {"exp": 1, "tanh": 2, "sigmoid": 3}
_PLAIN = (Tensor, nn.Parameter)  # no subclass, such as those of tracers


class AffineJob(ctypes.Structure):
    """``AffineJob`` of csrc/jobs.h."""

    _fields_ = [
        *native.fields(ctypes.c_int64, "rows events theta_stride"),
        *native.fields(ctypes.c_int32, "rule inverse"),
        *native.fields(ctypes.c_double, "a"),
        *native.fields(ctypes.c_void_p, "x theta z log_det"),
    ]


def applies(univariate: Map | None, x: Tensor, theta: Tensor) -> bool:
    """True where the compiled kernel knows the map and may be called: the CPU, no gradient, no compiler."""
    return (
        univariate is not None
        and native.active()
        and native.eager()
        and type(x) in _PLAIN
        and type(theta) in _PLAIN
        and x.device.type == theta.device.type == "cpu"
        and x.dtype == theta.dtype
        and x.dtype in (torch.float32, torch.float64)
        and x.numel() > 0
        and theta.shape == (x.shape[0], 2, *x.shape[1:])
        and not (torch.is_grad_enabled() and (x.requires_grad or theta.requires_grad))
    )


def run(univariate: Map, x: Tensor, theta: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    """z and log_det of the map, or of its inverse."""
    if univariate.kind not in _RULES or theta.shape != (x.shape[0], 2, *x.shape[1:]) or x.numel() == 0:
        boundary.refuse("theta", f"two numbers for each x, of a rule {tuple(_RULES)}", (univariate.kind, theta.shape))
    if x.dtype not in native.DTYPES or theta.dtype is not x.dtype or not x.device == theta.device == boundary.CPU:
        boundary.refuse("theta and x", "float32 or float64 on the CPU", f"{theta.dtype} and {x.dtype}")
    x = x.contiguous()
    if not theta[0].is_contiguous():
        theta = theta.contiguous()
    z, log_det = torch.empty_like(x), torch.empty_like(x)
    job = AffineJob(
        x.shape[0],
        x[0].numel(),
        theta.stride(0),
        _RULES[univariate.kind],
        inverse,
        univariate.a,
        *map(native.address, (x, theta, z, log_det)),
    )
    native.library().fluvial_affine(ctypes.byref(job), x.dtype == torch.float64, torch.get_num_threads())
    return z, log_det
