"""CSV and its kin -> columns, with encoding, delimiter, header and the types of cells found out, and said."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data import limits
from fluvial.data.dialect import SAMPLE, Dialect, dialect_of, encoding_of, names_in
from fluvial.data.header import Head, fits_row_names, is_empty, is_header
from fluvial.data.marks import Style, style_of
from fluvial.data.tables import Reading, Table
from fluvial.data.tokens import MISSING, QUOTED, Cells, read_cells
from fluvial.data.words import counted, listed

_BLOCK = 1_000_000  # cells held as Python strings at a time
_CELL = 16  # bytes of a cell in memory, as text and as what it says
_HEAD = 2000  # rows that decide on the header and the decimal mark
_SHOWN = 3  # lines of a wrong length named
_EDGES = re.compile("^[ \t\u00a0]+|[ \t\u00a0]+$", re.M)
_WORDS = re.compile(rf'(?<![^\t;|, ])"({"|".join(re.escape(w) for w in MISSING if w.isalpha())})"(?=$|[\t;|, \r\n])')
_ENCODINGS = {
    "cp1252": "Windows-1252 (cp1252), since it is not UTF-8",
    "utf-8-sig": "UTF-8 with a byte order mark",
}


def read_delimited(path: Path, raw: BinaryIO, header: bool | None = None) -> Table:
    """The table in a text file: columns parted by commas, semicolons, tabs, pipes or blanks.

    See :mod:`fluvial.data.tokens` for what is a number, :mod:`fluvial.data.header` for what is a header.

    Args:
        path: for sentences about the file.
        raw: its bytes, to be read from the beginning.
        header: whether its first line names the columns; None: that is found out.

    Raises:
        DataError: the file is empty, not text, or has lines of different lengths.
    """
    return decoded(path, raw, lambda file: _table(opened(path, file), header))


def decoded(path: Path, raw: BinaryIO, read: Callable[[io.TextIOWrapper], Table]) -> Table:
    """What ``read`` makes of a file's text; it begins anew where the text turns out to be in another encoding."""
    found, reason = encoding_of(raw.read(SAMPLE)), ""
    for encoding in dict.fromkeys((found, "cp1252")):
        raw.seek(0)
        file = io.TextIOWrapper(raw, encoding=encoding, newline="")
        try:
            table = read(file)
        except UnicodeDecodeError as error:
            reason = reason or f"{error.reason} at byte {error.start}"
            continue
        except csv.Error as error:
            raise DataError(f"{path} cannot be read as a table of text: {error}") from None
        finally:
            file.detach()
        name = _ENCODINGS.get(encoding, encoding.upper())
        return table if encoding in ("utf-8", "utf-8-sig") else table.noting(f"the file is read as {name}")
    raise DataError(f"{path} is not text in UTF-8, UTF-16 or Windows-1252 ({reason})")


def opened(path: Path, file: io.TextIOWrapper) -> Rows:
    """The rows of a text file, laid out as its beginning shows."""
    sample = file.read(SAMPLE)
    try:
        dialect = dialect_of(sample, path.name.lower().split(".")[-1] in ("tsv", "tab"), len(sample) < SAMPLE)
    except DataError as error:
        raise DataError(f"{path} cannot be read as a table of text: {error}") from None
    file.seek(0)
    lines = _Lines(path, file, mark=dialect.quote == '"' and not _all_quoted(sample, dialect))
    lines.skip(dialect.skipped)
    cells = (row for row in dialect.cells(lines) if len(row) > 1 or (row and row[0].strip()))  # not the blank ones
    first, second = next(cells, None), next(cells, None)
    if first is None:
        raise DataError(f"{path} is empty: expected a table with at least one row")
    width = len(first) + (second is not None and len(second) == len(first) + 1)
    first = [cell.replace(QUOTED, "").strip() for cell in first]
    return Rows(path, dialect, lines, first, chain([second] if second else [], cells), width)


@dataclass
class _Lines:
    """The lines of a file, counted, with quoted words for missing marked."""

    path: Path
    file: io.TextIOWrapper
    mark: bool
    number: int = 0

    def __iter__(self) -> Iterator[str]:
        for line in limits.lines(self.path, self.file):
            self.number += 1
            yield _WORDS.sub(rf'"\1{QUOTED}"', line) if self.mark and '"' in line else line

    def skip(self, n: int) -> None:
        for _ in range(n):
            self.file.readline()
        self.number = n


