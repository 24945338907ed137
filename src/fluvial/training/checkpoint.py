"""The checkpoint that a run resumes from."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from fluvial.core.errors import RunError
from fluvial.core.files import open_regular, write_atomically

FORMAT = 1
_BROKEN = (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint of tensors, numbers, strings, lists and dicts."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; it is data, no code in it is ever run.

    Raises:
        RunError: missing, damaged, foreign or of another format.
    """
    try:
        with open_regular(path) as file:  # by its name, torch would guess a format
            state = torch.load(file, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path} is damaged or not a fluvial checkpoint; start again without it") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:  # pyright: ignore
        raise RunError(f"{path} is not a checkpoint of this version of fluvial; start again without it")
    return state  # pyright: ignore
