"""How a table is read, as a text: each column's kind, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fluvial.data.columns import dtype_of
from fluvial.data.infer import Examined, examine, has_gaps_or_labels, is_discrete
from fluvial.data.look import ColumnKind, most_common
from fluvial.data.sentinels import Missing, marked
from fluvial.data.tables import Table, is_missing, read
from fluvial.data.words import counted

_MOST = 60  # columns listed
_WIDE = 28  # characters of a name or of examples


@dataclass(frozen=True)
class Entry:
    """One column of a table.

    Args:
        kind: one of the kinds that ``kinds`` takes, or "" where nothing can be made of the column.
        why: what made it so, a clause.
        examples: its most frequent values, as text.
        missing: how many cells are.
        dtype: numpy's name, "str" for text.
    """

    name: str
    kind: str
    why: str
    examples: tuple[str, ...]
    missing: int
    dtype: str


@dataclass(frozen=True)
class Listing:
    """How a table is read; its text is a list of the columns.

    Args:
        table: the columns' values, as they were read.
        columns: one entry each.
        notes: sentences about what was guessed.
        problems: sentences about what has to be mended before a fit; empty where nothing has.
    """

    table: Table
    columns: tuple[Entry, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        rows = [("column", "kind", "dtype", "missing", "examples", "why")]
        for c in self.columns[:_MOST]:
            shown = _short(", ".join(c.examples))
            rows.append((_short(c.name), c.kind or "?", c.dtype, f"{c.missing:,}" if c.missing else "-", shown, c.why))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
        lines = [f"How I read your table: {counted(len(self.table), 'row')}, {counted(len(self.columns), 'column')}"]
        lines += ["  " + "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths)), row[-1]]) for row in rows]
        if len(self.columns) > _MOST:
            lines.append(f"  and {len(self.columns) - _MOST:,} more columns")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, *(f"to mend: {problem}" for problem in self.problems)])


def read_table(
    source: object,
    *,
    context: str | Sequence[str] = (),
    kinds: Mapping[str, ColumnKind] | None = None,
    drop: str | Sequence[str] = (),
    missing: Missing | None = None,
) -> Listing:
    """How :func:`fluvial.fit` would read a table: print it to see each column's kind, and why.

    Args:
        source: anything that ``fit`` takes for a table.
        context, kinds, drop, missing: as of ``fit``.

    Raises:
        DataError: the source is not a table. UsageError: there is no such column.

    >>> print(read_table({"size": [1.5, 2.5] * 6, "id": ["007", "123"] * 6}, context="id"))
    How I read your table: 12 rows, 2 columns
      column  kind         dtype    missing  examples  why
      size    positive     float64  -        1.5, 2.5  its dtype is float64
      id      categorical  str      -        007, 123  its dtype is object
    """
    table = marked(read(source).without(names_of(drop)), missing).without_empty_rows()
    return listing(table, names_of(context), kinds)


def listing(table: Table, context: Sequence[str] = (), kinds: Mapping[str, ColumnKind] | None = None) -> Listing:
    """As :func:`read_table`, of a table that has been read."""
    cells = has_gaps_or_labels(table, context, kinds)
    found = examine(table, context, kinds, is_discrete(table, context, kinds), not cells, cells)
    entries = tuple(_entry(table, name, found) for name in table.names)
    return Listing(table, entries, (*table.notes, *found.notes), found.problems)


def names_of(names: str | int | Sequence[str | int]) -> list[str]:
    """One name, or several, as text; pandas' columns may be called by numbers.

    >>> names_of("Sex"), names_of(["a", 1])
    (['Sex'], ['a', '1'])
    """
    return [str(name) for name in ([names] if isinstance(names, str | int) else names)]


def _entry(table: Table, name: str, found: Examined) -> Entry:
    look, values = found.looks[name], table.columns[name]
    gaps = is_missing(values) if look.numbers is None else np.isnan(look.numbers)
    kind = look.column.kind if look.column is not None else "time" if look.why.startswith("dates or times") else ""
    return Entry(name, kind, look.why, tuple(most_common(values)), int(gaps.sum()), dtype_of(values))


def _short(text: str) -> str:
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
