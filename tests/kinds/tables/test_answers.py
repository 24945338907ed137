"""Questions to a model of any cells, beside every possible row enumerated."""

import math

import numpy as np
import pytest
import torch
from tiny import LAWS, LENGTH, OLD, REAL, RINGS, SEX, cells, enumerated, model

from fluvial.core.errors import DataError, UsageError
from fluvial.core.randomness import drawing_from
from fluvial.data.columns import Column
from fluvial.data.schema import Schema
from fluvial.transforms.law import Law

MODEL, ROWS = model(), cells()
SEXES, RINGED, AGED = ROWS.T


def share(order, event, given=None) -> float:
    p = enumerated(MODEL.density, order)
    known = torch.ones(len(p), dtype=torch.bool) if given is None else given
    return float(p[event & known].sum() / p[known].sum())


@pytest.mark.parametrize(
    ("event", "given", "expected"),
    [
        ("Rings > 2", {"Sex": "M"}, lambda: share((0, 1, 2), RINGED > 2, SEXES == 1)),
        ("Rings in [0, 3]", {"Sex": None}, lambda: share((0, 1, 2), (RINGED == 0) | (RINGED == 3), SEXES.isnan())),
        ("1 <= Rings < 3", {"Sex": "F"}, lambda: share((0, 1, 2), (RINGED >= 1) & (RINGED < 3), SEXES == 0)),
        ("Sex == 'I'", {}, lambda: share((0, 1, 2), SEXES == 2)),
        ("stage == 'adult'", {"Rings": 2}, lambda: share((1, 0, 2), SEXES <= 1, RINGED == 2)),
        (
            "`is old` == 'yes'",
            {"Rings": 1, "Sex": "F"},
            lambda: share((1, 0, 2), AGED == 1, (RINGED == 1) & (SEXES == 0)),
        ),
        (
            "Sex == 'I' and `is old` == 'no'",
            {"Rings": 3},
            lambda: share((1, 0, 2), (SEXES == 2) & (AGED == 0), RINGED == 3),
        ),
        ("twice == 4", {"Sex": "F"}, lambda: share((0, 1, 2), RINGED == 2, SEXES == 0)),
        ("planet == 'Earth'", {"Sex": "F"}, lambda: 1.0),
        ("Rings > 3 and Rings < 2", {}, lambda: 0.0),
    ],
)
def test_limits_of_one_column_given_values_have_the_enumerated_probability_exactly(event, given, expected):
    found = MODEL.probability(event, given)
    assert found.exact
    assert found.value == pytest.approx(expected(), abs=1e-9)


@pytest.mark.parametrize(
    ("event", "given", "expected"),
    [
        ("Rings >= 2 and `is old` == 'yes'", {}, lambda: share((1, 2, 0), (RINGED >= 2) & (AGED == 1))),
        ("Rings != 1 or Sex == 'M'", {}, lambda: share((0, 1, 2), (RINGED != 1) | (SEXES == 1))),
        ("Sex is None", {}, lambda: share((0, 1, 2), SEXES.isnan())),
        ("`is old` == 'yes'", {"Rings": (2, None)}, lambda: share((1, 0, 2), AGED == 1, RINGED >= 2)),
        (
            "`is old` == 'yes'",
            {"Rings": (None, 3), "Sex": ["F", None]},
            lambda: share((0, 1, 2), AGED == 1, (RINGED <= 3) & ((SEXES == 0) | SEXES.isnan())),
        ),
        (
            "`is old` == 'yes'",
            {"stage": "adult", "Rings": [0, 4]},
            lambda: share((0, 1, 2), AGED == 1, (SEXES <= 1) & ((RINGED == 0) | (RINGED == 4))),
        ),
    ],
)
def test_draws_agree_with_enumeration_within_the_error_that_they_report(event, given, expected):
    found = MODEL.probability(event, given, draws=4000, seed=1)
    assert 0 < found.error < 0.03
    assert abs(found.value - expected()) < 4.5 * found.error


def test_weighted_draws_say_what_they_are_worth():
    given = MODEL.given({"Rings": (2, None), "Sex": ["I", None]})
    found = given.probability("`is old` == 'yes'", draws=4000)
    assert found.effective is not None
    assert 1 < found.effective < 4000
    assert "weighted draws, worth" in str(found)
    assert found.effective == pytest.approx(given.effective(4000))
    assert MODEL.probability("`is old` == 'yes'", {"Rings": (2, None)}, draws=50).effective is None


def test_a_range_gives_what_rejection_gives():
    laws = (REAL, Law((0.0, 1.0), labels=True), Law(rest=REAL.rest))
    other = model(Schema((LENGTH, OLD, Column("Height", "real")), gaps=True), laws)
    drawn = other.given({"Length": (0.4, 2.0)}).sample(4000, seed=0)
    with drawing_from(1):
        rows = other.density.sample(30_000).numpy()
    kept = rows[(rows[:, 0] >= 0.4) & (rows[:, 0] <= 2.0)]
    assert len(kept) > 1000
    assert drawn["Length"].min() >= 0.4
    assert drawn["Length"].max() <= 2.0
    for name, values in (("Length", kept[:, 0]), ("Height", kept[:, 2])):
        at = np.quantile(values, np.linspace(0.05, 0.95, 10))
        both = [(np.asarray(v)[:, None] <= at).mean(0) for v in (drawn[name], values)]
        assert np.abs(both[0] - both[1]).max() < 5 * math.sqrt(0.25 / 4000 + 0.25 / len(kept))
    assert (drawn["Length"] == 0.5).mean() == pytest.approx((kept[:, 0] == 0.5).mean(), abs=0.06)  # the atom inside


