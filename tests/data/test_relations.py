"""Sums, differences, products and ratios: found, rebuilt, and never a coincidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.core.errors import RunError
from fluvial.data import Table, infer
from fluvial.data.schema import Schema

RNG = np.random.default_rng(0)
N = 200
PRICE = RNG.lognormal(3, 1, N).round(2)
COUNT = RNG.integers(1, 20, N)
TOTAL = (PRICE * COUNT).round(2)
TAX = (RNG.uniform(0.05, 0.3, N) * TOTAL).round(2)
A, B, C = RNG.normal(size=(3, N))


def found(columns: dict[str, np.ndarray], cells: bool = True) -> dict[str, str]:
    schema, notes = infer(Table(columns), cells=cells, drop_missing=False)
    stated = {d.column.name: d.stated() for d in schema.dropped if d.terms}
    assert all(any(f"{name!r} = {formula}" in note for note in notes) for name, formula in stated.items())
    check(schema, columns)
    return stated


def check(schema: Schema, columns: dict[str, np.ndarray]) -> None:
    """The table agrees with its own relations, and comes back; the schema survives a file."""
    encoded = schema.encode(Table(columns))
    assert not encoded.impossible.any()
    back = schema.decode(encoded.x)
    for name, values in columns.items():
        np.testing.assert_allclose(back[name].astype(float), values.astype(float), rtol=1e-12, atol=1e-12)
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize("cells", [True, False])
@pytest.mark.parametrize(
    ("columns", "stated"),
    [
        ({"price": PRICE, "n": COUNT, "total": TOTAL}, {"total": "'price' * 'n'"}),
        ({"total": TOTAL, "n": COUNT, "price": PRICE}, {"total": "'n' * 'price'"}),
        ({"a": A, "b": B, "sum": A + B}, {"sum": "'a' + 'b'"}),
        (
            {"a": A, "b": B, "c": C, "mix": 0.3 * A - 0.7 * B + 2 * C + 1},
            {"mix": "0.3 * 'a' - 0.7 * 'b' + 2 * 'c' + 1"},
        ),
        ({"a": A, "m": PRICE**0.5, "rate": A / PRICE**0.5}, {"rate": "'a' / 'm'"}),
        ({"gross": TOTAL, "tax": TAX, "net": (TOTAL - TAX).round(2)}, {"gross": "'net' + 'tax'"}),
        ({"a": A, "b": B, "gain": A - B}, {"gain": "'a' - 'b'"}),
    ],
)
def test_what_follows_from_several_is_found_and_rebuilt(columns, stated, cells):
    assert found(columns, cells) == stated


def test_what_only_rounds_to_it_is_found_for_a_model_of_any_cells():
    kg, m = RNG.normal(75, 12, N).round(1), RNG.normal(1.75, 0.1, N).round(2)
    table = {"kg": kg, "m": m, "bmi": (kg / m**2).round(1)}
    assert found(table) == {"bmi": "'kg' / 'm'^2"}
    assert found(table, cells=False) == {}
    half = {"a": COUNT, "b": COUNT[::-1].copy(), "mean": np.rint((COUNT + COUNT[::-1]) / 2).astype(int)}
    assert found(half) == {"mean": "0.5 * 'a' + 0.5 * 'b'"}  # halves were rounded to even


def test_one_follows_from_another_that_follows():
    tax, ship = (0.19 * TOTAL).round(2), RNG.choice([0.0, 4.9, 9.9], N)
    pay = (TOTAL + tax + ship).round(2)
    schema, _ = infer(
        Table({"pay": pay, "price": PRICE, "n": COUNT, "tax": tax, "ship": ship, "total": TOTAL}),
        cells=True,
        drop_missing=False,
    )
    assert schema.names == ("price", "n", "ship")
    assert [d.column.name for d in schema.dropped] == ["total", "tax", "pay"]
    assert schema.dropped[-1].stated() == "'total' + 'tax' + 'ship'"


@pytest.mark.parametrize("row", [0, 77, N - 1])
@pytest.mark.parametrize("target", ["total", "net"])
def test_one_row_against_it_is_enough(target, row):
    table = {"price": PRICE, "n": COUNT / 8, "total": PRICE * COUNT / 8, "tax": TAX, "net": PRICE * COUNT / 8 - TAX}
    assert len(found(table)) == 2
    table[target] = table[target].copy()
    table[target][row] += 0.01
    assert len(found(table)) == (1 if target == "net" else 0)


def test_a_slip_is_not_made_to_agree_by_crooked_numbers():
    table = {"a": TAX, "b": PRICE, "sum": (TAX + PRICE).round(2)}
    table["sum"][77] += 0.01
    assert found(table) == {}


def test_few_rows_and_few_values_are_a_coincidence():
    assert found({"a": A[:19], "b": B[:19], "sum": (A + B)[:19]}) == {}
    assert found({"a": A[:25], "b": B[:25], "sum": (A + B)[:25]}) == {"sum": "'a' + 'b'"}
    bits = {"a": COUNT % 2, "b": (COUNT // 2) % 2, "w": A}
    assert found({**bits, "both": bits["a"] * bits["b"]}) == {}
    again = np.tile(np.arange(10), 20)
    assert found({"a": A[again], "b": B[again], "sum": (A + B)[again]}) == {}  # ten rows, twenty times


def test_shares_of_a_whole_keep_to_the_whole_and_draws_below_nothing_are_told():
    a, b = RNG.uniform(0, 0.5, (2, N)).round(3)
    table = {"a": a, "b": b, "c": (1 - a - b).round(3)}
    assert found(table) == {"c": "1 - 'a' - 'b'"}
    schema, notes = infer(Table(table), cells=True, drop_missing=False)
    assert any("draws that would leave 'c' below 0 are made again" in note for note in notes)
    assert schema.strays(np.array([[0.4, 0.4], [0.5, 0.5], [0.5, 0.501]])).tolist() == [False, False, True]


def test_it_is_missing_where_a_source_is_and_only_there():
    gaps = RNG.random((2, N)) < 0.1
    price, count = np.where(gaps[0], np.nan, PRICE), np.where(gaps[1], np.nan, COUNT)
    table = {"price": price, "n": count, "total": (price * count).round(2)}
    assert found(table) == {"total": "'price' * 'n'"}
    less = np.where(np.arange(N) == np.flatnonzero(~gaps.any(0))[0], np.nan, table["total"])
    assert found({**table, "total": less}) == {}
    more = np.where(gaps[0], 5.0, table["total"])
    assert found({**table, "total": more}) == {}


def test_a_ratio_to_nothing_is_missing():
    calls = np.where(RNG.random(N) < 0.2, 0, COUNT)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(calls == 0, np.nan, np.round(TOTAL / calls, 3))
    assert found({"total": TOTAL, "calls": calls, "rate": rate}) == {"rate": "'total' / 'calls'"}


def test_rows_against_it_are_impossible_and_said():
    table = {"price": PRICE, "n": COUNT, "total": TOTAL}
    schema, _ = infer(Table(table), cells=True, drop_missing=False)
    wrong = np.where(np.arange(N) < 3, TOTAL + 0.01, TOTAL)
    wrong[5] = np.nan
    encoded = schema.encode(Table({**table, "total": wrong}))
    assert np.flatnonzero(encoded.impossible).tolist() == [0, 1, 2, 5]
    assert "4 rows contradict the constant or determined columns 'total'" in encoded.warnings[0]


def test_gaps_are_filled_in_any_direction_that_is_defined():
    table = {"price": PRICE, "n": COUNT, "total": TOTAL, "tax": TAX, "net": (TOTAL - TAX).round(2)}
    schema, _ = infer(Table(table), cells=True, drop_missing=False)
    holes = {name: values.astype(float) for name, values in table.items()}
    for i, name in enumerate(table):
        holes[name][i::5] = np.nan
    numbers = schema.encode(Table(holes), complete=True)
    assert not numbers.impossible.any()
    for name, values in schema.decode(numbers.x).items():
        np.testing.assert_allclose(values, table[name], rtol=1e-12)
    holes["price"][:], holes["n"][:] = np.nan, np.nan
    assert np.isnan(schema.encode(Table(holes), complete=True).x[:, :2]).any()  # a product does not say its factors


def test_numbers_of_another_file_are_checked():
    schema, _ = infer(Table({"a": A, "b": B, "sum": A + B}), cells=True, drop_missing=False)
    damaged = schema.to_json()
    damaged["dropped"][0]["terms"][0][1] = 1e301
    with pytest.raises(RunError, match="damaged"):
        Schema.from_json(damaged)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 60), st.sampled_from([0, 1, 2]))
def test_independent_columns_never_agree(seed, rows, digits):
    rng = np.random.default_rng(seed)
    columns = {f"x{i}": rng.gamma(2, 3, rows).round(digits) for i in range(4)}
    columns |= {f"n{i}": rng.poisson(2, rows) for i in range(4)}
    schema, _ = infer(Table(columns), cells=True, drop_missing=False)
    assert [d.stated() for d in schema.dropped if d.terms] == []
