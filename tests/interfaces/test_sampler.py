"""FlowSampler keeps imbalanced-learn's contract, and draws rows of the class that it was asked for."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

pytest.importorskip("imblearn")

from imblearn.utils.estimator_checks import parametrize_with_checks

from fluvial.interfaces.estimators.sampler import FlowSampler

SMALL = {"hidden": [8], "blocks": 1, "components": 2, "classes": 1}


@parametrize_with_checks([FlowSampler(epochs=1, options=SMALL, holdout=0.0, random_state=0)])
def test_it_passes_every_check_of_imbalanced_learn(estimator, check):
    check(estimator)


def test_rows_of_the_rare_class_are_like_it():
    rng = np.random.default_rng(0)
    x = np.vstack((rng.normal(size=(200, 2)), rng.normal(6, 1, size=(40, 2))))
    y = np.array(["common"] * 200 + ["rare"] * 40)
    found, labels = FlowSampler(epochs=5, options={**SMALL, "classes": 2}, random_state=0).fit_resample(x, y)
    assert (found[:240] == x).all()
    assert (labels == "rare").sum() == (labels == "common").sum() == 200
    assert np.abs(np.median(found[240:], 0) - 6).max() < 1


def test_a_frame_with_gaps_comes_back_with_its_own_types():
    rng = np.random.default_rng(0)
    y = pd.Series(np.where(rng.uniform(size=120) < 0.8, "common", "rare"), name="kind")
    size = np.where(rng.uniform(size=120) < 0.1, np.nan, 10 * rng.integers(1, 9, 120) + 100.0 * (y == "rare"))
    frame = pd.DataFrame(
        {
            "size": size,
            "place": pd.Categorical(rng.choice(["here", "there"], 120)),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 90, 120), unit="D"),
            "seen": rng.uniform(size=120) < 0.5,
            "count": rng.integers(0, 5, 120),
        }
    )
    sampler = FlowSampler(epochs=1, options=SMALL, random_state=0)
    found, labels = sampler.fit_resample(frame, y)
    pd.testing.assert_frame_equal(found.iloc[:120], frame)
    assert set(labels.value_counts()) == {(y == "common").sum()}
    other = pl.from_pandas(frame)
    for form in (other, other.to_arrow()):
        rows, labels = sampler.fit_resample(form, pl.from_pandas(y))
        assert rows.schema == form.schema
        assert isinstance(labels, pl.Series)
        assert len(rows) == len(labels) == len(found)