def test_samples_keep_to_what_is_given_and_follow_the_enumerated_shares():
    n = 6000
    drawn = MODEL.given({"Rings": [1, 3], "Sex": "M"}).sample(n, seed=0)
    assert set(drawn) == {"Sex", "Rings", "is old", "stage", "planet", "twice"}
    assert set(drawn["Sex"]) == {"M"}
    assert set(drawn["stage"]) == {"adult"}
    assert set(drawn["Rings"].tolist()) == {1, 3}
    assert (drawn["twice"] == 2 * drawn["Rings"]).all()
    p = share((0, 1, 2), (RINGED == 3) & (AGED == 1), (SEXES == 1) & ((RINGED == 1) | (RINGED == 3)))
    found = ((drawn["Rings"] == 3) & (drawn["is old"] == "yes")).mean()
    assert abs(found - p) < 4.5 * math.sqrt(p * (1 - p) / n)


def test_weighted_samples_are_drawn_again_in_proportion():
    n = 6000
    drawn = MODEL.given({"Rings": (0, 1), "is old": ["yes"]}).sample(n, seed=0)
    p = share((1, 2, 0), SEXES == 1, (RINGED <= 1) & (AGED == 1))
    assert abs((drawn["Sex"] == "M").mean() - p) < 4.5 * math.sqrt(2 * p * (1 - p) / n)


def test_log_prob_given_values_is_the_enumerated_conditional():
    data = MODEL.schema.decode(ROWS.numpy())
    found = np.exp(MODEL.given({"Sex": "M"}).log_prob(data))
    p = enumerated(MODEL.density, (0, 1, 2))
    assert found[SEXES == 1] == pytest.approx((p / p[SEXES == 1].sum())[SEXES == 1].numpy(), abs=1e-9)
    assert (found[SEXES != 1] == 0).all()
    with pytest.raises(UsageError, match="a range or a set"):
        MODEL.given({"Rings": (1, 2)}).log_prob(data)


def test_moments_are_those_of_the_enumerated_rows():
    p, given = enumerated(MODEL.density, (0, 1, 2)), MODEL.given({"Sex": "F"})
    weights = torch.where(SEXES == 0, p, 0.0) / p[SEXES == 0].sum()
    mean = float((weights * RINGED).sum())
    assert given.mean("Rings", 4000) == pytest.approx(mean, abs=5 * 2 / math.sqrt(4000))
    each = torch.stack([weights[k == RINGED].sum() for k in range(5)])
    assert float(each[int(given.mode("Rings", 4000))]) > float(each.max()) - 0.05  # pyright: ignore
    below = float(each.cumsum(0)[int(given.quantile("Rings", 0.5, 4000))])
    assert below > 0.45
    with pytest.raises(UsageError, match="ask for mode"):
        given.mean("Sex")


def test_a_seed_gives_the_same_answers_and_functions_are_events_too():
    given = MODEL.given({"Rings": (1, 3)})
    np.testing.assert_array_equal(given.sample_rows(20, 5), given.sample_rows(20, 5))
    by_function = given.probability(lambda t: t["stage"] == "infant", draws=500, seed=2)
    assert by_function.value == given.probability("stage == 'infant'", draws=500, seed=2).value


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"Ring": 3}, "did you mean 'Rings'"),
        ({"Rings": (3, 1)}, "wrong way round"),
        ({"Rings": (1, 2, 3)}, r"a range is \(low, high\)"),
        ({"Rings": []}, "leaves nothing"),
        ({"Rings": "many"}, "many"),
        ({"Sex": ("F", "M")}, "give a list of them"),
        ({"Sex": "Q"}, "no label 'Q'"),
        ({"Rings": 2.5}, "multiples of 1"),
    ],
)
def test_conditions_that_make_no_sense_get_a_sentence(conditions, told):
    with pytest.raises(UsageError, match=told):
        MODEL.given(conditions)


def test_impossible_conditions_get_a_sentence_with_the_column_s_name():
    with pytest.raises(DataError, match="'Rings': a missing cell has probability 0"):
        MODEL.probability("Sex == 'M'", {"Rings": None})
    with pytest.raises(DataError, match="'Rings': the value 9 has probability 0"):
        MODEL.given({"Rings": 9}).sample(1)
    with pytest.raises(DataError, match="'Rings': what it is limited to has probability 0"):
        MODEL.given({"Rings": (7, 9)}).sample(1)
    with pytest.raises(DataError, match="always the same"):
        MODEL.given({"planet": [None]})


def test_context_is_said_as_context_and_comes_back_in_the_rows():
    schema = Schema((RINGS, OLD), (SEX,), order=("Rings", "Sex", "is old"), gaps=True)
    laws = (Law((1.0,), rest=LAWS[1].rest), Law((0.0, 1.0), labels=True))
    conditional = model(schema, laws)
    drawn = conditional.given({"Rings": 2}, {"Sex": "I"}).sample(3, seed=0)
    assert list(drawn) == ["Rings", "Sex", "is old"]
    assert set(drawn["Sex"]) == {"I"}
    with pytest.raises(UsageError, match="'Sex' is the model's context"):
        conditional.given({"Sex": "M"}, {"Sex": "I"})
    with pytest.raises(UsageError, match="no column 'Sex'"):
        conditional.probability("Sex == 'M'", context={"Sex": "I"})
