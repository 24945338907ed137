"""FlowSampler keeps imbalanced-learn's contract, and draws rows of the class that it was asked for."""

import numpy as np
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
