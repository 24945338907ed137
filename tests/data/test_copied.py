"""Text larger than memory: each cell read as it would be in one piece, or else a sentence with its line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fluvial.core.errors import DataError
from fluvial.data import delimited
from fluvial.data.copied import Expected, copied_text
from fluvial.data.tables import Table, is_missing, read


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(delimited, "_BLOCK", 12)


def written(lines: Sequence[str], name: str = "t.csv", encoding: str = "utf-8") -> Path:
    Path(name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return Path(name)


def in_parts(*paths: Path, expected: Expected | None = None) -> Table:
    """All rows of a copy, put together, and what was said of them."""
    tables = [table for _, table in copied_text(paths, expected or Expected()).tables(4)]
    columns = {name: np.concatenate([t.columns[name] for t in tables]) for name in tables[0].names}
    for values in (values for values in columns.values() if values.dtype == object):
        values[[v != v for v in values]] = None  # of parts that miss all cells
    notes = tuple(note for table in tables for note in table.notes)
    return Table(columns, tables[0].kind, tables[0].header, tables[0].readings, notes)


ROWS = range(40)
CASES = {
    "numbers with gaps later": ["a,b", *(f"{i},{i / 4 if i < 30 else ''}" for i in ROWS)],
    "whole numbers, then others": ["a,b", *(f"{i if i < 30 else i + 0.5},x" for i in ROWS)],
    "gaps alone at first": ["a,b,c", *(f"{'' if i < 20 else i},{'' if i < 20 else 'u'},{i}" for i in ROWS)],
    "labels": ["a,b", *(f"{'NA' if i % 3 else 'u v'},{['true', 'false', ''][i % 3]}" for i in ROWS)],
    "codes": ["zip,n", *(f"0{i},{i}" for i in ROWS)],
    "decimal commas": ["a;b", *(f"{i},5;{i}" for i in ROWS)],
    "thousands later": ["a;b", *(f"{i * i * 10 + 0.25:,};{i}" for i in ROWS)],
    "units and currency": ["w,p", *(f"{i} kg,${i}.50" for i in ROWS)],
    "dashes later": ["a,b", *(f"{i}.5,{i}" if i != 33 else "-,1" for i in ROWS)],
    "without a header": [f"{i},{i / 8},u" for i in ROWS],
    "an index": [",a,b", *(f"{i},{i / 8},u" for i in ROWS)],
    "trailing delimiters": ["a,b,", *(f"{i},u," for i in ROWS)],
    "quotes, breaks and blank lines": ["a,b", *(f'{i},"x, ""y"""\n' if i % 7 else f'{i},"two\nlines"' for i in ROWS)],
    "remarks": ["# of someone", "a,b", *(f"{i},u" if i != 20 else "# more" for i in ROWS)],
    "blanks": ["a b", *(f"{i}   {i / 8}" for i in ROWS)],
}


@pytest.mark.parametrize("case", CASES)
def test_copies_read_as_in_one_piece(case: str):
    path = written(CASES[case])
    whole, found = read(path), in_parts(path)
    assert found.names == whole.names
    assert (found.kind, found.header) == (whole.kind, whole.header)
    for name, values in whole.columns.items():
        assert found.columns[name].dtype == values.dtype, name
        np.testing.assert_array_equal(is_missing(found.columns[name]), is_missing(values), err_msg=name)
        there = ~is_missing(values)
        np.testing.assert_array_equal(found.columns[name][there], values[there], err_msg=name)
        assert found.reading(name).affix == whole.reading(name).affix
    assert set(found.notes) >= {note for note in whole.notes if "is read as" not in note}


def test_another_encoding_far_below_is_found_out():
    path = written(["a,b", *(f"{i},u" for i in range(39)), "39,café"], encoding="cp1252")
    found = in_parts(path)
    assert len(found) == 40
    assert found.columns["b"][39] == "café"
    assert found.notes == ("the file is read as Windows-1252 (cp1252), since it is not UTF-8",)


def test_files_are_one_table_and_have_the_same_columns():
    first = written(["a,b", *(f"{i},u" for i in ROWS)])
    second = written(["b;a", *(f"v;{i},5" for i in ROWS)], "u.csv")
    found = in_parts(first, second)
    assert found.columns["a"].tolist() == [*ROWS, *(i + 0.5 for i in ROWS)]
    assert found.columns["b"].tolist() == ["u"] * 40 + ["v"] * 40
    with pytest.raises(DataError, match=r"v\.csv has other columns than the first file: 'b', 'c'"):
        in_parts(first, written(["a,c", "1,2", "3,4"], "v.csv"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("30.5,abc,u", r"line 34: column 'b' holds 'abc', and above it every cell is a number"),
        ("030,1,u", r"line 34: column 'a' holds '030', and above it every cell is a whole number"),
        ("30,1", r"line 34: 2 cells where the first line has 3"),
        ('30,"1\n2",u', r"line 35: column 'b' holds '1\\x1e2'"),
    ],
)
def test_a_cell_that_does_not_go_with_those_above_is_named_with_its_line(line: str, said: str):
    rows = [f"{i},{i / 8},u" for i in ROWS]
    path = written(["# a remark", "a,b,c", *rows[:31], line, *rows[31:]])
    with pytest.raises(DataError, match=rf"t\.csv, {said}"):
        in_parts(path)


def test_what_a_column_is_known_to_hold_is_not_guessed():
    path = written(
        ["zip,land,more", *(f"{i if i < 30 else f'0{i}'},{'NA' if i % 2 else 'DE'},{i}" for i in ROWS), "x,DE,x"]
    )
    found = in_parts(path, expected=Expected({"zip": (), "land": ("NA",)}, ("zip", "land")))
    assert found.columns["zip"][[0, 35, 40]].tolist() == ["0", "035", "x"]
    assert found.columns["land"][:2].tolist() == ["DE", "NA"]
    assert found.columns["more"][40] == "x"
