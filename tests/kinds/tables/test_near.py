"""How few rows of the fit lie near a row."""

import numpy as np
import pytest
import torch

from fluvial.kinds.tables.near import WIDTHS, Near, Places, places_of
from fluvial.models import build


def numbers(*rows):
    far = np.array(rows, dtype=float)
    return Places(far, np.full_like(far, np.nan))


def test_it_is_a_kernel_density():
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(50, 3)), rng.normal(size=(4, 3))
    squares = np.square(new[:, None] - known).sum(2)
    expected = [-np.log(np.exp(-squares / (2 * width**2)).mean(1)) for width in WIDTHS]
    np.testing.assert_allclose(Near.of(numbers(*known))(numbers(*new)), expected, rtol=1e-9)


def test_rows_of_the_fit_are_not_compared_with_themselves():
    known = np.random.default_rng(0).normal(size=(1500, 2))
    found = Near.of(numbers(*known))(numbers(*known))
    for row in (0, 999, 1200):  # of two chunks
        others = Near.of(numbers(*np.delete(known, row, 0)))(numbers(known[row]))
        np.testing.assert_allclose([each[row] for each in found], np.ravel(others), rtol=1e-9)


def test_one_row_alone_is_near_nothing():
    assert np.isposinf(Near.of(numbers([0.0]))(numbers([0.0]))).all()


def test_of_rows_that_are_the_same_one_is_left_out():
    found = Near.of(numbers([0.0], [0.0], [3.0]))(numbers([0.0], [1.0]))
    expected = [
        [-np.log((1 + np.exp(-4.5 / w**2)) / 2), -np.log((2 * np.exp(-0.5 / w**2) + np.exp(-2 / w**2)) / 3)]
        for w in WIDTHS
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("code", "square"), [(1.0, 0.0), (0.0, (0.5**2 + 2**2) / 2), (-1.0, (0.5**2 + 3**2) / 2), (np.nan, 0.5**2 / 2 + 16)]
)
def test_labels_are_as_far_apart_as_they_are_rare(code, square):
    known = Places(np.array([[0.5], [2.0]]), np.array([[1.0], [0.0]]))
    far = {1.0: 0.5, 0.0: 2.0, -1.0: 3.0}.get(code, 4.0)
    points = Near.of(known)
    rows = Places(np.array([[far]]), np.array([[code]]))
    twice = Near(points.axes, points.points[[0, 0]])(rows)  # of two that are the same as the row one is left out
    np.testing.assert_allclose(np.ravel(twice), [square / (2 * width**2) for width in WIDTHS], atol=1e-9)


def test_places_are_normal_quantiles_and_gaps_have_one_of_their_own():
    torch.manual_seed(0)
    density = build({"model": "mixed", "event_shape": [2], "options": {"classes": 0}})
    x = np.array([[0.0, 1.0], [-3.0, 3.0]])
    found = places_of(density, x, None)
    assert (np.sign(found.far) == np.sign(x))[1].all()
    assert (np.abs(found.far[1]) > np.abs(found.far[0])).all()
    assert np.isnan(found.codes).all()
