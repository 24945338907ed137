"""Weights of rows are copies of them, in any order of the rows."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from fluvial.interfaces.estimators import FlowClassifier, FlowDensity
from fluvial.interfaces.estimators.weights import checked, copies, in_one_order

SMALL = {"hidden": [8], "blocks": 1, "components": 2, "classes": 1}


def test_weights_that_are_no_whole_numbers_are_right_on_average_and_off_by_less_than_a_copy():
    weights = np.random.default_rng(0).uniform(0, 5, 200)
    weights *= 200 / weights.sum()
    found = np.array([copies(9 * weights, seed) for seed in range(400)])
    assert np.abs(found - weights).max() < 1
    assert found.mean(0) == pytest.approx(weights, abs=0.15)
    assert set(found.sum(1)) <= {199, 200, 201}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1.0, 2.0], r"expected one weight for each of the 3 rows, got the shape \(2,\)"),
        ([1.0, -2.0, 1.0], "expected finite weights of at least 0, got -2"),
        ([1.0, np.nan, 1.0], "expected finite weights of at least 0, got nan"),
        ([0.0, 0.0, 0.0], "every weight is zero"),
        ([1.0, "b", "c"], "sample_weight: expected a number for each row, got 'b'"),
        ([3e6, 1.0, 1.0], r"these make 3e\+06 rows of 3: divide them"),
    ],
)
def test_a_weight_that_cannot_be_used_is_a_sentence(weights, said):
    with pytest.raises(ValueError, match=said):
        copies(checked(weights, 3), 0)


def test_the_order_of_rows_does_not_matter():
    table = np.random.default_rng(0).integers(0, 5, (40, 2)).astype(float)
    table[3, 0] = np.nan
    mixed = table[::-1]
    np.testing.assert_array_equal(table[in_one_order(table.T, 1)], mixed[in_one_order(mixed.T, 1)])


def test_the_order_of_rows_of_text_and_gaps_does_not_matter():
    table = np.random.default_rng(0).choice(np.array(["a", "b", None], dtype=object), (40, 3))
    mixed = table[::-1]
    assert (table[in_one_order(table.T, 1)] == mixed[in_one_order(mixed.T, 1)]).all()


def test_a_weighted_density_moves_to_its_heavy_rows():
    x = np.concatenate((np.zeros((50, 1)), np.ones((50, 1)))) + np.random.default_rng(0).normal(0, 0.1, (100, 1))
    heavy = FlowDensity(model="gaussian", random_state=0).fit(x, sample_weight=np.repeat([1.0, 3.0], 50))
    twice = FlowDensity(model="gaussian", random_state=0).fit(np.vstack((x, x[50:], x[50:])))
    with pytest.raises(ValueError, match="needs at least 2 rows"):
        FlowDensity(model="gaussian").fit(x, sample_weight=[1.0] + [0.0] * 99)
    assert heavy.score_samples(x) == pytest.approx(twice.score_samples(x), abs=1e-4)


def test_a_classifier_takes_weights_for_shares():
    x, y = np.zeros((60, 1)) + np.arange(60)[:, None] % 7, np.array(["a"] * 30 + ["b"] * 30)
    weights = np.where(y == "a", 0.4, 1.2)
    classifier = FlowClassifier(epochs=5, options=SMALL, random_state=0).fit(x, y, weights)
    assert classifier.predict_proba(x)[:, 1].mean() == pytest.approx(0.75, abs=0.1)
    one = FlowClassifier(epochs=1, options=SMALL, holdout=0.0)
    with pytest.raises(ValueError, match="got one class alone"):
        one.fit(x, y, np.where(y == "a", 1.0, 0.0))
