"""The law of each column of a table, as its rows suggest it."""

from __future__ import annotations

import math

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.columns import Column
from fluvial.data.steps import on_grid
from fluvial.data.time_text import DAY
from fluvial.transforms import ColumnMap
from fluvial.transforms.law import Law

_MOST_ATOMS = 128  # values of a number that get a probability of their own
_SHARE = 0.01  # of the rows, that a value on a grid needs for one
_FEWEST = 20  # rows, likewise
_SPIKE = 5  # rows that a value needs where values should hardly ever repeat, or a share of them
_SPIKE_SHARE = 0.002
_NEIGHBOURS, _ABOVE = 20, 10.0  # on a grid, a value with so many times the rows of the cells around it is a spike too
_AMOUNTS = 0.5  # where so many of the other rows repeat values far apart, each is a spike: amounts fixed by law
_MOST = 0.5  # of the rows, whose one value says nothing of where the others lie
_HEAPS = 3  # rounded values that a column has at least; one or two mean something of their own
_CALENDAR = (DAY * 365.2425, DAY * 7.0, float(DAY))  # microseconds: a year, a week, a day
_HARMONICS = 3  # of each; of a week's seven days they tell any apart


def law_of(
    column: Column,
    values: np.ndarray,
    every: np.ndarray,
    closed: bool = False,
    named: bool = False,
    unseen: bool = False,
    few: bool = True,
) -> Law:
    """The law of a column, from its values (N,) in the rows to train on: NaN where missing, labels as codes.

    ``every`` value of the table, (M,), shows whether cells can be missing and whether a bound is reached, which says
    nothing else about the rows held out. With ``closed`` there are no values but those of the table, since other
    columns follow from them; with ``named`` the user has named the column's kind. With ``unseen`` labels that no row
    has get a probability of their own, about that of labels which one row alone has (Good 1953, Biometrika 40). With
    ``few`` rows in the table, rounded values follow what is around them; from many, a network learns each by itself,
    in less time.

    Labels are atoms. A number that many rows share is one too (a 0 in money, a cap of 99; whole years among ages in
    months), on a grid beside the probability of its cell; so is each of a limited set of amounts, and a bound that is
    reached. A spike that no value lies beyond is a bound, unless the column's kind is ``named``.
    """
    missing = bool(np.isnan(every).any())
    if column.categorical:
        labels = tuple(float(i) for i in range(len(column.categories)))
        return Law(
            labels, missing, column.kind != "ordinal", other=_of_unseen(values) if unseen and not closed else 0.0
        )
    known = values[~np.isnan(values)]
    if not len(known):
        raise DataError(f"column {column.name!r} has not a single value in the rows to train on: leave it out (--drop)")
    if closed:
        there = every[~np.isnan(every)]
        distinct = np.unique(there if column.step is None else on_grid(there, column.step))
        return Law(tuple(distinct.tolist()), missing, periods=_periods(column, every))
    if column.step is not None:
        known = on_grid(known, column.step)
    atoms = _atoms(column, known, every)
    bounds = (column.lower, column.upper) if named else _bounds(column, atoms, every)
    others = _spread_out(known, atoms) if column.step is not None else known[~np.isin(known, atoms)]
    rest = _rest(column, others, *bounds)
    if rest is None:
        atoms = np.unique(known)[:_MOST_ATOMS]
    rounded = _rounded(column, atoms, known) if few and rest is not None else ()
    return Law(tuple(float(a) for a in atoms), missing, rest=rest, periods=_periods(column, every), rounded=rounded)


def _rounded(column: Column, atoms: np.ndarray, known: np.ndarray) -> tuple[float, ...]:
    """The atoms that values about them are rounded to: on a grid, several between other values."""
    if column.step is None:
        return ()
    others = known[~np.isin(known, atoms)]
    inside = [float(a) for a in atoms if others.min(initial=a) < a < others.max(initial=a)]
    return tuple(inside) if len(inside) >= _HEAPS else ()


