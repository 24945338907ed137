"""What is known of columns, as people say it: values, ranges and sets, as limits of those that are modelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.data.checks import FOREIGN, off_grid, read_columns
from fluvial.data.columns import Column
from fluvial.data.derived import Derived
from fluvial.data.schema import Schema
from fluvial.data.steps import on_grid
from fluvial.data.tables import read
from fluvial.data.words import listed, nearest
from fluvial.kinds.tables.comparisons import Limits

_ROUNDING = 1e-12  # of a value that is reckoned from another
Condition = object
"""What is known of a column: a value; (low, high), ends included, None for no end; or a set or list of values."""


def without_known(schema: Schema, limits: Mapping[int, Limits], known: Mapping[int, float]) -> dict[int, Limits]:
    """The limits of columns whose values are not known.

    Raises:
        DataError: a known value is outside of its limits.
    """
    for i in set(limits) & set(known):
        if not _agree(limits[i], known[i]):
            raise DataError(f"column {schema.names[i]!r}: what is given of it, or of what follows from it, contradicts")
    return {i: each for i, each in limits.items() if i not in known}


def _agree(limits: Limits, value: float) -> bool:
    """Whether a value keeps to limits, which, reckoned from what follows from it, may be off in the last digits."""
    if limits.hold(value):
        return True
    return limits.among is not None and any(abs(v - value) <= _ROUNDING * abs(v) for v in limits.among)


def possible(schema: Schema, name: str, value: float) -> float:
    """A value that its column can have, NaN for a missing one; else a UsageError."""
    column = column_of(schema, name)
    if np.isinf(value):
        raise UsageError(f"column {name!r}: expected a finite number, got {value}; a range without end is (0, None)")
    if off_grid(column, np.array([value])):
        if column.clock is not None:
            raise UsageError(f"column {name!r} holds dates or times {column.clock}, and what is given is between two")
        raise UsageError(f"column {name!r} holds multiples of {column.step:g}, and {value:g} is none")
    return value


def column_of(schema: Schema, name: str) -> Column:
    return next(c for c in schema.every if c.name == name)


def encode(schema: Schema, name: str, value: object) -> float:
    """The number that stands for a value of a column, NaN for None.

    Raises:
        UsageError: the column cannot have it.
    """
    column = column_of(schema, name)
    if value is None:
        return float("nan")
    if not isinstance(value, str | bool | int | float | date | time | np.generic):
        raise UsageError(f"column {name!r}: expected a number, a label or a date, got {value!r}")
    try:
        number = float(read_columns(read({name: [value]}), {column: name}, foreign=True)[name][0])
    except DataError as error:
        raise UsageError(str(error)) from None
    if column.categorical and number == FOREIGN:
        raise UsageError(f"column {name!r} has no label {value!r}; it has {listed(column.categories, most=12)}")
    if np.isnan(number):
        raise UsageError(f"column {name!r}: {value!r} is not one of its values")
    return number


def limits_of(schema: Schema, named: Mapping[str, Limits]) -> dict[int, Limits]:
    """Limits by the numbers of modelled columns; those of a column that follows another become the other's.

    Raises:
        UsageError: a column follows from several, of which its limits say nothing one by one.
    """
    found: dict[int, Limits] = {}
    derived = {d.column.name: d for d in schema.dropped}
    for name, limits in named.items():
        limits = _on_grid(column_of(schema, name), limits)
        while name in derived:
            if derived[name].terms:
                raise UsageError(
                    f"column {name!r} follows from {derived[name].stated()}: give {listed(derived[name].sources)}"
                )
            name, limits = derived[name].source, _of_source(derived[name], limits)
        if not name:
            continue  # a constant within its limits
        i = schema.names.index(name)
        limits = _on_grid(schema.columns[i], limits)
        found[i] = found[i].meet(limits) if i in found else limits
    return found


def follows_several(schema: Schema, name: str) -> bool:
    """Whether a column is computed from several others, so that its limits are none of a single one."""
    derived = next((d for d in schema.dropped if d.column.name == name), None)
    return derived is not None and (bool(derived.terms) or any(follows_several(schema, n) for n in derived.sources))


def _of_source(derived: Derived, limits: Limits) -> Limits:
    name = derived.column.name
    if not derived.source:
        if not limits.hold(float(derived.values(np.zeros(1))[0])):
            raise DataError(f"column {name!r} is always the same, and outside of what is given for it")
        return limits
    if derived.mapping:
        pairs = [[np.nan if v is None else v for v in pair] for pair in derived.mapping]
        values = [a for a, b in pairs if limits.hold(b)]
        return Limits(among=frozenset(values))
    if derived.rounded:
        limits = _unrounded(derived, limits)
    low, high = ((end - derived.offset) / derived.slope for end in (limits.low, limits.high))
    opened = limits.low_open, limits.high_open
    if derived.slope < 0:
        low, high, opened = high, low, opened[::-1]
    values = None if limits.among is None else ((value - derived.offset) / derived.slope for value in limits.among)
    return Limits(low, high, *opened, among=None if values is None else frozenset(values))


def _unrounded(derived: Derived, limits: Limits) -> Limits:
    """What rounds to values within the limits; half a step more at ends that are included, and less at others."""
    half, low, high = (derived.column.step or 0.0) / 2, limits.low, limits.high
    if limits.among is not None:
        if len(limits.among) > 1:
            raise UsageError(
                f"column {derived.column.name!r} follows from {derived.source!r} by rounding: give one value or a "
                f"range of it, or give {derived.source!r}"
            )
        if any(value != value for value in limits.among):
            return limits
        low, high = max(low, *limits.among), min(high, *limits.among)
    low, high = low + (half if limits.low_open else -half), high + (-half if limits.high_open else half)
    return Limits(low, high)


def _on_grid(column: Column, limits: Limits) -> Limits:
    """Limits whose values are exactly those of the column's grid; nothing lies between them."""
    if column.step is None or limits.among is None:
        return limits
    values = np.array([value for value in limits.among if np.isnan(value) or not off_grid(column, np.array([value]))])
    return replace(limits, among=frozenset(on_grid(values, column.step).tolist()))


def limits_in(schema: Schema, name: str, condition: Condition) -> Limits:
    if isinstance(condition, tuple):
        if len(condition) != 2:
            raise UsageError(f"{name}: a range is (low, high), got {condition!r}; for several values give a list")
        if column_of(schema, name).kind == "categorical":
            raise UsageError(f"column {name!r} holds labels, which have no order: give a list of them, not a range")
        low = -np.inf if condition[0] is None else encode(schema, name, condition[0])
        high = np.inf if condition[1] is None else encode(schema, name, condition[1])
        if low > high:
            raise UsageError(f"{name}: the range {condition!r} is the wrong way round")
        return Limits(low, high)
    values = list(condition) if is_several(condition) else [condition]  # pyright: ignore
    if not values:
        raise UsageError(f"{name}: an empty set leaves nothing")
    return Limits(among=frozenset(encode(schema, name, value) for value in values))


def is_several(condition: Condition) -> bool:
    return isinstance(condition, list | set | frozenset)


def checked(schema: Schema, name: str) -> str:
    known = askable(schema)
    if name in known:
        return name
    if name in schema.order:
        raise UsageError(f"column {name!r} is the model's context: say it with --context (context={{{name!r}: ...}})")
    name = str(name)
    raise UsageError(f"there is no column {name!r}{nearest(name, known)} (columns: {listed(known)})")


def askable(schema: Schema) -> tuple[str, ...]:
    """The names of the columns that there are questions about: all but the context."""
    context = {c.name for c in schema.context}
    return tuple(name for name in schema.order if name not in context)
