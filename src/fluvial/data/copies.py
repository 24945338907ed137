"""Columns that are affine copies of others, found without comparing every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ALIKE = 1e-6  # of a standard deviation: a correlation of 1 to about 1e-12
_SEED = 0


@dataclass(frozen=True)
class Copy:
    """Column = offset + slope * columns[source], to within tolerance (units of the column)."""

    source: int
    slope: float
    offset: float
    tolerance: float


def find_copies(columns: Sequence[np.ndarray]) -> dict[int, Copy]:
    """The columns (N,) that repeat an earlier one up to offset and slope, by index; none may be constant.

    Standardised columns are projected onto one random direction: copies land on the same number up to sign, so
    that only neighbours in the sorted numbers need comparing, D log D of them instead of D^2.
    """
    n = len(columns[0])
    direction = np.random.default_rng(_SEED).standard_normal(n) / np.sqrt(n)
    shadows = np.array([abs(float(_standardised(c) @ direction)) for c in columns])
    order = np.argsort(shadows, kind="stable")
    # residuals of at most _ALIKE move a shadow by at most _ALIKE * |direction|_1
    reach = _ALIKE * float(np.abs(direction).sum())
    groups: list[np.ndarray] = np.split(order, np.flatnonzero(np.diff(shadows[order]) > reach) + 1)
    copies: dict[int, Copy] = {}
    for group in groups:
        if len(group) > 1:
            _compare(columns, sorted(group.tolist()), copies)
    return copies


def _compare(columns: Sequence[np.ndarray], group: list[int], copies: dict[int, Copy]) -> None:
    originals: list[int] = []
    for i in group:
        found = next((c for j in originals if (c := _copy(columns[i], columns[j], j))), None)
        if found is None:
            originals.append(i)
        else:
            copies[i] = found


def _copy(column: np.ndarray, source: np.ndarray, index: int) -> Copy | None:
    a, b = _standardised(column), _standardised(source)
    sign = 1.0 if float(a @ b) > 0 else -1.0
    if np.abs(a - sign * b).max() > _ALIKE:
        return None
    spread = float(column.std())
    slope = sign * spread / float(source.std())
    # twelve digits, so that a copy in other units has the factor that people know
    slope = float(f"{slope:.12g}")
    offset = float(np.mean(column - slope * source))
    offset = 0.0 if abs(offset) < 1e-9 * spread else float(f"{offset:.12g}")
    residual = float(np.abs(column - slope * source - offset).max())
    return Copy(index, slope, offset, 10 * residual + _ALIKE * spread)


def _standardised(column: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1, of the column shrunk first, so that huge values do not overflow."""
    small = column / np.abs(column).max()
    centred = small - small.mean()
    return centred / np.sqrt(np.mean(centred**2))
