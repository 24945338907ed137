"""Run folders of an earlier version, of every kind, score data as that version did: the format stays readable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluvial.tasks.fit import load_model

RUNS = Path(__file__).parents[1] / "runs"
ULPS = 16  # of float32, between instruction sets that sum in different orders


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the runs were fitted to, drawn as it was then."""
    folder, rng, n = tmp_path_factory.mktemp("data"), np.random.default_rng(0), 120
    length, mass = np.round(rng.gamma(3, 1, n), 2), rng.normal(size=n)
    table = pd.DataFrame({"length": length, "mass": mass, "count": rng.integers(0, 9, n), "twice": 2 * mass})
    table["sex"] = rng.choice(["F", "M"], n)
    labels = pd.DataFrame({"colour": rng.choice(["red", "green", "blue"], n), "smokes": rng.choice([0, 1], n)})
    labels["age"] = rng.integers(0, 4, n)
    t = np.arange(400) / 1000
    waves = [(0.5 * np.sin(2 * np.pi * f * t)).astype(np.float32) for f in (50, 60, 70, 80)]
    np.savez(folder / "sound.npz", audio=np.concatenate(waves), length=np.full(4, 400), sample_rate=np.array(1000))
    images = (rng.random((40, 8, 8)) * 255).astype(np.uint8)
    notes = (rng.random((80, 6)) < 0.3).astype(np.uint8)
    np.savez(folder / "rolls.npz", rolls=notes, length=np.full(8, 10))
    files = {name: str(folder / f"{name}.npz") for name in ("sound", "rolls")}
    return {"table": table, "gaussian": table[["length", "mass"]], "labels": labels, "images": images, **files}


@pytest.mark.parametrize("kind", sorted(p.name for p in RUNS.iterdir() if p.is_dir()))
def test_scores_are_those_of_the_version_that_wrote_the_run(data: dict[str, object], kind: str):
    then = np.array([float.fromhex(v) for v in json.loads((RUNS / "scores.json").read_text())[kind]])
    now = load_model(RUNS / kind).score(data[kind]).log_prob[: len(then)]
    np.testing.assert_allclose(now, then, rtol=ULPS * 2.0**-23, atol=0)
