"""The cells of one column, of any kind, in one of the dtypes that a table has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from fluvial.core.errors import DataError

_WHOLE = 2**53  # whole numbers up to here are exact in float64


def tidy(values: np.ndarray, null: np.ndarray | None = None) -> np.ndarray:
    """One column in one of the dtypes that a table promises; ``null`` marks missing entries (N,)."""
    if values.ndim != 1:
        raise DataError(f"a column is one-dimensional, but this one has shape {values.shape}")
    if isinstance(values, np.ma.MaskedArray):
        null, values = np.ma.getmaskarray(values), np.asarray(values.data)
        if not null.any():
            null = None
        elif values.dtype.kind in "fiub":
            return _with_gaps(values, null)
    if values.dtype.kind in "biuMm" or values.dtype.name in ("float16", "float32", "float64"):
        return values
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if values.dtype.kind in "SU":
        text = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
        cells = text.astype(object)
        return cells if null is None else _spread(cells[~null], ~null, np.full(len(values), None))
    if values.dtype.kind != "O":
        raise DataError(f"columns of dtype {values.dtype} cannot be modelled: expected numbers, bools or text")
    return _from_objects(values, null)


def _from_objects(values: np.ndarray, null: np.ndarray | None) -> np.ndarray:
    if null is None:
        null = np.array([v is None or v is np.ma.masked or (isinstance(v, float) and v != v) for v in values], bool)
    known = values[~null].tolist()
    each = list({type(v): v for v in known}.values())  # a cell of each type: what follows hangs on types alone
    foreign = next((v for v in each if _is_foreign(v)), None)
    if foreign is not None:
        raise DataError(f"a column holds {type(foreign).__name__} in its cells: expected one number or text in each")
    if set(map(type, each)) == {str}:
        return _as_text(known, null)
    known = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in known]
    if (dates := _dates(known)) is not None:
        return _spread(dates, ~null, np.full(len(values), np.datetime64("NaT"), dates.dtype))
    if known and all(isinstance(v, Decimal | Fraction) for v in known):
        known = [_as_number(v) for v in known]
    if any(isinstance(v, str) for v in known) and all(np.isscalar(v) for v in known):
        return _as_text(known, null)  # numpy's own texts would all take as much memory as the longest
    try:
        plain = np.array(known)
    except ValueError:  # lists of different lengths
        plain = np.empty((0, 0))
    if plain.ndim != 1:
        raise DataError("a column holds lists or arrays in its cells: expected one number or text in each")
    # numpy makes floats of whole numbers that no integer type holds, and texts of numbers beside texts
    whole = any(isinstance(v, int) and abs(v) > _WHOLE for v in known)
    if plain.dtype.kind in "iufbM" and not null.any() and not (whole and plain.dtype.kind == "f"):
        return plain
    if plain.dtype.kind == "M":
        return _spread(plain, ~null, np.full(len(values), np.datetime64("NaT"), plain.dtype))
    if plain.dtype.kind in "iuf" and not whole:
        return _spread(plain, ~null, np.full(len(values), np.nan))
    if plain.dtype.kind == "b":
        return _spread(plain.astype(object), ~null, np.full(len(values), None))
    return _as_text(known, null)


def _as_text(known: Sequence[object], null: np.ndarray) -> np.ndarray:
    """Cells as text (N,), None where ``null``."""
    return _spread(np.array([str(v) for v in known], dtype=object), ~null, np.full(len(null), None))


def _as_number(value: Any) -> float:  # noqa: ANN401  (Decimal or Fraction)
    """A float, or a whole number where that is exact and a float is not."""
    rounded = float(value)
    whole = math.isfinite(rounded) and abs(rounded) > _WHOLE and math.floor(value) == value
    return math.floor(value) if whole else rounded


def _is_foreign(value: object) -> bool:
    """Whether a cell is neither a number nor text, nor prints as anything that could be a label."""
    kind = type(value)
    return (
        isinstance(value, Mapping)
        or callable(value)
        or (kind.__str__, kind.__repr__) == (object.__str__, object.__repr__)
    )


def _dates(known: Sequence[object]) -> np.ndarray | None:
    """Dates and naive times; None for others, whose text says more."""
    if not known or not all(isinstance(v, date) for v in known):
        return None
    if not any(isinstance(v, datetime) for v in known):
        return np.array(known, dtype="datetime64[D]")
    plain = all(isinstance(v, datetime) and v.tzinfo is None for v in known)
    return np.array(known, dtype="datetime64[us]") if plain else None


def _with_gaps(values: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Numbers with NaN where masked, bools with None; as text whole numbers that float64 would merge."""
    known = values[~null]
    if values.dtype.kind == "b":
        return _spread(known.astype(object), ~null, np.full(len(values), None))
    if values.dtype.kind in "iu" and any(abs(int(v)) > _WHOLE for v in known):
        return _as_text(known.tolist(), null)
    dtype = values.dtype if values.dtype.name in ("float16", "float32", "float64") else np.dtype(np.float64)
    return _spread(known.astype(dtype), ~null, np.full(len(values), np.nan, dtype))


def _spread(some: np.ndarray, where: np.ndarray, into: np.ndarray) -> np.ndarray:
    into[where] = some
    return into
