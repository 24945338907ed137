"""The last look before native code, which reads and writes wherever it is pointed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

import torch
from torch import Tensor

Named = Iterable[tuple[str, Tensor | None, Sequence[int]]]
"""The name that a sentence uses, and the shape that the tensor must have; None is not there."""
CPU = torch.device("cpu")


def check(dtype: torch.dtype, device: torch.device, tensors: Named) -> None:
    """ValueError, a sentence, unless each tensor has this dtype and shape and lies, contiguous, on ``device``.

    Asked before every call of a kernel, so in few and cheap questions.
    """
    for name, tensor, shape in tensors:
        if tensor is not None and not (
            tensor.shape == shape and tensor.dtype is dtype and tensor.is_contiguous() and tensor.device == device
        ):
            refuse(name, f"contiguous {_short(dtype)} of shape {tuple(shape)} on {device}", _found(tensor))


def refuse(what: str, expected: object, got: object) -> NoReturn:
    """ValueError, a sentence."""
    raise ValueError(f"{what}: a compiled kernel needs {expected}, got {got}")


def require(holds: bool, what: str, expected: object, got: object) -> None:
    """ValueError, a sentence, unless it holds."""
    if not holds:
        refuse(what, expected, got)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _found(tensor: Tensor) -> str:
    scattered = "" if tensor.is_contiguous() else "scattered "
    return f"{scattered}{_short(tensor.dtype)} of shape {tuple(tensor.shape)} on {tensor.device}"
