"""Text and Arrow files larger than memory: copied once to Parquet, a few rows at a time, and read from there.

A file of text does not say where its rows begin nor what its columns hold, and is slow to read; a copy can be read from
any row on, as often as a fit asks. What the first rows show of a column holds for all others.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, RunError
from fluvial.core.files import reason
from fluvial.data.arrow import arrow, batches
from fluvial.data.delimited import Heading, Rows, decoded, headed, opened, typed
from fluvial.data.forms import as_frame
from fluvial.data.header import is_empty
from fluvial.data.limits import decoding
from fluvial.data.packed import unpacked
from fluvial.data.parquet import Copied, ParquetFiles, parquet_files
from fluvial.data.schema import Schema
from fluvial.data.tables import Table
from fluvial.data.tokens import Cells, is_open, read_as_text, read_cells, read_on
from fluvial.data.words import listed
from fluvial.terminal import Pace, note


@dataclass(frozen=True)
class Expected:
    """What is known of the columns of text before it is read.

    Args:
        texts: columns that hold text, whatever their cells look like, each with the words for missing that are labels.
        used: the columns that are asked for, of a file that names its own; others stay text. None: all.
    """

    texts: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    used: Collection[str] | None = None

    @classmethod
    def by(cls, schema: Schema, every: bool) -> Expected:
        """What a schema expects; ``every``: columns that it does not have are asked for as well."""
        labels = (c for c in schema.every if c.dtype == "str" and (c.categorical or c.clock))
        texts = {c.name: [*map(str, c.categories)] for c in labels}
        return cls(texts, None if every else schema.order)

    def as_text(self, name: str, named: bool) -> Collection[str] | None:
        """The words for missing that are labels in a column of text; None where its cells tell what it holds."""
        unused = named and self.used is not None and name not in self.used
        return self.texts.get(name, () if unused else None)


def copied_text(paths: Sequence[Path], expected: Expected) -> ParquetFiles:
    """A copy of files of text, one below the other, each cell read as it would be in one piece.

    Raises:
        DataError: a file is damaged, has other columns than the first one, or a cell that does not go with those above
            it. RunError: the disk refuses.
    """
    copy, columns = _Copy(paths), _Columns(expected)
    for path in paths:
        with unpacked(path, whole=False) as (name, raw):
            columns.tables.append(decoded(name, raw, _Reader(name, copy, columns, len(copy.paths))))
    known = arrow("pyarrow").unify_schemas(copy.schemas, promote_options="permissive")
    first = columns.tables[0]
    shown = {
        name: replace(first.reading(name), why=cells.why, affix=cells.affix) for name, cells in columns.first.items()
    }
    notes = tuple(dict.fromkeys(chain.from_iterable(table.notes for table in columns.tables)))
    stated = replace(first, columns={}, readings={**first.readings, **shown}, notes=notes)
    return copy.files(Copied(tuple(paths), copy.folder, stated, known))


def copied_arrow(paths: Sequence[Path]) -> ParquetFiles:
    """A copy of Feather and Arrow files, one below the other.

    Raises: as of :func:`copied_text`.
    """
    copy = _Copy(paths)
    for path in paths:
        for rows in batches(path):
            with decoding(path, "a feather file whose columns Parquet can hold"):
                copy.add(rows)
    return copy.files(Copied(tuple(paths), copy.folder, Table({}, "feather")))


class _Copy:
    """Parquet files in a folder of their own, one for rows of the same types that follow each other."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="fluvial-", ignore_cleanup_errors=True)
        self.paths, self.schemas, self._writer = list[Path](), list[Any](), None
        self.pace = Pace(None, "rows copied")
        size, free = sum(path.stat().st_size for path in sources), shutil.disk_usage(self.folder.name).free
        note(
            f"{sources[0].name if len(sources) == 1 else f'{len(sources)} files'}, {size >> 20:,} MiB, are copied to "
            f"Parquet in {self.folder.name}, with {free >> 20:,} MiB free; the copy is removed at the end, and the "
            "variable TMPDIR names another place for it"
        )

    def add(self, rows: Any) -> None:  # noqa: ANN401  (rows of Arrow)
        try:
            if self._writer is None or rows.schema != self.schemas[-1]:
                self._close()
                self.paths.append(Path(self.folder.name, f"{len(self.paths):06d}.parquet"))
                self.schemas.append(rows.schema)
                self._writer = arrow("pyarrow.parquet").ParquetWriter(self.paths[-1], rows.schema)
            self._writer.write_table(rows)
        except OSError as error:
            raise RunError(f"the copy in {self.folder.name} could not be written: {reason(error)}") from None
        self.pace.add(len(rows))

    def back_to(self, count: int) -> None:
        """As if only so many files had been begun."""
        self._close()
        for path in self.paths[count:]:
            path.unlink()
        del self.paths[count:], self.schemas[count:]

    def files(self, copied: Copied) -> ParquetFiles:
        self._close()
        if not self.paths:
            raise DataError(f"the table is empty: there are no rows in {listed(map(str, copied.sources))}")
        return replace(parquet_files(self.paths), copied=copied)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@dataclass
