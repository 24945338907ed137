"""Tables larger than memory: Parquet files, read in their order, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fluvial.data.arrow import VALUE, arrow, as_table, repeating_texts
from fluvial.data.limits import check_regular, check_size, decoding
from fluvial.data.tables import Table

_BUFFER = 1 << 20  # bytes of a column's pages that are read at once


@dataclass(frozen=True)
class Copied:
    """What Parquet files are a copy of.

    Args:
        sources: the files that were copied.
        folder: of the copy, which is removed with this.
        stated: what is known of the table besides its columns, of which it has none.
        known: the columns' types, where not each file says its own.
    """

    sources: tuple[Path, ...]
    folder: TemporaryDirectory[str]
    stated: Table
    known: Any = None

    def table(self, rows: Table, first: int) -> Table:
        """Rows of the copy, from number ``first`` on, as they are in the table that was copied; its notes come once."""
        stated = self.stated
        readings = {**rows.readings, **stated.readings}
        notes = (*rows.notes, *(stated.notes if first == 0 else ()))
        return replace(rows, kind=stated.kind, header=stated.header, readings=readings, notes=notes)


@dataclass(frozen=True)
class ParquetFiles:
    """One table in one file or several, one below the other.

    Args:
        paths: of the files, in the order of their rows.
        counts: rows of each.
        size: bytes that all of them fill in memory, about.
        copied: what they are a copy of, if they are.
    """

    paths: tuple[Path, ...]
    counts: tuple[int, ...]
    size: int = 0
    copied: Copied | None = None

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def marks(self) -> list[list[Any]]:
        """What tells these files from others and from earlier ones: path, bytes and time of change, as JSON."""
        found = [(path, path.stat()) for path in (self.copied.sources if self.copied else self.paths)]
        return [[str(path.resolve()), known.st_size, known.st_mtime_ns] for path, known in found]

    def tables(self, rows: int, start: int = 0) -> Iterator[tuple[int, Table]]:
        """From row ``start`` on, at most so many rows at a time, and the number of the first of each.

        Raises:
            DataError: a file is damaged, or a part of it fills more than the limit.
        """
        first = 0
        for path, count in zip(self.paths, self.counts):
            if start < first + count:
                for at, known, part in _joined(_parts(path, rows, max(0, start - first)), rows):
                    yield first + at, self.table(path, known, part, first + at)
            first += count

    def table(self, path: Path, known: Any, part: Any, first: int) -> Table:  # noqa: ANN401  (Arrow's own types)
        """Rows of Arrow, from number ``first`` on, as a table; ``known`` is the schema of their file."""
        if self.copied is None:
            return as_table(path, "parquet", known, part)
        if self.copied.known is not None:
            known = self.copied.known
            part = part.cast(known, safe=False)  # large whole numbers beside others are rounded, as in text
        return self.copied.table(as_table(path, "parquet", known, part), first)

    def parts(self, path: Path, rows: int) -> Iterator[tuple[Any, Any]]:
        """The schema of one of the files and its rows of Arrow, at most so many at a time."""
        for _, known, part in _parts(path, rows, 0):
            types = known if self.copied is None or self.copied.known is None else self.copied.known
            yield types, part.cast(types, safe=False) if types is not known else part

    @property
    def groups(self) -> list[Group]:
        """The row groups of all files, in the order of their rows."""
        found, first = list[Group](), 0
        for path in self.paths:
            with decoding(path, "a whole parquet file"), arrow("pyarrow.parquet").ParquetFile(path) as file:
                for number in range(file.num_row_groups):
                    found.append(Group(self, path, number, first, file.metadata.row_group(number).num_rows))
                    first += found[-1].rows
        return found


@dataclass(frozen=True)
class Group:
    """A row group, which can be read without those before it.

    Args:
        number: in its file.
        first: number of its first row among those of all files.
    """

    files: ParquetFiles
    path: Path
    number: int
    first: int
    rows: int

    def tables(self, rows: int) -> Iterator[tuple[int, Callable[[], Table]]]:
        """At most so many rows at a time: the number of the first one, and how to get them as a table.

        Raises:
            DataError: the file is damaged, or a column of it fills more than the limit.
        """
        first = self.first
        for _, known, part in _parts(self.path, rows, 0, self.number):
            yield first, partial(self.files.table, self.path, known, part, first)
            first += len(part)


def parquet_files(paths: Sequence[Path]) -> ParquetFiles:
    """Parquet files as one table.

    Raises:
        DataError: one cannot be read.
    """
    found = [_count(path) for path in paths]
    return ParquetFiles(tuple(paths), tuple(rows for rows, _ in found), sum(size for _, size in found))


def _count(path: Path) -> tuple[int, int]:
    """Rows, and bytes in memory."""
    check_regular(path)
    with decoding(path, "a whole parquet file"), arrow("pyarrow.parquet").ParquetFile(path) as file:
        known = file.metadata
        size = sum(known.row_group(i).total_byte_size for i in range(known.num_row_groups))
        return known.num_rows, max(size, known.num_rows * known.num_columns * VALUE)


def _parts(path: Path, rows: int, start: int, group: int | None = None) -> Iterator[tuple[int, Any, Any]]:
    """One file from row ``start`` on, or one row group: number of the first row, the file's schema, rows of Arrow.

    Whole row groups before ``start`` are not read.
    """
    parquet = arrow("pyarrow.parquet")
    with decoding(path, "a whole parquet file"):
        with parquet.ParquetFile(path) as file:
            known = file.schema_arrow
            texts = repeating_texts(file.metadata, known)
        with parquet.ParquetFile(path, read_dictionary=texts, buffer_size=_BUFFER, pre_buffer=False) as file:
            groups, first = _groups_from(path, file.metadata, start, group)
            for batch in file.iter_batches(rows, row_groups=groups):
                skipped = min(max(0, start - first), len(batch))
                if skipped < len(batch):
                    part = arrow("pyarrow").Table.from_batches([batch.slice(skipped)])
                    yield first + skipped, known, part
                first += len(batch)


def _joined(parts: Iterator[tuple[int, Any, Any]], rows: int) -> Iterator[tuple[int, Any, Any]]:
    """The same rows in parts as large as they may be: small row groups are no reason for small parts."""
    concat, first, known, waiting = arrow("pyarrow").concat_tables, 0, None, list[Any]()
    for at, known, part in parts:
        if waiting and sum(map(len, waiting)) + len(part) > rows:
            yield first, known, concat(waiting)
            waiting = []
        first = first if waiting else at
        waiting.append(part)
    if waiting:
        yield first, known, concat(waiting)


def _groups_from(path: Path, metadata: Any, start: int, only: int | None) -> tuple[list[int], int]:  # noqa: ANN401
    """The row groups from the one with row ``start`` on, or one alone, and the number of their first row."""
    groups, first = list(range(metadata.num_row_groups)) if only is None else [only], 0
    while groups and first + metadata.row_group(groups[0]).num_rows <= start:
        first += metadata.row_group(groups.pop(0)).num_rows
    for i in groups:
        chunks = [metadata.row_group(i).column(j) for j in range(metadata.num_columns)]
        check_size(path, max((chunk.total_uncompressed_size for chunk in chunks), default=0))
    return groups, first
