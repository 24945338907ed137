"""Numbers that stand for missing cells: named ones, those that can be nothing else, and those that may be values."""

import numpy as np
import pytest

from fluvial.core.errors import UsageError
from fluvial.data import Table
from fluvial.data.infer import infer
from fluvial.data.listing import listing
from fluvial.data.schema import Schema
from fluvial.data.sentinels import marked

RNG = np.random.default_rng(0)
AGES = RNG.integers(18, 90, 100)
MONEY = RNG.integers(0, 100_000, 100)


def spoilt(values: np.ndarray, *codes: float, n: int = 4) -> np.ndarray:
    some = values.astype(np.float64 if any(c != int(c) or abs(c) > 1e9 for c in codes) else values.dtype)
    for i, code in enumerate(codes):
        some[i * n : (i + 1) * n] = code
    return some


@pytest.mark.parametrize(
    "codes", [(-999,), (-9999,), (9.969209968386869e36,), (-1e30, 1e20), (-999, -9999), (-999.25,)]
)
def test_what_can_be_nothing_else_is_missing_and_said(codes: tuple[float, ...]):
    values = spoilt(AGES, *codes)
    table = marked(Table({"age": values, "other": AGES}))
    assert np.isnan(table.columns["age"]).sum() == 4 * len(codes)
    assert np.array_equal(table.columns["age"][4 * len(codes) :], AGES[4 * len(codes) :])
    assert table.columns["other"] is AGES
    (note,) = table.notes
    assert note.startswith(f"column 'age': {4 * len(codes)} cells of ")
    assert all(f"{code:g}" in note for code in codes)
    assert "--missing none" in note


def test_rounded_to_float32_it_is_the_same_number():
    values = spoilt(AGES, 9.969209968386869e36).astype(np.float32)
    found = marked(Table({"age": values})).columns["age"]
    assert found.dtype == np.float32
    assert np.isnan(found).sum() == 4


@pytest.mark.parametrize(
    "values",
    [
        spoilt(MONEY, -999),  # within the reach of the others
        spoilt(AGES, -999, n=1),  # once
        spoilt(AGES, -998),  # not a code
        spoilt(np.full(100, 5), -999),  # two values, either of which may be meant
        np.array([-999.0] * 5 + [1.0] * 4),  # too few others
    ],
)
def test_what_may_be_a_value_is_one(values: np.ndarray):
    assert np.array_equal(marked(Table({"v": values})).columns["v"], values)


def test_the_only_number_below_zero_is_pointed_out():
    (note,) = marked(Table({"money": spoilt(MONEY, -999)})).notes
    assert note.startswith("column 'money' holds -999 in 4 cells and nothing else below 0")
    assert "--missing money=-999" in note
    assert not marked(Table({"change": np.append(spoilt(MONEY, -999), -5)})).notes


@pytest.mark.parametrize("named", [-1, [-1, -7], {"a": -1}, {"a": [-1]}, np.float32(-1)])
def test_named_ones_are_missing_wherever_they_lie(named):
    table = marked(Table({"a": np.array([0, -1, 2, 3] * 5), "b": np.array([-1.5, 0, 2, 3] * 5)}), named)
    assert np.isnan(table.columns["a"]).sum() == 5
    assert not np.isnan(table.columns["b"]).any()
    assert table.notes == ("column 'a': 5 cells of -1 read as missing",)


def test_none_means_none_and_one_column_s_do_not_stop_others_from_being_seen():
    table = Table({"age": spoilt(AGES, -999), "money": spoilt(MONEY, -999)})
    assert marked(table, []).columns == table.columns
    assert not np.isnan(marked(table, {"age": []}).columns["age"]).any()
    found = marked(table, {"money": -999}).columns
    assert [int(np.isnan(found[name]).sum()) for name in found] == [4, 4]


@pytest.mark.parametrize(
    ("named", "says"), [({"agee": -1}, "did you mean 'age'"), (["x"], "got 'x'"), (np.nan, "got nan")]
)
def test_what_is_no_number_or_no_column_gets_a_sentence(named, says: str):
    with pytest.raises(UsageError, match=says):
        marked(Table({"age": AGES}), named)


def test_the_schema_remembers_them():
    table = marked(Table({"age": spoilt(AGES, -999), "other": AGES[::-1].copy()}), -7)
    schema, notes = infer(table, cells=True, drop_missing=False)
    assert any("4 cells of -999 read as missing" in note for note in notes)
    assert schema.columns[0].missing == (-7.0, -999.0)
    assert Schema.from_json(schema.to_json()) == schema
    x = schema.encode(Table({"age": np.array([-999, -7, 30]), "other": np.array([20, -999, -7])})).x
    assert np.isnan(x).tolist() == [[True, False], [True, False], [False, True]]


def test_where_gaps_stand_in_the_way_the_sentence_names_them():
    told = listing(marked(Table({"age": spoilt(AGES, -999)})))
    assert not told.problems
    with pytest.raises(Exception, match=r"4 rows of 100 miss values .*read as missing: 'age' -999"):
        infer(marked(Table({"age": spoilt(AGES, -999), "b": MONEY})), drop_missing=False)
