"""What stays in float32 under autocast, and what stays in float64 always."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """No autocast, on x's device: half precision leaves nothing to invert, and knows 256 pixel values barely."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def float32_at_least(x: Tensor) -> Tensor:
    """x, in float32 if it is in half precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def dtype_of_numbers(x: Tensor) -> torch.dtype:
    """x's own, or torch's default where x holds whole numbers, in which no result would fit."""
    return x.dtype if x.is_floating_point() else torch.get_default_dtype()


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x.to(dtype)``, which costs a microsecond also where there is nothing to do."""
    return x if x.dtype == dtype else x.to(dtype)


def deviation(x: np.ndarray) -> np.ndarray:
    """Standard deviation along the first axis, float64, also of numbers whose squares over- or underflow.

    >>> round(float(deviation(np.array([1e-300, 3e-300]))) * 1e300, 9)
    1.0
    """
    x = np.asarray(x, dtype=np.float64)
    unit = _largest(x)
    away = x / unit  # a table of its own, and no more than one at a time: x may be most of what is in memory
    away -= away.mean(0)
    largest = _largest(away)
    away /= largest
    return away.std(0) * largest * unit


def _largest(x: np.ndarray) -> np.ndarray:
    """The greatest size along the first axis; 1 where all is 0."""
    size = np.maximum(x.max(0, initial=0.0), -x.min(0, initial=0.0))
    return np.where(size > 0, size, 1.0)


class Double(nn.Module):
    """A module whose float64 parameters and buffers stay in float64, also where the model around it is float32.

    ``.float()``, ``.half()`` and ``.to(dtype)`` leave them as they are; ``.to(device)`` moves them. Its subclasses are
    linear maps at the head of a density, where float32 has too little room for columns that nearly depend on one
    another.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def kept(t: Tensor) -> Tensor:
            moved = fn(t)
            narrowed = t.dtype == torch.float64 and moved.dtype != t.dtype and moved.is_floating_point()
            return t.to(moved.device) if narrowed else moved  # else its values may be elsewhere, or not be at all

        return super()._apply(kept, recurse)
