"""Numbers with a sign or a unit that all cells share: read as numbers, and written back with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial.core.errors import DataError
from fluvial.data import read
from fluvial.data.columns import Column
from fluvial.data.infer import infer
from fluvial.data.schema import Schema
from fluvial.data.tokens import read_cells
from fluvial.kinds.tables.written import in_units, write_columns


@pytest.mark.parametrize(
    ("cells", "values", "affix"),
    [
        (["70 kg", "", "8 kg"], [70, np.nan, 8], ("", " kg")),
        (["1.5mg", "20.25mg"], [1.5, 20.25], ("", "mg")),
        (["1.67m", "2.5m"], [1.67, 2.5], ("", "m")),
        (["36 months", "60 months"], [36, 60], ("", " months")),
        (["-3 \u00b0C", "12 \u00b0C"], [-3, 12], ("", " \u00b0C")),
        (["7 kg/m3", "8 kg/m3"], [7, 8], ("", " kg/m3")),
        (["12.5 %", "3.5 %"], [12.5, 3.5], ("", " %")),
        (["$3", "-$4"], [3, -4], ("$", "")),
    ],
)
def test_one_unit_behind_every_number_is_no_part_of_it(cells: list[str], values: list[float], affix: tuple[str, str]):
    found = read_cells("\n".join(cells))
    np.testing.assert_array_equal(found.values, values)
    assert found.affix == affix
    assert found.note.startswith("is read as numbers with the ")
    back = in_units({"v": found.values}, {"v": found.affix})["v"]
    assert back.tolist() == [cell or None for cell in cells]


@pytest.mark.parametrize(
    "cells",
    [["1A", "2A", "3A"], ["007 kg", "008 kg"], ["5 stars", "1 star"], ["2e2", "3e2"], ["Q 1", "Q 2"], ["3rd", "4th"]],
)
def test_codes_and_labels_stay_as_they_are(cells: list[str]):
    found = read_cells("\n".join(cells * 5))
    assert found.values.tolist() == cells * 5
    assert not found.problem


@given(st.lists(st.decimals(-1000, 1000, places=2), min_size=1), st.sampled_from([" kg", "mg", " km/h", " m2"]))
def test_what_is_written_is_read(numbers, unit: str):
    cells = [f"{n.normalize():f}{unit}" for n in numbers]
    found = read_cells("\n".join(cells))
    np.testing.assert_array_equal(found.values, [float(n) for n in numbers])
    again = read_cells("\n".join(in_units({"v": found.values}, {"v": found.affix})["v"]))
    np.testing.assert_array_equal(again.values, found.values)
    assert again.affix == ("", unit)


def test_a_cell_of_another_unit_is_a_slip_among_many_numbers():
    cells = [f"{i} kg" for i in range(60)]
    problem = read_cells("\n".join([*cells, "150 lb"])).problem
    assert problem.startswith("holds '150 lb' in row 61; expected a number of kg")
    assert not read_cells("\n".join(["2 children"] * 99 + ["1 child"])).problem


def test_files_bring_the_unit_and_get_it_back(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("w\n" + "".join(f"{w} kg\n" for w in range(40, 90)))
    table = read(path)
    schema, _ = infer(table)
    (column,) = schema.columns
    assert (column.kind, column.unit, column.affix) == ("integer", "kg", ("", " kg"))
    assert Schema.from_json(schema.to_json()) == schema
    affixes = {"w": column.affix}
    for out in (tmp_path / "new.csv", tmp_path / "new.tsv.gz", None):
        write_columns(table.columns, out, affixes=affixes)
        if out is not None:
            assert read(out).reading("w").affix == column.affix
    assert capsys.readouterr().out == path.read_text()
    write_columns(table.columns, tmp_path / "new.parquet", affixes=affixes)
    assert read(tmp_path / "new.parquet").columns["w"].dtype == np.int64


def test_another_unit_than_the_fit_s_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("w\n" + "".join(f"{w} kg\n" for w in range(40, 90)))
    schema, _ = infer(read(path))
    assert schema.encode(read({"w": np.arange(50, 60)})).x[0, 0] == 50  # without any, it is the fit's
    path.write_text("w\n150 lb\n160 lb\n")
    with pytest.raises(DataError, match="column 'w' is in 'lb', and the model was fitted to numbers in 'kg'"):
        schema.encode(read(path))
    with pytest.raises(DataError, match="only numbers have a sign before and a unit behind them"):
        Column("w", "categorical", "str", categories=("a",), affix=("", "kg"))
