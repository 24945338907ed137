"""Whether the first line of a text file names its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluvial.data.marks import Style
from fluvial.data.tokens import MISSING, Cells, read_cells

_MANY = 10  # columns that are not counted through by chance
_ENOUGH = 5  # rows that show where a column's values lie


@dataclass(frozen=True)
class Head:
    """The first line's cells, and the columns below it (their first rows, each with its text)."""

    first: Sequence[str]
    below: Sequence[str]
    style: Style

    def columns(self) -> list[Cells]:
        return [read_cells(text, self.style) for text in self.below]


def is_header(head: Head) -> str:
    """Why the first line is a header, a clause; empty where it is a row.

    It is one where it holds text over numbers in some column; where all is text and the first line's cells occur only
    once; where its whole numbers count evenly (2019, 2020, ...) and every column below holds other values; and where it
    counts one by one through many columns, as no line below it does.
    """
    cells = [read_cells(cell, head.style) for cell in head.first]
    text = [c.values.dtype == object and c.values[0] is not None for c in cells]
    if not head.below:
        return "all its cells are text" if all(text) else ""
    below = head.columns()
    if any(is_text and _numeric(column) for is_text, column in zip(text, below)):
        return "it holds text over numbers"
    unlabelled = [cell.strip() == "" for cell in head.first]  # the name of an index
    distinct = len(set(head.first)) == len(head.first)
    if distinct and all(t or u for t, u in zip(text, unlabelled)) and any(text):
        new = all(cell not in set(column.split("\n")) for cell, column in zip(head.first, head.below))
        return "its cells occur only once" if new else ""
    numbers = [c.values[0] for c, t, u in zip(cells, text, unlabelled) if not t and not u]
    others = [column.values for column, t, u in zip(below, text, unlabelled) if not t and not u]
    if not distinct or not _counts(numbers):
        return ""
    if all(_differs(n, values) for n, values in zip(numbers, others)):
        return "its numbers count evenly, and the columns below hold others"
    if len(numbers) >= _MANY and not _counts([values[0] for values in others]):
        return "its numbers count evenly through many columns"
    return ""


def _numeric(column: Cells) -> bool:
    """Numbers or booleans, or numbers with slips among them, and not empty throughout."""
    values = column.values
    if values.dtype == object:
        return bool(column.problem)
    return values.dtype.kind != "f" or not np.isnan(values).all()


def _counts(numbers: Sequence[float]) -> bool:
    """Whether there are at least two whole numbers with equal steps between them, as years and running numbers have."""
    values = np.array(numbers, dtype=np.float64)
    if len(values) < 2 or not np.isfinite(values).all() or (values != np.rint(values)).any():
        return False
    steps = np.diff(values)
    return bool(steps[0] != 0 and (steps == steps[0]).all())


def _differs(name: float, values: np.ndarray) -> bool:
    """Whether a whole number could hardly stand in a column: its values have decimals, or lie elsewhere altogether."""
    if values.dtype.kind not in "if":
        return False
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return True
    if np.mean(known != np.rint(known)) > 0.5:
        return True
    span = known.max() - known.min()
    return len(known) >= _ENOUGH and not known.min() - span <= name <= known.max() + span


def fits_row_names(first: Sequence[str], below: Sequence[str], style: Style) -> bool:
    """Whether a first line that is one cell short names all columns but the first, as R writes row names."""
    index, *others = below
    cells, named = index.split("\n"), Head(first, others, style)
    if len(set(cells)) < len(cells) or any(column.problem for column in named.columns()):
        return False
    return bool(is_header(named))


def is_empty(text: str) -> bool:
    """Whether a column holds nothing."""
    return set(text.split("\n")) <= set(MISSING)
