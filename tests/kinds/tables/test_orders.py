"""Columns that go round, and labels in an order: read, learnt, asked about, and drawn."""

import numpy as np
import pytest

from fluvial import fit
from fluvial.core.errors import DataError, UsageError
from fluvial.data import Table, infer
from fluvial.data.look import ColumnKind

RNG = np.random.default_rng(0)
HOURS = (RNG.normal(0.0, 3.0, 400).round() % 24).astype(int)
GRADES = ("poor", "fair", "good")
GRADE = np.array(GRADES, dtype=object)[np.clip(RNG.normal(1.0, 0.8, 400).round(), 0, 2).astype(int)]
TABLE = Table({"hour": HOURS, "grade": GRADE})
KINDS: dict[str, ColumnKind] = {"hour": "circular", "grade": ("ordinal", *GRADES)}


@pytest.mark.parametrize(
    ("values", "asked", "ends"),
    [
        (HOURS, "circular", (0, 23, 1.0, 24)),
        (np.append(HOURS, 24), "circular", (0, 23, 1.0, 24)),
        (HOURS, ("circular", -1, 23), (-1, 22, 1.0, 24)),
        (RNG.random(50) * 359, "circular", (0, 360, None, 360)),
        (RNG.random(50) * 340 - 170, "circular", (-180, 180, None, 360)),
        (RNG.random(50).round(2) * 6, ("circular", 0, 2 * np.pi), (0, 2 * np.pi, None, 2 * np.pi)),
    ],
)
def test_a_circle_has_ends_a_grid_that_closes_and_a_period(values, asked, ends):
    schema, _ = infer(Table({"v": values}), kinds={"v": asked}, cells=True, drop_missing=False)
    found = schema.columns[0]
    assert (found.lower, found.upper, found.step, found.period) == pytest.approx(ends)


def test_the_upper_end_of_a_circle_is_its_lower_one():
    schema, _ = infer(TABLE, kinds=KINDS, cells=True, drop_missing=False)
    x = schema.encode(Table({"hour": np.array([24, 0, 23]), "grade": np.array(["poor"] * 3, dtype=object)})).x
    assert x[:, 0].tolist() == [0, 0, 23]


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        ({"hour": ("circular", 0, 12)}, "said to be circular, which does not hold|said to be within 0 and 12"),
        ({"hour": ("circular", 24, 0)}, "from where to where"),
        ({"grade": "ordinal"}, "name its labels in their order"),
        ({"grade": ("ordinal", "poor", "good")}, "each of its labels once"),
    ],
)
def test_what_is_no_circle_and_no_order_is_refused(kinds, says):
    with pytest.raises(DataError, match=says):
        infer(TABLE, kinds=kinds, cells=True)


def test_numbers_that_are_codes_have_an_order_of_their_own():
    schema, _ = infer(Table({"v": np.arange(60) % 3}), kinds={"v": "ordinal"}, cells=True)
    assert (schema.columns[0].kind, schema.columns[0].categories) == ("ordinal", (0, 1, 2))


def test_an_order_may_be_given_to_a_schema():
    schema, _ = infer(TABLE, cells=True)
    edited = schema.edit("grade", order=GRADES)
    assert (edited.columns[1].kind, edited.columns[1].categories) == ("ordinal", GRADES)
    assert edited.from_json(edited.to_json()) == edited
    assert edited.encode(TABLE).x[:, 1].tolist() == [GRADES.index(label) for label in GRADE]
    with pytest.raises(UsageError, match="each label once"):
        schema.edit("grade", order=GRADES[:2])
    with pytest.raises(UsageError, match="it is integer"):
        schema.edit("hour", order=(1, 2))


def test_a_fit_knows_both_and_answers_by_the_order():
    model = fit(TABLE.columns, kinds=KINDS, epochs=2, progress=False)
    laws = model.density.laws.laws
    assert laws[0].periods == (24.0, 12.0, 8.0)
    assert not laws[1].labels
    drawn = model.sample_columns(300, seed=0)
    assert set(drawn["hour"].tolist()) <= set(range(24))
    assert set(drawn["grade"].tolist()) <= set(GRADES)
    at_least = model.probability("grade >= 'fair'")
    assert at_least.value == pytest.approx(1 - model.probability("grade == 'poor'").value, abs=1e-6)
    some = model.given({"grade": ("fair", None)}).sample_columns(100, seed=0)
    assert set(some["grade"].tolist()) == {"fair", "good"}
    with pytest.raises(UsageError, match="cannot be calculated with"):
        model.probability("grade + 1 > 'fair'")
