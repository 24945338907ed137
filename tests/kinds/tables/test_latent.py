"""VAEs of tables from fit to report: whatever they say of a row is said to be a bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluvial.kinds.tables.summary import table_summary
from fluvial.tasks.fit import fit, load
from fluvial.training import Settings

RNG = np.random.default_rng(0)
SEX = RNG.choice(["F", "M"], 300)
WEIGHT = np.where(RNG.random(300) < 0.1, np.nan, RNG.normal(size=300) + 2.0 * (SEX == "M"))
TABLE = {"sex": SEX.astype(object), "weight": WEIGHT, "age": RNG.integers(0, 9, 300)}
TINY: dict[str, Any] = {"options": {"latent": 2, "hidden": [16], "components": 2}, "epochs": 3, "progress": False}


class StoppedError(Exception):
    """Ends a fit in the middle."""


@pytest.mark.parametrize("name", ["vae", "vae_iaf"])
def test_a_table_as_it_is(name: str, tmp_path: Path):
    model = fit(TABLE, name, out=tmp_path / "run", **TINY)
    scores = model.score(TABLE)
    assert np.isfinite(scores.log_prob).all()
    assert any("lower bounds: each is an average over 16 draws" in note for note in scores.warnings)
    assert any("lower bounds" in line for line in table_summary(model))
    assert not model.record["scores"]["held_out"]["exact"]
    again = load(tmp_path / "run")
    assert np.array_equal(again.log_prob(TABLE), scores.log_prob)
    drawn = again.sample(500, seed=0)
    assert set(drawn["sex"]) == {"F", "M"}
    assert np.isnan(drawn["weight"]).any()
    assert (drawn["age"] >= 0).all()


def test_an_interrupted_fit_goes_on_bit_for_bit(tmp_path: Path):
    def stop(record: object) -> None:
        if record.epoch == 1:  # pyright: ignore
            raise StoppedError

    whole = fit(TABLE, "vae_iaf", out=tmp_path / "whole", **TINY)
    with pytest.raises(StoppedError):
        fit(TABLE, "vae_iaf", out=tmp_path / "run", **{**TINY, "progress": stop})
    resumed = fit(TABLE, "vae_iaf", out=tmp_path / "run", resume=True, **TINY)
    assert np.array_equal(whole.log_prob(TABLE), resumed.log_prob(TABLE))


def test_given_a_context():
    model = fit(TABLE, "vae", context=["sex"], settings=Settings(learning_rate=0.02), **{**TINY, "epochs": 40})
    women, men = (model.sample(400, {"sex": sex}, seed=0) for sex in "FM")
    assert np.nanmean(men["weight"]) > np.nanmean(women["weight"]) + 0.5


def test_its_report_leaves_out_what_needs_the_noise_of_a_flow(tmp_path: Path):
    page = fit(TABLE, "vae", **TINY).report(tmp_path).read_text()
    assert "Calibration is not known" in page
    assert "lower bounds in expectation: each is an average over 16 draws of the model" in page
