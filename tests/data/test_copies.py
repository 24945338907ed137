"""Copies are found whatever their units, and never where a few rows lie far out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.data.copies import find_copies
from fluvial.data.steps import find_step

EPS32 = float(np.finfo(np.float32).eps)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    far=st.floats(1e3, 1e37),
    rows=st.integers(1, 3),
    shape=st.sampled_from(["normal", "zeros", "heavy"]),
)
def test_far_rows_make_nothing_alike(seed, far, rows, shape):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 300))
    if shape == "zeros":
        x[0, : 300 - rows] = 0
    if shape == "heavy":
        x = np.exp(3 * x)
    x[:, -rows:] = far
    assert find_copies(list(x)) == {}


@pytest.mark.parametrize(
    ("slope", "offset"), [(1.8, 32.0), (1000.0, 0.0), (-1.0, 0.0), (0.45359237, 0.0), (1.0, -1700000000.0)]
)
def test_copies_have_the_factors_that_people_know(slope, offset):
    rng = np.random.default_rng(0)
    for source in (rng.normal(size=300), 1.7e9 + 1e5 * rng.random(300), np.exp(5 * rng.normal(size=300))):
        (copy,) = find_copies([source, slope * source + offset]).values()
        assert (copy.slope, copy.offset) == (slope, pytest.approx(offset, rel=1e-9, abs=1e-6 * np.median(abs(source))))


def test_rounding_is_that_of_each_row_and_dtype():
    source = np.exp(5 * np.random.default_rng(0).normal(size=300)).astype(np.float32)
    copy = (np.float32(1.8) * source + np.float32(32)).astype(np.float32)
    columns = [source.astype(np.float64), copy.astype(np.float64)]
    assert find_copies(columns, [EPS32, EPS32])[1].slope == pytest.approx(1.8, rel=1e-6)
    assert find_copies(columns) == {}  # in float64 they would be two columns


@pytest.mark.parametrize("share", [0.005, 0.015, 0.1])
def test_a_few_values_off_the_grid_leave_it_a_grid(share):
    rng = np.random.default_rng(0)
    values = rng.integers(80, 150, 2000) / 10
    off = rng.random(2000) < share
    values[off] += rng.random(off.sum()) / 20
    assert find_step(values, np.dtype("float64")) == (0.1 if share < 0.03 else None)


def test_one_far_value_leaves_a_grid_a_grid():
    values = np.append(np.random.default_rng(0).integers(0, 50, 500) * 0.05, 9.97e36)
    assert find_step(values, np.dtype("float64")) == 0.05
