"""Columns that are affine copies of others, found without comparing every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ALIKE = 1e-6  # of a spread: a correlation of 1 to about 1e-12
_EXACT = 1e-12  # of a spread: what is left of a relation is rounding
_ROUNDING = 2.0  # units in the last place of what a row's relation adds up
_SEED = 0


@dataclass(frozen=True)
class Copy:
    """Column = offset + slope * columns[source], to within tolerance (units of the column) and rounding."""

    source: int
    slope: float
    offset: float
    tolerance: float


def find_copies(columns: Sequence[np.ndarray], precision: Sequence[float] | None = None) -> dict[int, Copy]:
    """The columns (N,) that repeat an earlier one up to offset and slope, by index; none may be constant.

    A copy agrees in every row, to within a millionth of the columns' usual spread and the rounding of that row's own
    numbers: one far-out row makes nothing else alike. ``precision`` is the columns' relative rounding.

    Standardised columns are projected onto one random direction: copies land on the same number up to sign, so
    that only neighbours in the sorted numbers need comparing, D log D of them instead of D^2.
    """
    exact = float(np.finfo(np.float64).eps)
    every = [_Candidate(c, exact if precision is None else precision[i]) for i, c in enumerate(columns)]
    n = len(columns[0])
    direction = np.random.default_rng(_SEED).standard_normal(n) / np.sqrt(n)
    shadows = np.array([abs(float(c.standardised() @ direction)) for c in every])
    order = np.argsort(shadows, kind="stable")
    # residuals of at most so many standard deviations move a shadow by at most as much times |direction|_1
    reach = max(c.reach() for c in every) * float(np.abs(direction).sum())
    groups: list[np.ndarray] = np.split(order, np.flatnonzero(np.diff(shadows[order]) > reach) + 1)
    copies: dict[int, Copy] = {}
    for group in groups:
        if len(group) > 1:
            _compare(every, sorted(group.tolist()), copies)
    return copies


@dataclass(frozen=True)
class _Candidate:
    values: np.ndarray
    precision: float

    def standardised(self) -> np.ndarray:
        """Mean 0 and variance 1, of the column shrunk first, so that huge values do not overflow."""
        small = self.values / np.abs(self.values).max()
        centred = small - small.mean()
        return centred / np.sqrt(np.mean(centred**2))

    def reach(self) -> float:
        """The most by which a copy may differ, in standard deviations."""
        small = self.values / np.abs(self.values).max()
        return _ALIKE + 4 * _ROUNDING * self.precision / max(float(small.std()), self.precision)

    def spread(self) -> float:
        """The usual distance from the median, of the rows that are not at it: outliers do not move it."""
        away = np.abs(self.values - np.median(self.values))
        return float(np.median(away[away > 0]))


def _compare(columns: Sequence[_Candidate], group: list[int], copies: dict[int, Copy]) -> None:
    originals: list[int] = []
    for i in group:
        found = next((c for j in originals if (c := _copy(columns[i], columns[j], j))), None)
        if found is None:
            originals.append(i)
        else:
            copies[i] = found


def _copy(column: _Candidate, source: _Candidate, index: int) -> Copy | None:
    a, b = column.values, source.values
    low, high = int(b.argmin()), int(b.argmax())
    # halves, so that huge values do not overflow
    slope = (float(a[high]) / 2 - float(a[low]) / 2) / (float(b[high]) / 2 - float(b[low]) / 2)
    if not np.isfinite(slope) or slope == 0:
        return None
    spread = min(column.spread(), abs(slope) * source.spread())
    precision = max(column.precision, source.precision)
    best: Copy | None = None
    # few digits where they do, so that a copy in other units has the factor that people know
    for digits in (6, 9, 12, 17):
        factor = float(f"{slope:.{digits}g}")
        offset = float(np.median(a - factor * b))
        offset = 0.0 if abs(offset) < 1e-9 * spread else float(f"{offset:.{digits}g}")
        rounding = _ROUNDING * precision * (np.abs(a) + np.abs(factor * b) + abs(offset))
        off = np.abs(a - factor * b - offset) - rounding
        if (off <= _EXACT * spread).all():
            return Copy(index, factor, offset, _ALIKE * spread)
        if digits > 9 and best is None and (off <= _ALIKE * spread).all():
            best = Copy(index, factor, offset, _ALIKE * spread + 10 * float(off.clip(0).max()))
    return best
