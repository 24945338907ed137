"""Several processes train one density: as one process with a larger batch does, to the same bits each time."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from training.toy import Gaussian, rows

from fluvial.core.errors import RunError
from fluvial.core.workers import Workers
from fluvial.training import Settings, checkpoint, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each of the trainings of ``sharing.py`` came to, by name and worker."""
    folder, tests = tmp_path_factory.mktemp("workers"), Path(__file__).parents[1]
    command = [sys.executable, str(tests / "training/sharing.py"), str(folder), "3"]
    paths = os.pathsep.join([str(tests), *sys.path])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, timeout=300)
    assert done.returncode == 0, done.stderr
    names = ["one", *(f"{name}.{rank}" for name in ("two", "again", "killed") for rank in (0, 1))]
    return {name: torch.load(folder / name) for name in names}


@pytest.mark.parametrize("name", ["two.1", "again.0", "again.1", "killed.0", "killed.1"])
def test_the_weights_are_the_same_bits_on_all_workers_twice_and_after_five_kills(trained: dict[str, Any], name: str):
    ours, theirs = trained["two.0"]["weights"], trained[name]["weights"]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_two_workers_make_the_steps_of_one_with_the_doubled_batch(trained: dict[str, Any]):
    alone, shared = trained["one"], trained["two.0"]
    assert shared["train"][1:] == pytest.approx(alone["train"][1:], rel=1e-5)
    assert len(shared["train"]) == 13


def test_a_run_of_two_workers_is_not_gone_on_with_by_one(tmp_path: Path):
    settings, path = Settings(epochs=3, batch_size=50, device="cpu"), tmp_path / "c.pt"
    training = train(Gaussian(), rows(), rows(50, 1), settings, path)
    next(training)
    next(training)
    training.close()
    state = checkpoint.load(path)
    checkpoint.save(path, {**state, "settings": asdict(state["settings"]), "workers": 2})
    with pytest.raises(RunError, match="made by 2 workers, not 1: resume with the same"):
        list(train(Gaussian(), rows(), rows(50, 1), settings, path, resume=True))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_row_of_a_batch_is_one_workers(count: int):
    parts = [Workers(rank, count).share(torch.arange(16)) for rank in range(count)]
    assert torch.cat(parts).tolist() == list(range(16))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
