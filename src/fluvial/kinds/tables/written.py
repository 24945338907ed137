"""Columns as a person gets them: a file, or CSV on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fluvial.data.schema import Schema

_EXACT = 2.0**53  # whole numbers up to here are exact in float64
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that a spreadsheet runs


Affixes = Mapping[str, tuple[str, str]]
"""The sign before and the unit behind the numbers of columns, by name."""


def escaped(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names and cells of text that a spreadsheet would run as formulas, with an apostrophe before them.

    >>> escaped({"=1+1": np.array(["=cmd|x", "a"], dtype=object), "x": np.array([-1.0])})
    {"'=1+1": array(["'=cmd|x", 'a'], dtype=object), 'x': array([-1.])}
    """

    def plain(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

    return {
        str(plain(name)): np.array([plain(cell) for cell in values.tolist()], dtype=object)
        if values.dtype.kind in "OSU"
        else values
        for name, values in columns.items()
    }


def in_units(columns: Mapping[str, np.ndarray], affixes: Affixes) -> dict[str, np.ndarray]:
    """Columns of numbers as text with the sign before and the unit behind each, where ``affixes`` name them.

    >>> in_units({"w": np.array([70.5, np.nan])}, {"w": ("", " kg")})["w"].tolist()
    ['70.5 kg', None]
    """
    known = {name: affix for name, affix in affixes.items() if any(affix) and name in columns}
    return dict(columns) | {name: _affixed(columns[name], *affix) for name, affix in known.items()}


def _affixed(values: np.ndarray, before: str, after: str) -> np.ndarray:
    """Each number in its marks, without the point that whole numbers have where some cells are missing."""
    there = [value for value in values.tolist() if value is not None and value == value]
    whole = all(float(value).is_integer() for value in there)

    def text(value: float | None) -> str | None:
        if value is None or value != value:
            return None
        number = str(int(value) if whole else value)
        return f"-{before}{number[1:]}{after}" if number.startswith("-") else f"{before}{number}{after}"

    return np.array([text(value) for value in values.tolist()], dtype=object)


def _whole(columns: Mapping[str, np.ndarray], schema: Schema | None) -> dict[str, np.ndarray]:
    """Whole numbers that are floats for the gaps of their column, as whole numbers again where they have none."""
    integers = {c.name for c in schema.every if c.kind == "integer"} if schema is not None else set[str]()
    return {
        name: values.astype(np.int64) if name in integers and _are_whole(values) else values
        for name, values in columns.items()
    }


def _are_whole(values: np.ndarray) -> bool:
    return values.dtype == np.float64 and bool(((np.abs(values) <= _EXACT) & (values == np.rint(values))).all())


def write_parts(
    parts: Iterable[Mapping[str, np.ndarray]],
    out: Path | None,
    header: bool = True,
    affixes: Affixes | None = None,
    schema: Schema | None = None,
) -> None:
    """As :func:`write_columns`, of a table that comes in parts, each of which is written as it comes."""
    from fluvial.data import files

    plain = (_written(part, out, affixes, schema) for part in parts)
    if out is not None:
        files.write_parts(plain, out, header)
        return
    for number, part in enumerate(plain):
        files.write_text(part, sys.stdout, header and number == 0)


def write_columns(
    columns: Mapping[str, np.ndarray],
    out: Path | None,
    header: bool = True,
    affixes: Affixes | None = None,
    schema: Schema | None = None,
) -> None:
    """Named columns to a file, or as CSV to stdout.

    In text, numbers have the signs and units of ``affixes``, and those that ``schema`` has as integers no point.
    """
    from fluvial.data.files import write, write_text

    plain = _written(columns, out, affixes, schema)
    if out is not None:
        write(plain, out, header)
    else:
        write_text(plain, sys.stdout, header)


def _written(
    columns: Mapping[str, np.ndarray], out: Path | None, affixes: Affixes | None, schema: Schema | None
) -> dict[str, np.ndarray]:
    from fluvial.data.packed import TEXT, ending

    text = out is None or ending(out) in TEXT
    return in_units(_whole(columns, schema), affixes or {}) if text else dict(columns)
