"""Columns that are sums of several others, each times a number, found by linear algebra."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fluvial.core.precision import deviation
from fluvial.data.columns import Column
from fluvial.data.derived import Derived, rounding_of
from fluvial.data.units import DIGITS, offset_of

_LOOKED_AT = 2000  # rows, or four for each column, in which a relation shows
_SPARE = 2  # rows for each column that keep all of them from adding up by chance
_NEAR = 1e-6  # of a standard deviation: what is left of a column that others add up to, besides its rounding
_SMALL = 0.25  # of a step: a column that adds less than this to a sum does not belong to it
_DIGITS = 4  # of the numbers in a sum that is rounded: with more, they may make a slip agree
_ROUNDING = 32.0  # units in the last place
Numbers = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Group:
    """Columns that are there in all of some ``rows``, wherever else: sums that are there in just these are of them."""

    columns: list[Column]
    targets: list[Column]
    rows: np.ndarray

    @staticmethod
    def each(columns: Sequence[Column], targets: Collection[str], numbers: Numbers) -> Iterator[Group]:
        """The groups that a table has, for the columns named as targets."""
        missing = {c.name: np.isnan(numbers[c.name]) for c in columns}
        by_gaps: dict[bytes, list[Column]] = {}
        for c in columns:
            by_gaps.setdefault(missing[c.name].tobytes(), []).append(c)
        for alike in by_gaps.values():
            wanted = [c for c in alike if c.name in targets]
            gaps = missing[alike[0].name]
            there = [c for c in columns if not (missing[c.name] & ~gaps).any()]
            rows = _spaced(np.flatnonzero(~gaps), len(there))
            there = [c for c in there if len(rows) and np.ptp(numbers[c.name][rows]) > 0]
            wanted = [c for c in wanted if c in there]
            if wanted and len(there) > 2 and len(rows) >= _SPARE * len(there):
                yield Group(there, wanted, rows)

    def after_others(self, columns: Sequence[Column], numbers: Numbers) -> list[Column]:
        """The columns of which hardly anything is left once those before them are taken out."""
        left = np.abs(np.diag(np.linalg.qr(self._standardised(columns, numbers), "r")))
        return self._hardly(columns, left, numbers)

    def beside_others(self, columns: Sequence[Column], numbers: Numbers) -> list[Column]:
        """The columns of which hardly anything is left once all others are taken out."""
        if len(columns) < 3:
            return []
        upper = np.linalg.qr(self._standardised(columns, numbers), "r")
        if np.linalg.cond(upper) > 1 / np.finfo(np.float64).eps:
            return []
        return self._hardly(columns, 1 / np.linalg.norm(np.linalg.inv(upper), axis=1), numbers)

    def _standardised(self, columns: Sequence[Column], numbers: Numbers) -> np.ndarray:
        values = _in_units(np.stack([numbers[c.name][self.rows] for c in columns], axis=1))[0]
        values = values - values.mean(0)
        return values / (deviation(values) * np.sqrt(len(values)))

    def _hardly(self, columns: Sequence[Column], left: np.ndarray, numbers: Numbers) -> list[Column]:
        """Those whose remaining standard deviations (D,) are no more than rounding leaves."""
        found: list[Column] = []
        for column, rest in zip(columns, left):
            rounding = rounding_of(column.step) / float(deviation(numbers[column.name][self.rows]))
            if column in self.targets and rest <= rounding + _NEAR:
                found.append(column)
        return found


def sum_of(target: Column, sources: Sequence[Column], numbers: Numbers) -> Derived | None:
    """The target as a sum of some of the sources, with the numbers of fewest digits that give all its values."""
    there = np.flatnonzero(~np.isnan(numbers[target.name]))
    few = _spaced(there, len(sources))
    value, matrix = _values(target, sources, numbers, few)
    least = _SMALL * (target.step or 0.0) + _NEAR * float(deviation(value))
    chosen, weights = np.arange(len(sources)), np.empty(0)
    for _ in range(3):  # without those that add nothing, the numbers of the others are sharper
        if len(chosen) < 2:
            return None
        weights, added = _least_squares(matrix[:, chosen], value)
        adds = added > least
        chosen, weights = chosen[adds], weights[adds]
    parts = [sources[int(i)] for i in chosen]
    most = max(DIGITS) if target.step is None else _DIGITS
    for digits in range(1, 1 + (most if len(parts) > 1 else 0)):
        short = np.array([float(f"{w:.{digits}g}") for w in weights])
        if np.isfinite(short).all() and short.all() and _offset(target, parts, short, numbers, few) is not None:
            offset = _offset(target, parts, short, numbers, there)
            if offset is not None:
                terms = tuple((c.name, w) for c, w in zip(parts, short.tolist()))
                return Derived(target, slope=1.0, offset=offset, terms=terms)
    return None


def _values(
    target: Column, sources: Sequence[Column], numbers: Numbers, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of these rows the target's values (N,) and those of the sources (N, D)."""
    empty = np.empty((len(rows), 0))
    return numbers[target.name][rows], np.stack([numbers[c.name][rows] for c in sources], 1) if sources else empty


def _offset(
    target: Column, parts: Sequence[Column], weights: np.ndarray, numbers: Numbers, rows: np.ndarray
) -> float | None:
    """The number of fewest digits that makes a sum agree with the target in these rows; None if none does."""
    value, matrix = _values(target, parts, numbers, rows)
    precision = max(c.precision for c in (target, *parts))
    with np.errstate(over="ignore", invalid="ignore"):  # what is beyond all numbers agrees with nothing
        slack = _ROUNDING * precision * (np.abs(value) + np.abs(matrix * weights).sum(1))
        return offset_of(value - matrix @ weights, target.step, slack)


def _spaced(rows: np.ndarray, columns: int) -> np.ndarray:
    """So many of the rows that a sum of as many columns shows in them."""
    most = max(_LOOKED_AT, 4 * columns)
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def _least_squares(matrix: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (D,) by which columns (N, D) come nearest to a value, beside an offset, and how much each adds."""
    (matrix, units), (value, unit) = _in_units(matrix), _in_units(value)
    centred = matrix - matrix.mean(0)
    scale = deviation(centred)
    scale = np.where(scale > 0, scale, 1.0)
    found = np.linalg.lstsq(centred / scale, value - value.mean(), rcond=None)[0]
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that no float holds make no sum
        return found / scale * (unit / units), np.abs(found) * unit


def _in_units(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns (N, ...) in units of their own, powers of two, in which sums and squares neither over- nor underflow."""
    units = np.exp2(np.frexp(np.abs(values).max(0, initial=0.0))[1] - 1.0)
    return values / units, units