@dataclass
class Rows:
    """The rows of a file below its first one, and what reading them meets.

    Args:
        first: cells of the first row, which may be a header.
        cells: those of all other rows.
        width: cells that a row has; ``wrong`` are lines that have others, ``comments`` those with remarks.
        numbers: the lines on which the rows of the last block end.
    """

    path: Path
    dialect: Dialect
    lines: _Lines
    first: list[str]
    cells: Iterator[list[str]]
    width: int
    wrong: list[str] = field(default_factory=list[str])
    comments: int = 0
    numbers: list[int] = field(default_factory=list[int])

    def blocks(self) -> Iterator[list[str]]:
        """So many rows at a time that they hold a million cells: each column's cells, one a line.

        That takes a fifth of the memory of Python strings.
        """
        even = self._even()
        while block := list(islice(even, max(1, _BLOCK // self.width))):
            yield [_joined(column) for column in zip(*block)]
            self.numbers = []

    def check(self) -> None:
        """DataError, one sentence about all lines of another length."""
        if not self.wrong:
            return
        first, *others = self.wrong[:_SHOWN]
        more = f"; {', '.join(others)}" if others else ""
        rest = f" and {len(self.wrong) - _SHOWN:,} more" if len(self.wrong) > _SHOWN else ""
        raise DataError(
            f"{self.path}, {first} where the first line has {self.width}{more}{rest}; every line needs the same number "
            "(a line that is a title or a remark may begin with #)"
        )

    @property
    def notes(self) -> list[str]:
        """What there is to say of how the file is laid out."""
        notes: list[str] = []
        if self.dialect.delimiter != ",":
            notes.append(f"the columns are parted by {self.dialect.word}")
        if self.dialect.quote == "'":
            notes.append("single quotes around cells are left out")
        if self.comments:
            notes.append(f"left out: {counted(self.comments, 'line')} beginning with #")
        return notes

    def _even(self) -> Iterator[list[str]]:
        """Those of the right length; the others are kept in mind."""
        for row in self.cells:
            if len(row) == self.width:
                self.numbers.append(self.lines.number)
                yield row
            elif row[0].startswith("#"):
                self.comments += 1
            else:
                self.wrong.append(f"line {self.lines.number}: {len(row)} cells")


def _joined(cells: tuple[str, ...]) -> str:
    text = "\n".join(cells)
    if text.count("\n") >= len(cells) or "\r" in text:
        text = "\n".join(re.sub("\r\n|\r|\n", "\x1e", cell) for cell in cells)
    edges = {text[:1], text[-1:]} & {" ", "\t", "\u00a0"}
    if edges or any(pair in text for pair in (" \n", "\n ", "\t\n", "\n\t", "\u00a0\n", "\n\u00a0")):
        text = _EDGES.sub("", text)
    return text


def _all_quoted(sample: str, dialect: Dialect) -> bool:
    """Whether a file quotes whatever it holds, so that quotes say nothing."""
    quoted = sample.count('"') // 2
    return quoted >= sample.count(dialect.delimiter) > 0


@dataclass(frozen=True)
class Heading:
    """What the first rows of a file say of its columns.

    Args:
        names: of all columns.
        named: whether the file itself names them.
        style: how it writes numbers.
    """

    names: list[str]
    named: bool
    style: Style
    notes: list[str]


def _table(rows: Rows, header: bool | None) -> Table:
    parts, cells = list[list[str]](), 0
    for part in rows.blocks():
        cells += len(rows.numbers) * rows.width
        limits.check_size(rows.path, cells * _CELL)
        parts.append(part)
    rows.check()
    heading, columns = headed(rows, ["\n".join(every) for every in zip(*parts)], header)
    return typed(heading, columns, {})


def headed(rows: Rows, columns: list[str], header: bool | None = None) -> tuple[Heading, list[str]]:
    """What a file's first row is, with the columns as they are then, from its first block or from all of them."""
    path, first, dialect, notes = rows.path, rows.first, rows.dialect, rows.notes
    head = ["\n".join(text.split("\n", _HEAD)[:_HEAD]) for text in columns]
    style = style_of(head, dialect.delimiter)
    if len(columns) > len(first):
        first, columns, head = _evened(path, first, columns, head, style)
    why = is_header(Head(first, head, style)) if header is None else "it is said to be" if header else ""
    named = names_in(dialect.comments, len(first), dialect) if not why else []
    if named:
        notes.append(f"the columns' names are those of the comment above them: {listed(named)}")
    elif why.startswith("its numbers"):
        notes.append(f"the first line is read as names ({listed(first)}), since {why}")
    if why and not columns:
        raise DataError(f"{path} holds a header and no rows below it")
    if not why:
        columns = [f"{cell}\n{text}" for cell, text in zip(first, columns)] if columns else list(first)
    names = named or (first if why else [f"x{j}" for j in range(len(first))])
    _check_names(path, names)
    return Heading(names, bool(why or named), style, notes), columns


def _evened(
    path: Path, first: list[str], columns: list[str], head: list[str], style: Style
) -> tuple[list[str], list[str], list[str]]:
    """The first line made as long as the others: they end in a delimiter, or begin with the names of rows."""
    if is_empty(columns[-1]):
        return first, columns[:-1], head[:-1]
    if fits_row_names(first, head, style):
        return ["", *first], columns, head
    raise DataError(
        f"{path}: the first line has {len(first)} cells where the others have {len(columns)}; every line needs the "
        "same number (a line that is a title or a remark may begin with #)"
    )


def typed(heading: Heading, texts: list[str], known: Mapping[str, Cells]) -> Table:
    """The columns that texts stand for, without those that number the rows; ``known`` are read already."""
    columns: dict[str, np.ndarray] = {}
    readings: dict[str, Reading] = {}
    names, notes = heading.names, list(heading.notes)
    for j, (name, text) in enumerate(zip(names, texts)):
        if not name and j == len(names) - 1 > 0 and is_empty(text):  # every line ends in a delimiter
            continue
        cells = known[name] if name in known else read_cells(text, heading.style)
        if j == 0 and len(names) > 1 and name in ("", "Unnamed: 0") and _is_index(cells.values):
            called = repr(name) if name else "without a name"
            notes.append(f"the first column ({called}) holds another value in each row: left out, as an index")
            continue
        name = name or f"x{j}"
        columns[name] = cells.values
        readings[name] = Reading(cells.why, spelled=cells.spelled, problem=cells.problem, affix=cells.affix)
        if cells.note:
            notes.append(f"column {name!r} {cells.note}")
    return Table(columns, "csv", heading.named, readings, tuple(notes))


def _is_index(values: np.ndarray) -> bool:
    """Whether no value occurs twice, as in the index of a frame or the names of rows."""
    if values.dtype.kind not in "iO" or len(values) < 2:
        return False
    return None not in values and len(set(values.tolist())) == len(values)


def _check_names(path: Path, names: list[str]) -> None:
    twice = sorted(name for name, n in Counter(names).items() if name and n > 1)
    if twice:
        raise DataError(f"{path} has several columns called {listed(twice)}; give each column its own name")