class _Columns:
    """What the columns of text have shown so far.

    Args:
        first: the first part of each that is not empty, whose rule all others follow.
        tables: the first rows of each file.
    """

    expected: Expected
    first: dict[str, Cells] = field(default_factory=dict[str, Cells])
    tables: list[Table] = field(default_factory=list[Table])

    def read(self, name: str, text: str, heading: Heading) -> Cells | None:
        """A further part of a column; None where a cell does not go with those above it."""
        first, words = self.first.get(name), self.expected.as_text(name, heading.named)
        if words is not None:
            cells = read_as_text(text, words)
        else:
            cells = read_cells(text, heading.style) if first is None else read_on(text, first, heading.style)
        if cells is not None and (first is None or (is_open(first) and not is_open(cells))):
            self.first[name] = cells
        return cells


@dataclass
class _Reader:
    """One file of text -> rows of Arrow."""

    path: Path
    copy: _Copy
    columns: _Columns
    count: int

    def __call__(self, file: io.TextIOWrapper) -> Table:
        """Its first rows as a table, once all rows are copied."""
        self.copy.back_to(self.count)
        rows = opened(self.path, file)
        blocks = rows.blocks()
        first = next(blocks, [])
        rows.check()
        heading, texts = headed(rows, first)
        table, places = self._begun(rows, heading, texts)
        for texts in blocks:
            rows.check()
            self._add({name: self._cells(rows, name, texts[j], heading) for name, j in places.items()})
            if any(not is_empty(texts[j]) for j in range(1, len(texts)) if j not in places.values()):
                raise DataError(f"{self.path}: the last column has no name, and cells from line {rows.numbers[0]:,} on")
        return table.noting(*(note for note in rows.notes if note not in table.notes))

    def _begun(self, rows: Rows, heading: Heading, texts: list[str]) -> tuple[Table, dict[str, int]]:
        """The first rows, and where the columns that are kept stand, in the order of the first file."""
        named = dict(zip(heading.names, texts))
        known = {name: self._cells(rows, name, text, heading) for name, text in named.items() if name}
        table = typed(heading, texts, known)
        places = {name or f"x{j}": j for j, name in enumerate(heading.names)}
        places = {name: places[name] for name in table.columns}
        if self.columns.tables:
            before = self.columns.tables[0]
            if set(before.names) != set(table.names) or before.header != table.header:
                other = sorted(set(before.names) ^ set(table.names))
                raise DataError(
                    f"{self.path} has other columns than the first file: {listed(other) or 'it names none'}"
                )
            places = {name: places[name] for name in before.names}
        self._add({name: known.get(name) or self._cells(rows, name, texts[j], heading) for name, j in places.items()})
        return table, places

    def _add(self, cells: dict[str, Cells]) -> None:
        columns = {
            name: np.full(len(each.values), None) if is_open(self.columns.first[name]) else each.values
            for name, each in cells.items()
        }
        self.copy.add(as_frame(columns, "pyarrow"))

    def _cells(self, rows: Rows, name: str, text: str, heading: Heading) -> Cells:
        """A part of a column; DataError, a sentence with the line, where a cell does not go with those above it."""
        cells = self.columns.read(name, text, heading)
        if cells is not None:
            return cells
        first, tokens = self.columns.first[name], text.split("\n")
        at, cell = self._stray(tokens, first, heading)
        lines = [rows.dialect.skipped + 1] * (len(tokens) - len(rows.numbers)) + rows.numbers
        raise DataError(
            f"{self.path}, line {lines[at]:,}: column {name!r} holds {cell!r}, and above it {first.why}. Correct or "
            "clear the cell; if the column holds labels, its kind is categorical"
        )

    def _stray(self, tokens: list[str], first: Cells, heading: Heading) -> tuple[int, str]:
        """The first cell that is against the rule; the first of all where only several together are."""
        found = (each for each in enumerate(tokens) if read_on(each[1], first, heading.style) is None)
        return next(found, (0, tokens[0]))
