"""The loaders' fingerprints: a full-covariance Gaussian must score what is known of these very files."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import data_folder
from benchmarks.tables import datasets, fidelity

needs_data = pytest.mark.skipif(not data_folder().is_dir(), reason="the benchmark data are not here")


@needs_data
@pytest.mark.parametrize("name", ["miniboone40", "miniboone43"])
def test_gaussian_scores_what_is_known_of_these_files(name):
    data = datasets.load(name)
    low, high = fidelity.FINGERPRINTS[name]
    assert low < fidelity.log_prob(fidelity.fitted_gaussian(data.train), data.test).mean() < high


@needs_data
@pytest.mark.parametrize("name", ["hepmass5k", "power10k"])
def test_the_held_out_tenth_is_disjoint_and_fixed(name):
    one, two = datasets.load(name), datasets.load(name)
    np.testing.assert_array_equal(one.valid, two.valid)
    assert len(one.valid) == (len(one.train) + len(one.valid)) // 10
    train = {row.tobytes() for row in one.train}
    assert not any(row.tobytes() in train for row in one.valid)


def test_summary_of_one_catastrophic_row():
    scores = np.zeros(200)
    scores[7] = -1000.0
    figures = fidelity.summary(scores)
    assert (figures["mean"], figures["median"], figures["trimmed_mean"], figures["worst"]) == (
        -5,
        0,
        0,
        -1000,
    )
