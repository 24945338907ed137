"""Checkpoints that are well-formed files and yet no training's: each gets a sentence, and none trains on."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training.toy import Gaussian, rows

from fluvial.core.errors import RunError
from fluvial.training import Settings, train

SETTINGS = Settings(epochs=3, batch_size=32, ema=0.9, device="cpu")
NAN = math.nan


def go_on(path: Path) -> None:
    for _ in train(Gaussian(), rows(), rows(50, 1), SETTINGS, path, resume=True):
        pass


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the checkpoint of a training holds that was stopped in its second epoch."""
    path = tmp_path_factory.mktemp("forged") / "checkpoint.pt"
    training = train(Gaussian(), rows(), rows(50, 1), SETTINGS, path)
    for record in training:
        if record.epoch == 1:
            training.close()
    return torch.load(path, weights_only=True)


def changed(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets the entry that keys lead to."""

    def change(state: dict[str, Any]) -> None:
        *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place: Any = state
        for key in way:
            place = place[key]
        if isinstance(value, type) and issubclass(value, Exception):
            del place[last]
        else:
            place[last] = value(place[last]) if callable(value) else value

    return change


GONE = KeyError  # in place of a value: the entry is not there
FORGERIES: list[tuple[str, Any]] = [
    *((name, GONE) for name in ("settings", "tag", "data", "progress", "best", "model", "averaged", "optimizer")),
    *((name, junk) for name in ("settings", "tag", "data", "progress", "best", "model") for junk in (7, None, [])),
    *((f"settings.{name}", bad) for name in ("seed", "learning_rate", "ema", "epochs") for bad in ("x", -1, NAN)),
    ("settings.ema", GONE),  # what is not there is as where nothing is set
    *((f"progress.{name}", GONE) for name in ("epoch", "batch", "records", "best", "elapsed", "learning_scale")),
    *((f"progress.{name}", bad) for name in ("epoch", "batch", "step", "cuts", "best_epoch") for bad in (-1, 10**9)),
    *((f"progress.{name}", bad) for name in ("elapsed", "loss", "learning_scale", "best") for bad in (NAN, "x", None)),
    *(("progress.elapsed", bad) for bad in (-1.0, math.inf)),
    *(("progress.learning_scale", bad) for bad in (0.0, 1e9, -1.0)),
    *(("progress.records", junk) for junk in ([], [7], [{}], "x", {"epoch": 0})),
    *((f"progress.records.0.{name}", bad) for name in ("epoch", "train", "left", "elapsed") for bad in ("x", [], NAN)),
    *((f"{weights}.mean", bad) for weights in ("best", "model") for bad in (GONE, 1.0, torch.zeros(3), "x")),
    *((f"{weights}.mean", torch.tensor([NAN, 0.0])) for weights in ("best", "model")),
    *((f"{weights}.mean", torch.zeros(2, dtype=torch.float64)) for weights in ("best", "model")),
    *((f"{weights}.other", torch.zeros(2)) for weights in ("best", "model")),
    ("averaged", {}),
    ("averaged.n_averaged", torch.tensor([NAN, NAN])),
    *(("optimizer.state", junk) for junk in (7, [1], {9: {}}, {0: {"step": torch.tensor(1.0)}})),
    *(("optimizer.state.0.exp_avg", bad) for bad in (torch.zeros(3), torch.tensor([NAN, 0.0]), "x", GONE)),
    ("optimizer.state.0.exp_avg_sq", torch.tensor([-1.0, 0.0])),
    ("optimizer.state.0.step", torch.tensor(-5.0)),
]


@pytest.mark.parametrize(("at", "value"), FORGERIES, ids=lambda v: str(v)[:30])
def test_a_forged_checkpoint_is_a_sentence(tmp_path: Path, state: dict[str, Any], at: str, value: Any):
    forged = copy.deepcopy(state)
    changed(at, value)(forged)
    torch.save(forged, tmp_path / "checkpoint.pt")
    with pytest.raises(RunError, match=r"checkpoint\.pt"):
        go_on(tmp_path / "checkpoint.pt")


def test_the_one_that_was_forged_goes_on(tmp_path: Path, state: dict[str, Any]):
    torch.save(state, tmp_path / "checkpoint.pt")
    go_on(tmp_path / "checkpoint.pt")
