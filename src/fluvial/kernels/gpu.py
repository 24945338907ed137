"""The Triton kernels: looked for at first use on a CUDA device, tried once, and left out where they do not run."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

from fluvial.kernels import native

MOST_BINS = 32
"""Of a spline: its loops over bins are unrolled."""


def active() -> bool:
    """True where the Triton kernels run on CUDA."""
    return not native.suspended() and _why_not() is None


# as native.active, a constant to the compiler
active._dynamo_marked_constant = True  # pyright: ignore


def status() -> str:
    """Which kernels run on CUDA, and if not Triton's, why."""
    if not torch.cuda.is_available():
        return "none (no CUDA device)"
    why_not = _why_not()
    return f"Triton, {torch.cuda.get_device_name()}" if why_not is None else f"torch ({why_not})"


def spline() -> Any:  # noqa: ANN401
    """The module of the spline's kernels."""
    return import_module("fluvial.kernels.spline_triton")


def sweep() -> Any:  # noqa: ANN401
    """The module of the sweep's kernel."""
    return import_module("fluvial.kernels.sweep_triton")


@cache
def _why_not() -> str | None:
    if os.environ.get("FLUVIAL_KERNELS", "").lower() == "off":
        return "turned off by FLUVIAL_KERNELS"
    if find_spec("triton") is None:
        return "Triton is not installed"
    try:  # compiling needs a C compiler, which may be missing
        x = torch.zeros(1, 1, device="cuda")
        spline().run(x, torch.zeros(1, 5, 1, device="cuda"), 2, 1.0, False)
        torch.cuda.synchronize()
    except Exception as error:  # anything at all: torch computes the same
        return f"Triton does not run here: {str(error).strip().splitlines()[0] if str(error).strip() else error!r}"
    return None
