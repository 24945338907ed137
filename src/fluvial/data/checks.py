"""What a table's columns must fulfil before they become numbers, and the sentences where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.columns import Column, from_numbers, to_codes, to_counts, to_numbers
from fluvial.data.sentinels import blanked
from fluvial.data.steps import on_grid
from fluvial.data.tables import Table, is_missing
from fluvial.data.times import is_date, name_of
from fluvial.data.words import counted, flag, listed

FOREIGN = -1.0
"""The code of a label that no row of the fit had."""
_LEAVE_OUT = "leave these rows out, as fit and score do with --drop-missing (drop_missing=True in Python)"


def read_columns(table: Table, found: Mapping[Column, str], foreign: bool = False) -> dict[str, np.ndarray]:
    """The columns' values (N,) as float64, NaN where missing; ``found`` are their names in the table.

    Args:
        foreign: labels that the fit never saw get the code :data:`FOREIGN`; they are else an error.

    Raises:
        DataError: one message about all columns that do not fit.
    """
    numbers: dict[str, np.ndarray] = {}
    problems: list[str] = []
    for column, name in found.items():
        try:
            numbers[column.name] = _read_column(column, table, name, FOREIGN if foreign else None)
        except DataError as error:
            problems.append(str(error))
    if problems:
        stated = problems if len(problems) == 1 else [f"{len(problems)} columns do not fit:", *problems]
        raise DataError("\n  - ".join(stated))
    return numbers


def _read_column(column: Column, table: Table, name: str, foreign: float | None) -> np.ndarray:
    if (problem := table.reading(name).problem) and is_missing(table.columns[name]).all():  # of cells such as lists
        raise DataError(f"column {column.name!r} {problem}")
    if column.categorical:
        textual = isinstance(column.categories[0], str)
        return to_codes(column, table.labels(name, column.categories) if textual else table.columns[name], foreign)
    values = table.columns[name]
    if column.clock is not None:
        return to_counts(column, column.clock, values)
    if is_date(values):
        raise DataError(f"column {column.name!r} holds dates or times, and the model was fitted to numbers there")
    (_, unit), (_, fitted) = table.reading(name).affix, column.affix
    if unit.strip() != fitted.strip() and unit and fitted:
        raise DataError(
            f"column {column.name!r} is in {unit.strip()!r}, and the model was fitted to numbers in {fitted.strip()!r}"
        )
    return column.wrapped(blanked(to_numbers(column.name, values), column.missing))


def complete_rows(numbers: Mapping[str, np.ndarray], drop_missing: bool, warnings: list[str]) -> np.ndarray:
    """Indices of the rows in which every column is finite; DataError unless these are all or may be dropped."""
    n = len(next(iter(numbers.values())))
    bad = np.zeros(n, dtype=bool)
    counts: list[str] = []
    for name, values in numbers.items():
        finite = np.isfinite(values)
        if not finite.all():
            missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
            bad |= ~finite
            parts = [f"{missing} missing"] * bool(missing) + [f"{infinite} infinite"] * bool(infinite)
            counts.append(f"{name!r} {' and '.join(parts)}")
    if not counts:
        return np.arange(n)
    more = f" and {len(counts) - 6} more columns" if len(counts) > 6 else ""
    listed = f"{', '.join(counts[:6])}{more}"
    if bad.all():
        raise DataError(f"every row misses values or holds infinite ones, so none is left (by column: {listed})")
    if not drop_missing:
        raise DataError(
            f"{counted(int(bad.sum()), 'row')} of {n:,} miss values or hold infinite ones (by column: {listed}); "
            f"fill them in, or {_LEAVE_OUT}"
        )
    warnings.append(f"{counted(int(bad.sum()), 'row')} of {n:,} left out for missing or infinite values ({listed})")
    return np.flatnonzero(~bad)


def about_infinite(numbers: Mapping[str, np.ndarray]) -> str:
    """A sentence about infinite numbers, empty if there are none."""
    counts = [f"{name!r} {n:,}" for name, values in numbers.items() if (n := int(np.isinf(values).sum()))]
    if not counts:
        return ""
    return (
        f"infinite values (by column: {', '.join(counts[:6])}): correct them, clear the cells (then missing), "
        f"or {_LEAVE_OUT}"
    )


def foreign_labels(column: Column, values: np.ndarray, others: bool = False) -> list[str]:
    """A sentence about labels (N,) that the fit never saw, none where there are none; ``others`` have a probability."""
    count = int((values == FOREIGN).sum()) if column.categorical else 0
    if not count:
        return []
    told = "scored by what was set aside for any such label" if others else "log-density -inf"
    return [f"column {column.name!r} has {counted(count, 'label')} that the fit never saw: {told}"]


def refuse_dates(names: Sequence[str]) -> DataError:
    """What to raise for columns of dates."""
    return DataError(
        f"dates and times are modelled by mixed alone: {listed(names)}; choose --model mixed (model='mixed'), make "
        "them context (--context), leave them out (--drop), or turn them into numbers (days since the first, hour of "
        "the day)"
    )


def refuse_categorical(names: Sequence[str]) -> DataError:
    """What to raise for categorical columns that are not context."""
    return DataError(
        f"categorical columns have no density in this model: {listed(names)}; choose one of tables as they are, such "
        f"as mixed or vae_iaf, make them context with {flag('context', ','.join(names))} (context={list(names)!r} in "
        "Python), leave them out with --drop (drop=), or, where every column is categorical or whole, choose a model "
        "of probabilities such as made"
    )


def out_of_place(column: Column, values: np.ndarray, impossible: np.ndarray) -> list[str]:
    """Sentences about values (N,) off a column's grid, or beyond its bounds; those rows become ``impossible``."""
    sentences = [off_grid(column, values)]
    grid = values if column.step is None else on_grid(values, column.step)
    for bound, beyond, word in (
        (column.lower, grid < (-np.inf if column.lower is None else column.lower), "below"),
        (column.upper, grid > (np.inf if column.upper is None else column.upper), "above"),
    ):
        if beyond.any():
            impossible |= beyond
            sentences.append(
                f"column {column.name!r} has {counted(int(beyond.sum()), 'value')} {word} {bound:g}, which the model "
                f"holds impossible: log-density -inf. If there can be such values, fit again with "
                f"{flag('kind', f'{column.name}=real')}"
            )
    return [sentence for sentence in sentences if sentence]


