"""Numbers that stand for missing cells, such as -999: those that someone names, and those that can be nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import cast

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.data.tables import Table
from fluvial.data.words import counted, flag, listed, nearest

Missing = float | Sequence[float] | Mapping[str, float | Sequence[float]]
"""Numbers that stand for missing cells: in any column, or by column."""

_CODES = (
    *(-999.0, -9999.0, -99999.0, -999999.0, -999.25, 99999.0, 999999.0, -32768.0, -2147483648.0),
    *(1e20, -1e20, 1e30, -1e30, 1e36, -1e36, 9.969209968386869e36, 3.4028234663852886e38, -3.4028234663852886e38),
)
"""What programs and agencies write for no value; 9.97e36 is netCDF's, -999.25 that of well logs."""
_APART = 3.0  # ranges of all other values that such a number must lie beyond them
_FEWEST = 2  # cells that hold it
_OTHERS = 10  # cells that hold something else
_ALIKE = 1e-6  # relative; the large ones are rounded to float32


def marked(table: Table, named: Missing | None = None) -> Table:
    """The table with NaN for numbers that stand for missing cells, and notes of what was read so.

    Args:
        named: such numbers; an empty list for none. In columns for which it does not say none, a few well-known numbers
            count as well, where at least two cells hold one that lies three times the others' range beyond them.

    Raises:
        UsageError: there is no such column, or something is not a number.
    """
    by_column = _by_column(table, named)
    for name, values in table.columns.items():
        if values.dtype.kind in "iuf" and len(values):
            given, guessed = by_column.get(name), _unmistakable(values)
            if given != ():
                table = _read_so(table, name, given or (), tuple(code for code in guessed if code not in (given or ())))
    return table


def holds(values: np.ndarray, codes: Sequence[float]) -> np.ndarray:
    """Which cells of a column (N,) of numbers hold one of the codes."""
    found = np.zeros(len(values), dtype=bool)
    for code in codes:
        found |= np.abs(values.astype(np.float64) - code) <= _ALIKE * abs(code) * (abs(code) > 1e15)
    return found


def blanked(values: np.ndarray, codes: Sequence[float]) -> np.ndarray:
    """A column (N,) with NaN where it holds one of the codes."""
    if not codes or values.dtype.kind not in "iuf" or not (found := holds(values, codes)).any():
        return values
    blank = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    blank[found] = np.nan
    return blank


def _read_so(table: Table, name: str, given: tuple[float, ...], guessed: tuple[float, ...]) -> Table:
    """The table with gaps for the codes that are given or guessed of a column, and with what there is to say."""
    values, codes = table.columns[name], given + guessed
    if not codes:
        return table.noting(note) if (note := _perhaps(name, values)) else table
    reading = replace(table.reading(name), missing=codes)
    columns = {**table.columns, name: blanked(values, codes)}
    table = replace(table, columns=columns, readings={**table.readings, name: reading})
    held = [f"{code:g}" for code in codes if holds(values, (code,)).any()]
    if not held:
        return table
    cells = counted(int(holds(values, codes).sum()), "cell")
    way = f"; where it is a value, say --missing none (missing={{{name!r}: []}} in Python)" if guessed else ""
    return table.noting(f"column {name!r}: {cells} of {' and '.join(held)} read as missing{way}")


def _by_column(table: Table, named: Missing | None) -> dict[str, tuple[float, ...]]:
    if named is None:
        return {}
    if not isinstance(named, Mapping):
        return dict.fromkeys(table.names, _numbers(named))
    for name in named:
        if name not in table.columns:
            hint = nearest(str(name), table.names)
            raise UsageError(f"missing: there is no column {name!r}{hint} (columns: {listed(table.names, most=12)})")
    return {name: _numbers(codes) for name, codes in named.items()}


def _numbers(codes: float | Sequence[float]) -> tuple[float, ...]:
    several = cast("Sequence[object]", codes if isinstance(codes, list | tuple | set | np.ndarray) else [codes])
    wrong = [code for code in several if not isinstance(code, Real) or code != code]
    if wrong:
        raise UsageError(f"missing: expected numbers that stand for missing cells, such as -999, got {wrong[0]!r}")
    return tuple(float(cast(float, code)) for code in several)


def _unmistakable(values: np.ndarray) -> tuple[float, ...]:
    """The well-known codes among a column's values (N,) that lie far beyond all others."""
    there = values[np.isfinite(values)].astype(np.float64)
    codes = [code for code in _CODES if holds(there, (code,)).sum() >= _FEWEST]
    others = there[~holds(there, codes)]
    if not codes or len(others) < _OTHERS or not np.ptp(others):
        return ()
    low, high = float(others.min()), float(others.max())
    reach = _APART * (high - low)
    return tuple(code for code in codes if code < low - reach or code > high + reach)


def _perhaps(name: str, values: np.ndarray) -> str:
    """What to say of a code that may be a value: the only one below 0."""
    if values.dtype.kind == "u" or not len(values):
        return ""
    there = values[np.isfinite(values)].astype(np.float64)
    below = np.unique(there[there < 0])
    if len(below) != 1 or below[0] not in _CODES or (there < 0).sum() < _FEWEST:
        return ""
    return (
        f"column {name!r} holds {below[0]:g} in {int((there < 0).sum()):,} cells and nothing else below 0: if it "
        f"stands for missing cells, say {flag('missing', f'{name}={below[0]:g}')} "
        f"(missing={{{name!r}: {below[0]:g}}} in Python)"
    )
