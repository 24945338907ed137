"""CSV and its kin -> columns, with the header and the delimiter found out."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.words import listed

Columns = dict[str, np.ndarray]

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "?")
"""What an empty cell may look like, in columns of any kind."""

_DELIMITERS = "\t;,"  # in this order: with a decimal comma, "1,5;2,5" is two cells
_SAMPLE = 1 << 16  # characters
_BLOCK = 100_000  # rows held as Python strings at a time


def read_delimited(path: Path) -> tuple[Columns, bool]:
    """The columns of a comma-, semicolon- or tab-separated file, and whether its first line names them.

    The first line is a header if, in some column, it holds text and all cells below are numbers; or if all cells
    of the file are text and the first line's occur only once.

    Raises:
        DataError: the file is empty, not text, damaged, or has lines of different lengths.
    """
    try:
        with _open(path) as file:
            rows = _rows(path, file)
            first = next(rows, None)
            if first is None:
                raise DataError(f"{path} is empty: expected a table with at least one row")
            blocks = list(_blocks(rows))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 ({error.reason} at byte {error.start})") from None
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} cannot be read as a table of text: {error}") from None
    below = [np.concatenate(parts) for parts in zip(*blocks)]
    parsed = [parse(cells) for cells in below]
    if _is_header(first, below, parsed):
        if not below:
            raise DataError(f"{path} holds a header and no rows below it")
        return dict(zip(_names(path, first), parsed)), True
    whole = [np.concatenate([_compact([cell]), *([below[j]] if below else [])]) for j, cell in enumerate(first)]
    return {f"x{j}": parse(cells) for j, cells in enumerate(whole)}, False


def parse(cells: np.ndarray) -> np.ndarray:
    """Cells of text (N,) as int64, float64 (NaN where missing), bool or, failing these, str objects (None)."""
    cells = np.char.strip(cells)
    missing = np.isin(cells, np.array(MISSING, dtype=cells.dtype.kind))
    if missing.any():
        if (~missing).any():
            cells = np.where(missing, np.array("nan", dtype=cells.dtype.kind), cells)
        else:
            return np.full(len(cells), np.nan)
    for dtype in (np.int64, np.float64):
        try:
            return cells.astype(dtype)
        except (ValueError, OverflowError):
            continue
    text = cells.astype(str)
    lower = np.char.lower(text)
    if np.isin(lower, ["true", "false"]).all():
        return lower == "true"
    values = text.astype(object)
    values[missing] = None
    return values


def _open(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return open(path, encoding="utf-8-sig", newline="")


def _rows(path: Path, file: TextIO) -> Iterator[list[str]]:
    """The lines' cells, blank lines left out; all of one length."""
    sample = file.read(_SAMPLE)
    delimiter = _delimiter(sample.splitlines()[: 20 if len(sample) < _SAMPLE else -1][:20])
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
    width = 0
    for row in reader:
        if not "".join(row).strip() and len(row) <= 1:
            continue
        width = width or len(row)
        if len(row) != width:
            raise DataError(
                f"{path}, line {reader.line_num}: {len(row)} cells where the first line has {width}; "
                "every line needs the same number"
            )
        yield row


def _delimiter(lines: list[str]) -> str:
    widths = {d: [len(row) for row in csv.reader(lines, delimiter=d) if row] for d in _DELIMITERS}
    for delimiter, each in widths.items():
        if each and each[0] > 1 and len(set(each)) == 1:
            return delimiter
    return max(_DELIMITERS[::-1], key=lambda d: sum(widths[d]))


def _blocks(rows: Iterator[list[str]]) -> Iterator[list[np.ndarray]]:
    while block := list(islice(rows, _BLOCK)):
        yield [_compact(list(cells)) for cells in zip(*block)]


def _compact(cells: list[str]) -> np.ndarray:
    """Bytes where the text is ASCII: a fifth of the memory of Python strings."""
    try:
        return np.array(cells, dtype=bytes)
    except UnicodeEncodeError:
        return np.array(cells, dtype=str)


def _is_header(first: list[str], below: list[np.ndarray], parsed: list[np.ndarray]) -> bool:
    text = [parse(_compact([cell])).dtype == object for cell in first]
    if not below:
        return all(text)
    if any(is_text and column.dtype.kind in "iufb" for is_text, column in zip(text, parsed)):
        return True
    # columns with nothing in them say nothing
    return (
        all(text)
        and len(set(first)) == len(first)
        and all(cell.strip() not in set(column) for cell, column in zip(first, parsed))
    )


def _names(path: Path, first: list[str]) -> list[str]:
    names = [cell.strip() or f"x{j}" for j, cell in enumerate(first)]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"{path} has several columns called {listed(twice)}; give each column its own name")
    return names
