"""The compiled kernels: looked for at first use, called through a plain C interface.

The library is one file without anything of Python's or torch's binary interface, so one build serves every version
of both. Where it is missing, cannot be loaded, or ``FLUVIAL_KERNELS=off`` is set, torch computes everything.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from fluvial.core.tracing import plain

VERSION = 5
"""Of the C interface; a library with another one is not used."""
DTYPES = (torch.float32, torch.float64)
"""What the kernels compute in."""
MOST_BINS = 500
"""Of a spline: as in csrc/spline.h."""
_suspended = False
_FILE = Path(__file__).with_name("_kernels.so")


def fields(kind: type, names: str) -> list[tuple[str, type]]:
    """Fields of one type, for a ctypes structure."""
    return [(name, kind) for name in names.split()]


class SplineJob(ctypes.Structure):
    """``SplineJob`` of csrc/jobs.h."""

    _fields_ = [
        *fields(ctypes.c_int64, "rows events bins theta_stride"),
        *fields(ctypes.c_int32, "circular inverse gradient"),
        *fields(ctypes.c_double, "bound"),
        *fields(ctypes.c_void_p, "x theta y slope g_y g_slope g_x g_theta"),
    ]


def active() -> bool:
    """True where compiled kernels run on the CPU."""
    return not _suspended and _load()[0] is not None


# what torch.compiler.assume_constant_result does, but that one imports the whole compiler: a second
active._dynamo_marked_constant = True  # pyright: ignore


def suspended() -> bool:
    """True inside :func:`torch_only`."""
    return _suspended


def eager() -> bool:
    """True where tensors are plain memory: no compiler, no torch.func, no forward derivatives at work."""
    return not torch.compiler.is_compiling() and plain()


def status() -> str:
    """Which kernels run on the CPU, and if not the compiled ones, why."""
    library, why_not = _load()
    return f"C++, {library.fluvial_kernels_name().decode()}" if library else f"torch ({why_not})"


def instruction_sets() -> list[str]:
    """Those that this machine and this build have, the best last."""
    if not active():
        return []
    names, best = [], library().fluvial_kernels_name()
    for level in range(8):
        if library().fluvial_kernels_choose(level):
            names.append(library().fluvial_kernels_name().decode())
    _choose(best.decode(), names)
    return names


@contextmanager
def restricted_to(name: str) -> Generator[None]:
    """Run the kernels of a lesser instruction set; for tests."""
    names, before = instruction_sets(), library().fluvial_kernels_name().decode()
    _choose(name, names)
    try:
        yield
    finally:
        _choose(before, names)


@contextmanager
def torch_only() -> Generator[None]:
    """Compute with torch alone, as where nothing was compiled; for tests and comparisons."""
    global _suspended
    before, _suspended = _suspended, True
    try:
        yield
    finally:
        _suspended = before


def _choose(name: str, names: list[str]) -> None:
    library().fluvial_kernels_choose(names.index(name))


def library() -> ctypes.CDLL:
    """The loaded library; RuntimeError where there is none."""
    found, why_not = _load()
    if found is None:
        raise RuntimeError(f"the compiled kernels are not in use: {why_not}")
    return found


def address(tensor: Tensor | None) -> int | None:
    """Where the tensor's numbers begin."""
    return None if tensor is None else tensor.data_ptr()


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    if os.environ.get("FLUVIAL_KERNELS", "").lower() == "off":
        return None, "turned off by FLUVIAL_KERNELS"
    if not _FILE.exists():
        return None, "no compiled kernels; install fluvial where there is a C++ compiler"
    try:
        library = ctypes.CDLL(str(_FILE))
        version = library.fluvial_kernels_version()
    except (OSError, AttributeError) as error:
        return None, f"the compiled kernels cannot be loaded: {error}"
    if version != VERSION:
        return None, f"the compiled kernels have version {version}, expected {VERSION}; install fluvial again"
    library.fluvial_kernels_name.restype = ctypes.c_char_p
    library.fluvial_kernels_team.argtypes = [ctypes.c_void_p]
    library.fluvial_kernels_team.restype = None
    for name in ("spline", "sweep", "sweep_vjp", "affine", "wave", "laws"):
        run = getattr(library, f"fluvial_{name}")
        run.argtypes, run.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int], None
    # the entry of torch's own OpenMP runtime, which torch loads for the whole process; else the library's own threads
    with suppress(AttributeError, TypeError, OSError):
        library.fluvial_kernels_team(ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p))
    return library, ""
