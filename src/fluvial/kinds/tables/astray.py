"""Cells that a table cannot have: out of bounds, or against what they always followed."""

from __future__ import annotations

import numpy as np

from fluvial.data.checks import read_columns
from fluvial.data.columns import Column
from fluvial.data.derived import Derived
from fluvial.data.schema import Schema
from fluvial.data.steps import on_grid
from fluvial.data.tables import Table
from fluvial.kinds.tables.reasons import Reason, shown


def astray(schema: Schema, table: Table, rows: np.ndarray) -> dict[int, Reason]:
    """What such cells are, by the numbers of the rows (M,) of a table that have one."""
    found: dict[int, Reason] = {}
    if not len(rows):
        return found
    part = Table({name: values[rows] for name, values in table.columns.items()}, table.kind, table.header)
    names = schema.find(part, list(schema.order))
    numbers = read_columns(part, {c: names[c.name] for c in schema.every}, foreign=True)
    for column in schema.columns:
        values = numbers[column.name]
        for r in np.flatnonzero(_beyond(column, values)):
            found.setdefault(int(rows[r]), Reason(column.name, _bound(column, float(values[r]))))
    for derived in schema.dropped:
        values = numbers[derived.column.name]
        source = derived.combined(numbers, len(rows))
        expected = derived.values(source)
        for r in np.flatnonzero(derived.contradicted(values, source)):
            told = _contradiction(derived, float(values[r]), float(expected[r]))
            found.setdefault(int(rows[r]), Reason(derived.column.name, told))
    return found


def _beyond(column: Column, values: np.ndarray) -> np.ndarray:
    """Which values (N,) are out of a column's bounds."""
    grid = values if column.step is None else on_grid(values, column.step)
    low, high = (-np.inf if column.lower is None else column.lower), (np.inf if column.upper is None else column.upper)
    return (grid < low) | (grid > high)


def _bound(column: Column, value: float) -> str:
    below = column.lower is not None and value < column.lower
    side, bound = ("below", column.lower) if below else ("above", column.upper)
    end = "least" if below else "most"
    return f"{column.name} {shown(column, value)} is {side} {bound:g}, the {end} there can be"


def _contradiction(derived: Derived, value: float, expected: float) -> str:
    column = derived.column
    cell = "missing" if np.isnan(value) else _cell(column, value)
    several = f"what {derived.stated()} comes to" if derived.terms else f"what {derived.source} says"
    rule = several if derived.sources else "what it always is"
    if np.isinf(expected):
        return f"{column.name} is {cell}, and {derived.source} has a value that the fit never saw"
    return f"{column.name} is {cell}, against {rule} ({'missing' if np.isnan(expected) else _cell(column, expected)})"


def _cell(column: Column, value: float) -> str:
    return "a label that the fit never saw" if column.categorical and value < 0 else shown(column, value)