def unseen(column: Column, values: np.ndarray) -> str:
    """A sentence about context (N,) outside the range that the fit saw, empty if there is none."""
    if column.seen is None:
        return ""
    low, high = column.seen
    outside = values[(values < low) | (values > high)]
    if not len(outside):
        return ""
    least, most, first = (_shown(column, each) for each in (low, high, outside[0]))
    return (
        f"context {column.name!r} is outside {least} to {most}, the range that the fit saw, in "
        f"{counted(len(outside), 'row')} (the first {first}): what the model says there is a guess"
    )


def _shown(column: Column, value: float) -> str:
    return f"{value:g}" if column.clock is None else str(from_numbers(column, np.array([value]))[0])


def fractions(column: Column, values: np.ndarray) -> str:
    """A sentence about numbers (N,) between the whole ones that a column holds, empty if there are none."""
    whole = column.kind == "integer" or (
        column.clock is None and column.dtype not in ("str", "bool") and np.dtype(column.dtype).kind in "iu"
    )
    between = values[values != np.rint(values)] if whole and not column.categorical else values[:0]
    if not len(between):
        return ""
    low, high = np.floor(between[0]), np.ceil(between[0])
    return f"context {column.name!r} holds whole numbers, got {between[0]:g}: give {low:g} or {high:g}"


def off_grid(column: Column, values: np.ndarray) -> str:
    """A warning about values (N,) between a column's steps, empty if there are none."""
    if column.step is None:
        return ""
    off = np.abs(values / column.step - np.rint(values / column.step)) > 0.02  # more than rounding
    if not off.any():
        return ""
    if column.clock is not None:
        return (
            f"column {column.name!r} has {counted(int(off.sum()), 'time')} finer than its "
            f"{name_of(column.clock.step)}: they are taken for the nearest one of its own"
        )
    return (
        f"column {column.name!r} has {counted(int(off.sum()), 'value')} off its grid of {column.step:g}, the first "
        f"{values[off][0]:g}: they are taken for the nearest on it"
    )
