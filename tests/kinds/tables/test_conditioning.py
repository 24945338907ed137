"""Draws given limits, and what they weigh."""

import math

import pytest
import torch
from tiny import LAWS, cells, density, enumerated

from fluvial.core.errors import DataError
from fluvial.core.randomness import drawing_from
from fluvial.kinds.tables.comparisons import Limits
from fluvial.kinds.tables.conditioning import Weighted, draw_given

DENSITY = density(LAWS)


def test_the_mean_weight_is_the_probability_of_the_limits():
    limits = {0: Limits(among=frozenset([0.0, 2.0])), 1: Limits(1, 3, low_open=True)}
    with drawing_from(0):
        value, error = draw_given(DENSITY, 4000, {}, limits, alone=True).probability()
    p = enumerated(DENSITY, (0, 1, 2))
    sex, rings, _ = cells().T
    inside = ((sex == 0) | (sex == 2)) & (rings > 1) & (rings <= 3)
    assert abs(value - float(p[inside].sum())) < 4.5 * error


def test_weighted_draws_are_the_rows_within_the_limits():
    limits = {1: Limits(high=2, high_open=True), 2: Limits(among=frozenset([1.0]))}
    with drawing_from(0):
        drawn = draw_given(DENSITY, 8000, {}, limits)
    assert (drawn.x[:, 1] < 2).all()
    assert (drawn.x[:, 2] == 1).all()
    p = enumerated(DENSITY, (1, 2, 0))
    sex, rings, old = cells().T
    inside = (rings < 2) & (old == 1)
    weight = torch.softmax(drawn.log_weight, 0)
    for code in (0.0, 1.0, 2.0):
        expected = float(p[inside & (sex == code)].sum() / p[inside].sum())
        assert abs(float(weight[drawn.x[:, 0] == code].sum()) - expected) < 5 * math.sqrt(0.25 / drawn.effective)


def test_a_single_limit_weighs_all_draws_alike():
    drawn = draw_given(DENSITY, 50, {0: 1.0}, {1: Limits(low=2)})
    assert drawn.effective == pytest.approx(50)
    assert torch.equal(drawn.resampled(50), drawn.x)


def test_draws_are_drawn_again_in_proportion_to_their_weights():
    x = torch.arange(4.0).unsqueeze(1)
    weighted = Weighted(x, torch.tensor([0.1, 0.2, 0.3, 0.4]).log())
    with drawing_from(0):
        counts = torch.bincount(weighted.resampled(1000).flatten().long(), minlength=4)
    assert ((counts - torch.tensor([100, 200, 300, 400])).abs() <= 1).all()


def test_what_cannot_be_is_refused_as_a_condition_and_has_probability_0_as_a_question():
    limits = {1: Limits(low=7)}
    with pytest.raises(DataError, match="column number 2: what it is limited to has probability 0"):
        draw_given(DENSITY, 5, {}, limits)
    assert draw_given(DENSITY, 5, {}, limits, alone=True).probability() == (0.0, 0.0)
    with pytest.raises(DataError, match="column number 3: the value 5 has probability 0"):
        draw_given(DENSITY, 5, {2: 5.0}, limits, alone=True)
