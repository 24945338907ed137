"""Rows of bits: the files are the published ones, and mixtures are chosen by validation rows."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import data_folder
from benchmarks.discrete import bits, made
from benchmarks.tables import datasets

needs_data = pytest.mark.skipif(not data_folder().is_dir(), reason="the benchmark data are not here")


@needs_data
@pytest.mark.parametrize("name", ["adult", "dna", "nltcs", "mnist"])
def test_independent_columns_score_what_is_known_of_these_files(name: str):
    data = datasets.binary(name)
    assert set(np.unique(data.train)) == {0, 1}
    assert bits.independent(data.train, data.test).mean() == pytest.approx(-made.ANCHORS[name], abs=0.005)


def test_a_mixture_takes_what_helps_and_no_more():
    rng = np.random.default_rng(0)
    good, other = rng.normal(-5, 1, 200), rng.normal(-5, 1, 200)
    bad = np.full(200, -50.0)
    assert set(bits.greedy(np.array([bad, good, other]))) == {1, 2}
    assert bits.greedy(np.array([bad, good])) == [1]


def test_every_setting_tried_can_be_told_from_the_defaults():
    run = {"options": {"hidden": [500], "dropout": 0.5}, "settings": {"learning_rate": 0.01, "seed": 0}}
    assert bits.described(run) == "dropout 0.5, learning_rate 0.01"
