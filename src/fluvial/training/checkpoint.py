"""The checkpoint that a run resumes from: tensors and plain numbers, each checked before use."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fluvial.core.errors import RunError
from fluvial.core.files import open_regular, write_atomically
from fluvial.core.typed import typed

if TYPE_CHECKING:
    from fluvial.training.formats import Checkpoint

FORMAT = 2
_BROKEN = (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)
_PICKLED = (pickle.UnpicklingError, zipfile.BadZipFile, NotImplementedError, OSError, MemoryError)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint of tensors, numbers, strings, lists and dicts."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; it is data, no code in it is ever run.

    Raises:
        RunError: missing, damaged, foreign or of another format.
    """
    from fluvial.training.formats import Checkpoint

    state = unpickled(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise RunError(f"{path} is not a checkpoint of this version of fluvial; start again without it")
    return typed(state, Checkpoint, str(path))


def unpickled(path: Path) -> object:
    """What the file holds: torch's own kinds of data alone."""
    damaged = RunError(f"{path} is damaged or not a fluvial checkpoint; start again without it")
    with open_regular(path) as file:  # by its name, torch would guess a format
        try:
            with zipfile.ZipFile(file) as archive:
                if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                    raise damaged  # torch packs nothing, so a small file is small
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
        except (*_BROKEN, *_PICKLED):
            raise damaged from None


def check_marks(state: Checkpoint, batches: int, path: Path) -> None:
    """RunError, a sentence, unless the counters can be those of a run of so many batches an epoch."""
    p = state["progress"]
    most = {
        "batch": batches,
        "step": p["epoch"] * batches + p["batch"],
        "best_epoch": p["epoch"],
        "cut_epoch": p["epoch"],
        "cuts": p["epoch"],
    }
    faults = [name for name, limit in most.items() if p[name] > limit]
    if len(p["records"]) != p["epoch"] + 1 or [r["epoch"] for r in p["records"]] != list(range(p["epoch"] + 1)):
        faults.append("epoch")
    if math.isnan(p["best"]) or p["best"] == -math.inf:
        faults.append("best")
    if faults:
        raise RunError(f"{path} is damaged: its {faults[0]} cannot be {p[faults[0]]}; start again without it")


def check_weights(found: Mapping[str, Tensor], like: Mapping[str, Tensor], path: Path) -> None:
    """RunError, a sentence, unless there are the tensors of ``like``, by name, shape and dtype, and all are finite."""
    names = sorted({*found} ^ {*like})
    for name, value in like.items():
        if name in found and (found[name].shape != value.shape or found[name].dtype != value.dtype):
            names.append(name)
    if names:
        raise RunError(f"{path} belongs to another model ({names[0]:.80}): resume with the same model, or start again")
    for name, value in found.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise RunError(f"{path} is damaged: {name} is not finite; start again without it")


def check_moments(state: Mapping[int, Mapping[str, Tensor]], sizes: list[torch.Size], path: Path) -> None:
    """RunError, a sentence, unless these can be the running means of Adam for parameters of such shapes."""
    for number, means in state.items():
        known = 0 <= number < len(sizes) and set(means) == {"step", "exp_avg", "exp_avg_sq"}
        shapes = {"step": torch.Size(), "exp_avg": sizes[number], "exp_avg_sq": sizes[number]} if known else {}
        if not known or any(means[k].shape != v or not means[k].is_floating_point() for k, v in shapes.items()):
            raise RunError(f"{path} belongs to another model: resume with the same model, or start again")
        usable = all(torch.isfinite(v).all() for v in means.values())
        if not usable or means["step"] < 0 or (means["exp_avg_sq"] < 0).any():
            raise RunError(f"{path} is damaged: its optimizer makes no sense; start again without it")