def _of_unseen(codes: np.ndarray) -> float:
    """The probability of a label that no row has, from the share of rows whose label no other row has."""
    known = codes[~np.isnan(codes)]
    once = int((np.unique(known, return_counts=True)[1] == 1).sum())
    return (once + 0.5) / (len(known) + 1.0)


def _periods(column: Column, every: np.ndarray) -> tuple[float, ...]:
    """The periods of a column that goes round, and their harmonics, in its unit.

    Of dates those of the calendar, where the values span two of them. Without dates there is the day alone, round
    which times go.
    """
    if column.period is not None:
        return tuple(column.period / k for k in range(1, _HARMONICS + 1))
    if column.clock is None:
        return ()
    step, span = column.clock.step, np.nanmax(every) - np.nanmin(every)
    known = [float(DAY)] if column.clock.daily else [p for p in _CALENDAR if span * step >= 2 * p]
    return tuple(p / step / k for p in known for k in range(1, _HARMONICS + 1) if p > 2 * k * step)


def _atoms(column: Column, known: np.ndarray, every: np.ndarray) -> np.ndarray:
    distinct, counts = np.unique(known, return_counts=True)
    enough = counts >= max(_SPIKE, _SPIKE_SHARE * len(known))
    if column.step is not None:
        apart = _stands_out(distinct / column.step, counts)
        enough = (enough & apart) | (counts >= max(_FEWEST, _SHARE * len(known)))
        amounts = apart & (counts >= _SPIKE) & ~enough
        if counts[amounts].sum() > _AMOUNTS * counts[~enough].sum():
            enough |= amounts
    often = distinct[enough][np.argsort(-counts[enough], kind="stable")][:_MOST_ATOMS]
    reached = [b for b in (column.lower, column.upper) if column.step is None and b is not None and (every == b).any()]
    return np.union1d(often, reached)


def _stands_out(cells: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Which values of a grid have far more rows than the cells around them, as whole years among ages in months."""
    near = np.arange(len(cells))
    first = np.clip(near - _NEIGHBOURS // 2, 0, max(0, len(cells) - 1 - _NEIGHBOURS))
    last = np.minimum(first + _NEIGHBOURS, len(cells) - 1)
    rows = np.concatenate(([0], np.cumsum(counts)))
    others = rows[last + 1] - rows[first] - counts
    return counts * (cells[last] - cells[first]) > _ABOVE * others


def _bounds(column: Column, atoms: np.ndarray, every: np.ndarray) -> tuple[float | None, float | None]:
    """The column's bounds; off a grid also those of its spikes that no value lies beyond: a 0 of money, then a cap."""
    lower, upper = column.lower, column.upper
    if column.step is None and len(atoms):
        lower = float(atoms[0]) if lower is None and atoms[0] == np.nanmin(every) else lower
        if lower is not None and upper is None and atoms[-1] == np.nanmax(every) > lower:
            upper = float(atoms[-1])
    return lower, upper


def _spread_out(known: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """The values of a grid that tell how it is standardised: without a spike at its end that most rows share.

    Beside many zeros, a map that suits the whole column has amounts so far out that what is drawn there is wild.
    """
    ends = [e for e in (known.min(), known.max()) if e in atoms and (known == e).mean() > _MOST]
    others = known[~np.isin(known, ends)]
    return others if len(others) >= _FEWEST else known


def _rest(column: Column, others: np.ndarray, lower: float | None, upper: float | None) -> ColumnMap | None:
    """How the values that are not atoms are standardised; None where there are too few."""
    if len(np.unique(others)) < 3:
        return None
    # a lower bound that only happened to hold is kept; heavy tails are bent where that fits better
    found = ColumnMap.fit(others, column.step, lower, upper, heavy=True)
    return found if math.isfinite(found.scale) and found.scale > 0 else None
