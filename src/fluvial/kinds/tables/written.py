"""Columns as a person gets them: a file, or CSV on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that a spreadsheet runs


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


def write_parts(parts: Iterable[Mapping[str, np.ndarray]], out: Path | None, header: bool = True) -> None:
    """As :func:`write_columns`, of a table that comes in parts, each of which is written as it comes."""
    from fluvial.data import files

    if out is not None:
        files.write_parts(map(dict, parts), out, header)
        return
    for number, part in enumerate(parts):
        files.write_text(dict(part), sys.stdout, header and number == 0)


def write_columns(columns: Mapping[str, np.ndarray], out: Path | None, header: bool = True) -> None:
    """Named columns to a file, or as CSV to stdout."""
    from fluvial.data.files import write, write_text

    if out is not None:
        write(dict(columns), out, header)
    else:
        write_text(dict(columns), sys.stdout, header)
