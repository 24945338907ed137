"""Columns that are products or ratios of two others, times a number, found by looking at a few rows of all pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from fluvial.data.columns import Column
from fluvial.data.derived import Derived, rounding_of
from fluvial.data.units import DIGITS, simplest

_POWERS = ((1.0, 1.0), (1.0, -1.0), (1.0, 2.0), (1.0, -2.0))  # of the first and the second: price, rate, energy, bmi
_SHOWN = (0.95, 0.8, 0.65)  # quantiles of the rows that all pairs are tried in: large values say more
_MORE = 40  # rows in which those are tried that are left
_MOST = 200  # columns of which all pairs are tried
_ROUNDING = 32.0  # units in the last place
Numbers = Mapping[str, np.ndarray]


def products(columns: Sequence[Column], targets: Collection[str], numbers: Numbers) -> Iterator[Derived]:
    """Relations of the columns named as targets that hold in every row with another value than 0.

    Tables of more than 200 columns of numbers have too many pairs to try.
    """
    if not 3 <= len(columns) <= _MOST:
        return
    table = np.stack([numbers[c.name] for c in columns], axis=1)
    for i, target in enumerate(columns):
        rows = np.flatnonzero(~np.isnan(table[:, i]) & (table[:, i] != 0))
        if target.name not in targets or not len(rows):
            continue
        ranked = rows[np.argsort(np.abs(table[rows, i]), kind="stable")]
        few = ranked[[int(share * (len(ranked) - 1)) for share in _SHOWN]]
        more = ranked[np.linspace(0, len(ranked) - 1, min(_MORE, len(ranked))).astype(int)]
        for powers in _POWERS:
            for a, b in _pairs(table[few], i, target, powers):
                pair, precision = (columns[a], columns[b]), max(columns[k].precision for k in (i, a, b))
                found = _factor(table[more], i, target, (a, b), powers, precision)
                found = found and _factor(table[rows], i, target, (a, b), powers, precision)
                if found:
                    terms = tuple((c.name, power) for c, power in zip(pair, powers))
                    yield Derived(target, slope=found, terms=terms, product=True)


def _pairs(rows: np.ndarray, i: int, target: Column, powers: tuple[float, float]) -> list[tuple[int, int]]:
    """The pairs of other columns that one number makes agree with the target in these rows (R, D)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        product = rows[:, :, None] ** powers[0] * rows[:, None, :] ** powers[1]
        low, high = _ends(rows[:, i, None, None], product, rounding_of(target.step), target.precision)
        agree = (low.max(0) <= high.min(0)) & np.isfinite(product).all(0) & (product != 0).all(0)
    agree[i] = agree[:, i] = False
    np.fill_diagonal(agree, False)
    if powers[0] == powers[1]:
        agree &= np.triu(np.ones_like(agree))
    return [(int(a), int(b)) for a, b in np.argwhere(agree)]


def _factor(
    rows: np.ndarray, i: int, target: Column, pair: tuple[int, int], powers: tuple[float, float], precision: float
) -> float:
    """The number of fewest digits that makes a pair agree with the target in all of these rows; 0 if none does."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        product = rows[:, pair[0]] ** powers[0] * rows[:, pair[1]] ** powers[1]
        if not (np.isfinite(product) & (product != 0)).all():
            return 0.0
        ends = _ends(rows[:, i], product, rounding_of(target.step), precision)
    low, high = float(ends[0].max()), float(ends[1].min())
    if not low <= high or low <= 0 <= high:
        return 0.0
    factor = simplest(low, high)
    return factor if float(f"{factor:.{max(DIGITS)}g}") == factor else 0.0


def _ends(value: np.ndarray, product: np.ndarray, half: float, precision: float) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest number that a product is to be taken times to give the value, once rounded."""
    ratio, room = value / product, (half + _ROUNDING * precision * np.abs(value)) / np.abs(product)
    return ratio - room, ratio + room
