"""Reading run folders: data and never code, every field typed, every size checked before anything is made of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from fluvial.core import Density
from fluvial.core.errors import FluvialError, RunError
from fluvial.core.files import open_regular, read_regular
from fluvial.core.typed import decoded, plain, typed
from fluvial.models import build, named_recipes
from fluvial.models.registry import REGISTER
from fluvial.training.run import FORMAT, RunFolder

_JSON = 1 << 26  # bytes that a configuration or metrics may have


@dataclass(frozen=True)
class Saved:
    """What a run folder holds: a density with its weights, the configuration, metrics and rows."""

    density: Density
    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    rows: dict[str, np.ndarray]


def load_run(path: str | os.PathLike[str]) -> Saved:
    """Read a finished run. Its files are data: nothing in them is executed, no name in them is opened.

    Raises:
        RunError: missing, unfinished, damaged, foreign or of a newer version, as a sentence.
    """
    run = RunFolder(Path(path))
    try:
        there = run.path.is_dir()
    except (OSError, ValueError):
        there = False
    if not there:
        raise RunError(f"there is no run folder {path}")
    if not run.finished:
        reason = "an unfinished run; resume it with --resume" if run.checkpoint.exists() else "no run of fluvial"
        raise RunError(f"{path} holds {reason}")
    config = _config(run.config)
    return Saved(_density(run, config), config, _metrics(run.metrics), _tensors(run.rows))


def _density(run: RunFolder, config: dict[str, Any]) -> Density:
    """The model, built only once the weights file is known to be of a model like it."""
    from fluvial.training.formats import stored_tensors
    from fluvial.training.guard import check_size

    name = config["model"]["model"]
    if not named_recipes(name):
        raise RunError(f"{run.path} holds a model named {name!r}, which is not known here. {REGISTER}")
    with open_regular(run.weights) as file:
        stored = stored_tensors(file, os.fstat(file.fileno()).st_size, run.weights)
    try:
        check_size(config["model"], stored)
        density = build(config["model"])
    except FluvialError as error:
        raise RunError(
            f"{run.config} does not describe the model of {run.weights.name}: {error}. Was it written by an earlier "
            f"version of fluvial? Then fit it again; else a file was changed"
        ) from None
    weights = read_regular(run.weights)
    if hashlib.sha256(weights).hexdigest() != config["weights_sha256"]:
        raise RunError(f"{run.weights} is not the file that this run wrote; it is damaged or was replaced")
    density.load_state_dict(_finite(safetensors.torch.load(weights), run.weights))
    return density.eval()


def _finite(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise RunError(f"{path} is damaged: {name} is not finite")
    return tensors


def _config(path: Path) -> dict[str, Any]:
    from fluvial.training.formats import Config, ModelParts

    config = decoded(read_regular(path, _JSON), str(path))
    form = config.get("format") if isinstance(config, dict) else None
    if isinstance(form, bool) or not isinstance(form, int):
        raise RunError(f"{path} was not written by fluvial: it has no format number")
    if form > FORMAT:
        version = config.get("version", "unknown")
        raise RunError(f"{path} has format {form} (fluvial {version}), this fluvial reads up to {FORMAT}: upgrade")
    typed(config, Config, str(path))
    # whole, for whoever reads it: with what it leaves out, and nothing that a model would not know
    model = plain(typed(config["model"], ModelParts, f"the model in {path}", exact=True))
    return {**config, "model": model}


def _metrics(path: Path) -> list[dict[str, Any]]:
    from fluvial.training.formats import Metric

    lines = read_regular(path, _JSON).splitlines()
    metrics = [decoded(line, f"{path}, line {i}") for i, line in enumerate(lines, 1)]
    typed(metrics, list[Metric], str(path))
    return metrics


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """The rows that a run has kept; what they may be is checked by the kind of data that they are of."""
    try:
        return safetensors.numpy.load(read_regular(path))
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path} is damaged or not a safetensors file") from None
