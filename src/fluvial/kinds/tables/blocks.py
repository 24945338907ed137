"""Scores of a table larger than memory: read, encoded and scored in blocks, bit for bit what the whole would get."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.parquet import ParquetFiles
from fluvial.data.schema import Encoded
from fluvial.data.tables import Table
from fluvial.kinds.scores import Scores
from fluvial.kinds.tables.model import Model


class Notes:
    """What there is to say of many parts of a table: each sentence once, whatever its numbers are in other parts."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._found.setdefault(re.sub(r"[\d.,]+(e[+-]\d+)?", "#", sentence), []).append(sentence)

    @property
    def sentences(self) -> list[str]:
        """Each with the number of parts that it was said of, where these are several."""
        return [
            first if not others else f"{first} (of one part of the rows; and the like of {len(others):,} others)"
            for first, *others in self._found.values()
        ]


def scored_blocks(
    model: Model, files: ParquetFiles, notes: Notes, start: int = 0, drop_missing: bool = False, shares: bool = True
) -> Iterator[Scores]:
    """The scores of the rows from ``start`` on, block by block.

    Blocks hold whole chunks of the rows that are scored, so that each row is scored among the same others as in one
    piece: the products of its network, which depend on their sizes in the last digits, are the same ones.

    Args:
        notes: takes what there is to say.
        start: a row of the files, the first of a block.

    Raises:
        DataError: rows do not fit the schema; it names them.
    """
    for block in _even(_encoded(model, files, notes, start, drop_missing), model.block_rows):
        scores = model.score_encoded(block, shares)
        notes.add(scores.warnings)
        yield scores


@contextmanager
def placed(first: int, table: Table) -> Generator[None]:
    """What does not fit the model in a part of a table names its rows, of which the first has this number."""
    try:
        yield
    except DataError as error:
        last = first + len(table)
        raise DataError(f"in rows {first + 1:,} to {last:,}, of which the first counts as 1: {error}") from None


def _encoded(model: Model, files: ParquetFiles, notes: Notes, start: int, drop_missing: bool) -> Iterator[Encoded]:
    for first, table in files.tables(model.block_rows, start):
        notes.add(table.notes)
        try:
            with placed(first, table):
                encoded = model.schema.encode(table, drop_missing=drop_missing)
        except DataError as error:
            if drop_missing and ": every row misses" in str(error):
                notes.add([f"all of {len(table)} rows left out for missing or infinite values"])
                continue
            raise
        notes.add(encoded.warnings)
        yield replace(encoded, rows=encoded.rows + first, warnings=())


def _even(parts: Iterable[Encoded], rows: int) -> Iterator[Encoded]:
    """The same rows in blocks of so many; the last one has what is left."""
    rest: Encoded | None = None
    for part in parts:
        joined = part if rest is None else _joined(rest, part)
        whole = len(joined.x) // rows * rows
        for i in range(0, whole, rows):
            yield _cut(joined, slice(i, i + rows))
        rest = _cut(joined, slice(whole, None)) if whole < len(joined.x) else None
    if rest is not None:
        yield rest


def _joined(a: Encoded, b: Encoded) -> Encoded:
    context = None if a.context is None or b.context is None else np.concatenate((a.context, b.context))
    columns = (np.concatenate(pair) for pair in ((a.x, b.x), (a.rows, b.rows), (a.impossible, b.impossible)))
    x, rows, impossible = columns
    return Encoded(x, context, rows, impossible)


def _cut(encoded: Encoded, rows: slice) -> Encoded:
    context = None if encoded.context is None else encoded.context[rows]
    return Encoded(encoded.x[rows], context, encoded.rows[rows], encoded.impossible[rows])
