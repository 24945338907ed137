"""A random sample of a table larger than memory, and with it the rows that show what else its columns hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.arrow import arrow
from fluvial.data.limits import decoding
from fluvial.data.parquet import ParquetFiles
from fluvial.data.tables import Table
from fluvial.data.words import listed

_ROWS = 1 << 16  # that are read at once
_LABELS = 1000  # of a column that are kept a row for


@dataclass(frozen=True)
class Sampled:
    """What a table is a sample of.

    Args:
        files: with all rows.
        share: of the rows, each of which was drawn with this probability, whatever the others.
        witnesses: numbers of further rows of the files, sorted, which stand at the table's end: with the least and
            the greatest value of each column, its first missing cell, and the first row of each of its labels.
    """

    files: ParquetFiles
    share: float
    seed: int
    witnesses: np.ndarray

    def holds(self, rows: np.ndarray) -> np.ndarray:
        """Which of the files' rows, by number (N,), are in the table."""
        return drawn(rows, self.share, self.seed) | np.isin(rows, self.witnesses)


def sample(files: ParquetFiles, share: float, seed: int = 0) -> Table:
    """Each row with a probability of ``share``, whatever the others, in their order, and the witnesses behind them.

    With a share of 1 it is the whole table.

    Raises:
        DataError: a file is damaged, has other columns than the first one, or the sample is larger than the limit.
    """
    pa, parts, known, witnesses = arrow("pyarrow"), list[Any](), None, _Witnesses()
    first = 0
    for path in files.paths:
        with decoding(path, "a parquet file of the same types as the first one"):
            for own, part in files.parts(path, _ROWS):
                known = own if known is None else known
                if set(own.names) != set(known.names):
                    other = sorted(set(own.names) ^ set(known.names))
                    raise DataError(f"{path} has other columns than {files.paths[0]}: {listed(other)}")
                part = part.select(known.names).cast(known)
                kept = drawn(np.arange(first, first + len(part)), share, seed)
                parts.append(part.filter(pa.array(kept)) if share < 1 else part)
                if share < 1:
                    witnesses.look_at(part, first)
                first += len(part)
    numbers, rows = witnesses.beside(share, seed)
    table = files.table(files.paths[0].parent, known, pa.concat_tables([*parts, *rows]), 0)
    return replace(table, sampled=Sampled(files, share, seed, numbers), extra=len(numbers)) if share < 1 else table


def drawn(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows, by number (N,), are drawn: a function of the number and the seed alone.

    The numbers are mixed as in SplitMix64. Source: Steele, Lea and Flood 2014, doi 10.1145/2714064.2660195.

    >>> int(drawn(np.arange(100_000), 0.25, 0).sum())
    25042
    """
    with np.errstate(over="ignore"):
        z = (rows.astype(np.uint64) + np.uint64(1 + (seed << 32) % (1 << 63))) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) >> np.uint64(11) < np.uint64(min(share, 1.0) * (1 << 53))


class _Witnesses:
    """The rows that hold the ends, the labels and the gaps of each column, found in one pass."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, object], tuple[Any, int, Any]] = {}
        self._labels: dict[str, set[object]] = {}

    def look_at(self, part: Any, first: int) -> None:  # noqa: ANN401  (rows of Arrow)
        """One part more, whose rows have the numbers from ``first`` on."""
        types = arrow("pyarrow.types")
        for name in part.column_names:
            for chunk in part[name].chunks[:1]:
                if types.is_integer(chunk.type) or types.is_floating(chunk.type) or types.is_temporal(chunk.type):
                    self._ends(name, chunk.to_numpy(zero_copy_only=False), part, first)
                else:
                    self._names(name, chunk, part, first)

    def beside(self, share: float, seed: int) -> tuple[np.ndarray, list[Any]]:
        """Those that the sample lacks: their numbers, sorted, and the rows."""
        rows = {number: row for _, number, row in self._found.values()}
        numbers = np.array(sorted(rows), dtype=np.int64)
        numbers = numbers[~drawn(numbers, share, seed)]
        return numbers, [rows[number] for number in numbers.tolist()]

    def _ends(self, name: str, values: np.ndarray, part: Any, first: int) -> None:  # noqa: ANN401
        missing = np.isnan(values) if values.dtype.kind in "fmM" else np.zeros(len(values), dtype=bool)
        if missing.any():
            self._keep((name, None), 0, int(missing.argmax()), part, first)
        there = np.flatnonzero(~missing)
        if len(there):
            numbers = values[there].view(np.int64) if values.dtype.kind in "mM" else values[there]
            for end, sign in ((np.argmin, 1), (np.argmax, -1)):
                at = int(end(numbers))
                self._keep((name, sign), sign * numbers[at].item(), int(there[at]), part, first)

    def _names(self, name: str, chunk: Any, part: Any, first: int) -> None:  # noqa: ANN401
        compute, seen = arrow("pyarrow.compute"), self._labels.setdefault(name, set())
        for label in compute.unique(chunk).to_pylist() if len(seen) < _LABELS else ():
            if label not in seen and len(seen) < _LABELS:
                seen.add(label)
                at = (
                    compute.is_null(chunk)
                    if label is None
                    else compute.equal(compute.cast(chunk, _plain(chunk)), label)
                )
                self._keep((name, label), 0, compute.index(at, value=True).as_py(), part, first)

    def _keep(self, key: tuple[str, object], value: Any, at: int, part: Any, first: int) -> None:  # noqa: ANN401
        """The row, if it is the first one of its sort or has a smaller value than the one before."""
        if key not in self._found or value < self._found[key][0]:
            self._found[key] = (value, first + at, part.slice(at, 1))


def _plain(chunk: Any) -> Any:  # noqa: ANN401  (Arrow's own types)
    return chunk.type.value_type if arrow("pyarrow.types").is_dictionary(chunk.type) else chunk.type
