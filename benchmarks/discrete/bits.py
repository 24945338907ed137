"""What the measurements on rows of bits share: scores, mixtures, records and weights in files."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from benchmarks import common
from benchmarks.common import RECORDS, write_record
from benchmarks.tables import datasets
from fluvial import models
from fluvial.core import Density
from fluvial.training import Data, Record, Settings, score, train

GROUPS = {"adult": (5, 8, 5, 16, 5, 7, 14, 6, 5, 2, 2, 2, 5, 41), "connect4": (3,) * 42, "dna": (3,) * 60}
"""Sets whose columns are one-hot codes of attributes, squares of a board, and bases; no row that is learnt from or that
chooses has two ones in a group."""
MEMBERS = 8
"""Networks in a mixture at most."""


def attempt(
    data: str,
    model: str,
    density: Density,
    options: dict[str, Any],
    settings: Settings,
    checkpoint: Path | None = None,
) -> tuple[dict[str, Any], Density]:
    """Train, and score the validation rows with the density that ``options`` describe; what came of it, and that one.

    Args:
        density: what is trained; its weights fit the density of ``options``, which may average over more orders.
        checkpoint: a file to go on from.
    """
    found = rows(data)
    curve: list[Record] = []
    training = train(density, tensors(found.train), tensors(found.valid), settings, checkpoint, True, every=60.0)
    for record in training:
        if record.ended:
            curve.append(record)
            print(f"  epoch {record.epoch} held out {record.held_out:.3f}, {record.elapsed:.0f} s", flush=True)
    started = time.perf_counter()
    final = build(model, found.train.shape[1], options, density.state_dict()).to(settings.torch_device())
    run = {
        "model": model,
        "options": {**options, "order": "shuffled by seed"} if options.get("order") else options,
        "settings": asdict(settings),
        "commit": common.commit(),
        "parameters": sum(p.numel() for p in density.parameters()),
        "seconds": round(curve[-1].elapsed, 1),
        "epochs": curve[-1].epoch,
        "best_epoch": curve[-1].best_epoch,
        "valid": round(-float(scores(final, found.valid).mean()), 4),
        "seconds_to_score": round(time.perf_counter() - started, 1),
    }
    figures = f"valid {run['valid']:.3f}, {run['seconds']:.0f} s, best of {run['epochs']} epochs {run['best_epoch']}"
    print(f"{data}: {figures}", flush=True)
    return run, final


def build(model: str, features: int, options: dict[str, Any], state: dict[str, torch.Tensor]) -> Density:
    """The density with these weights."""
    density = models.recipe_of(model).build((features,), **options)
    density.load_state_dict(state)
    return density.eval()


def scores(density: Density, x: np.ndarray) -> np.ndarray:
    """Log-probability of each row, (N,)."""
    return score(density, tensors(x).x).double().numpy()


def mean(each: np.ndarray) -> np.ndarray:
    """Log of the mean density, over models (models, rows)."""
    return np.logaddexp.reduce(each, 0) - np.log(len(each))


def greedy(each: np.ndarray, most: int = MEMBERS) -> list[int]:
    """Members of an equally weighted mixture, the one that helps most added as long as one helps.

    Args:
        each: (models, rows), log-densities of validation rows; a model may be taken more than once.
    """
    members: list[int] = []
    best = -np.inf
    while len(members) < most:
        values = [mean(each[[*members, i]]).mean() for i in range(len(each))]
        if max(values) <= best:
            break
        best = max(values)
        members.append(int(np.argmax(values)))
    return members


def nats(losses: np.ndarray) -> dict[str, float]:
    """Mean, its standard error, median and 1 % trimmed mean of negative log-likelihoods."""
    trim = len(losses) // 100
    figures = {
        "mean": losses.mean(),
        "standard_error": losses.std(ddof=1) / len(losses) ** 0.5,
        "median": np.median(losses),
        "trimmed_mean": np.sort(losses)[trim : len(losses) - trim].mean(),
    }
    return {key: round(float(value), 4) for key, value in figures.items()}


def independent(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Log-probability of each test row, (N,), by add-one counts of each column."""
    p = (train.sum(0, dtype=np.float64) + 1) / (len(train) + 2)
    return np.where(test == 1, np.log(p), np.log1p(-p)).sum(1)


def described(run: dict[str, Any]) -> str:
    """Options of the recipe and settings of the training that are not the defaults."""
    defaults = {**models.resolve(run.get("model", "made"), {}), **asdict(Settings())}
    given = {**run["options"], **run["settings"]}
    differ = {key: value for key, value in given.items() if _plain(value) != _plain(defaults[key])}
    if "groups" in differ:
        differ["groups"] = len(differ["groups"])
    return ", ".join(f"{key} {value}" for key, value in differ.items())


def rows(data: str) -> datasets.Dataset:
    """The rows of a record, which is named after its data and perhaps after the model."""
    return datasets.binary(data.partition("-")[0])


def tensors(x: np.ndarray) -> Data:
    """Rows as the trainer takes them."""
    return Data(torch.from_numpy(x).float())


def read(data: str) -> dict[str, Any]:
    """The record, or an empty one."""
    path = RECORDS / f"made-{data}.json"
    if not path.exists():
        return {"data": data, "tried": []}
    return {key: value for key, value in json.loads(path.read_text()).items() if key not in ("versions", "threads")}


def write(data: str, content: dict[str, Any], folder: Path = RECORDS) -> None:
    """One record, with what it was measured on."""
    write_record(f"made-{data}", content, folder)


def keep(weights: Path, data: str, index: int, density: Density) -> None:
    """Write the weights of the setting with this number."""
    weights.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(density.state_dict(), weights / f"{data}-{index}.safetensors")


def load(weights: Path, data: str, index: int, run: dict[str, Any]) -> Density:
    """The density of the setting with this number."""
    state = safetensors.torch.load_file(weights / f"{data}-{index}.safetensors")
    options = dict(run["options"])
    features = rows(data).train.shape[1]
    if options.get("order"):
        positions = len(options.get("groups", ())) or features
        options["order"] = torch.randperm(positions, generator=torch.Generator().manual_seed(options["seed"])).tolist()
    return build(run.get("model", "made"), features, options, state)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value  # pyright: ignore
