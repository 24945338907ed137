"""Files that are whole or not there: atomic writes, and the checkpoint a run resumes from."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from fluvial.core.errors import RunError

FORMAT = 1
_BROKEN = (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, or leave it as it was.

    Raises:
        RunError: the file cannot be written, for example because the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        kept = "; the previous file is intact" if path.exists() else ""
        raise RunError(f"{path} could not be written: {error.strerror or error}{kept}") from error


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
        with path.open("rb") as file:  # by its name, torch would guess a format
            state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise RunError(f"{path} could not be read: {error.strerror or error}") from None
    except _BROKEN:
        raise RunError(f"{path} is damaged or not a fluvial checkpoint; start again without it") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:  # pyright: ignore
        raise RunError(f"{path} is not a checkpoint of this version of fluvial; start again without it")
    return state  # pyright: ignore
