"""What a table's columns must fulfil before they become numbers, and the sentences where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.columns import Column, is_date, to_codes, to_numbers
from fluvial.data.words import counted, listed


def read_column(column: Column, values: np.ndarray) -> np.ndarray:
    """Values (N,) of a table as float64, NaN where missing."""
    if is_date(values):
        raise refuse_dates([column.name])
    return to_codes(column, values) if column.categorical else to_numbers(column.name, values)


def complete_rows(numbers: Mapping[str, np.ndarray], drop_missing: bool, warnings: list[str]) -> np.ndarray:
    """Indices of the rows in which every column is finite; DataError unless these are all or may be dropped."""
    n = len(next(iter(numbers.values())))
    bad = np.zeros(n, dtype=bool)
    counts: list[str] = []
    for name, values in numbers.items():
        missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        if missing or infinite:
            bad |= ~np.isfinite(values)
            parts = [f"{missing} missing"] * bool(missing) + [f"{infinite} infinite"] * bool(infinite)
            counts.append(f"{name!r} {' and '.join(parts)}")
    if not counts:
        return np.arange(n)
    more = f" and {len(counts) - 6} more columns" if len(counts) > 6 else ""
    told = f"{', '.join(counts[:6])}{more}"
    if bad.all():
        raise DataError(f"every row misses values or holds infinite ones, so none is left (by column: {told})")
    if not drop_missing:
        raise DataError(
            f"{counted(int(bad.sum()), 'row')} of {n:,} miss values or hold infinite ones (by column: {told}); "
            "fill them in, or leave these rows out with --drop-missing (drop_missing=True in Python)"
        )
    warnings.append(f"{counted(int(bad.sum()), 'row')} of {n:,} left out for missing or infinite values ({told})")
    return np.flatnonzero(~bad)


def refuse_dates(names: Sequence[str]) -> DataError:
    """What to raise for columns of dates."""
    return DataError(
        f"dates and times cannot be modelled yet: {listed(names)}; leave them out, or turn them into numbers "
        "(days since the first, hour of the day)"
    )


def refuse_categorical(names: Sequence[str]) -> DataError:
    """What to raise for categorical columns that are not context."""
    return DataError(
        f"categorical columns have no density: {listed(names)}; make them context with --context {','.join(names)} "
        f"(context={list(names)!r} in Python), leave them out, or, where every column is categorical or whole, "
        "choose a model of probabilities such as made"
    )


def off_grid(column: Column, values: np.ndarray) -> str:
    """A warning about values (N,) between a column's steps, empty if there are none."""
    if column.step is None:
        return ""
    off = np.abs(values / column.step - np.rint(values / column.step)) > 0.02  # find_step's slack is half of that
    if not off.any():
        return ""
    return (
        f"column {column.name!r} has {counted(int(off.sum()), 'value')} off its grid of {column.step:g}: "
        "they are scored as the nearest value on it"
    )
