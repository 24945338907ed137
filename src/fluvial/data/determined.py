"""Columns that have no freedom of their own: constants, copies of numbers, rounded or not, what labels entail, sums and
products of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.checks import off_grid
from fluvial.data.columns import Column
from fluvial.data.copies import find_copies
from fluvial.data.derived import Derived
from fluvial.data.relations import in_order, related
from fluvial.data.steps import on_grid
from fluvial.data.units import in_other_units
from fluvial.data.words import listed

_MOST_VALUES = 200  # different values of a column that may entail another
_BITS = 40.0  # of evidence that one column entails another: a coincidence of odds 2^-40


def determined(columns: Sequence[Column], numbers: Mapping[str, np.ndarray], labels: bool = False) -> list[Derived]:
    """The columns that follow from others, each behind those of them that it follows.

    Args:
        numbers: (N,) of each column, NaN where a cell is missing.
        labels: columns of labels and whole numbers that another one entails are among them, and numbers that are others
            in another unit, rounded, whichever comes first.

    Raises:
        DataError: every column is constant.
    """
    constant = [c for c in columns if _constant(numbers[c.name])]
    if len(constant) == len(columns):
        raise DataError(f"every column is constant ({listed(c.name for c in constant)}), so there is nothing to model")
    found = {c.name: _always(c, numbers[c.name]) for c in constant}
    free = [c for c in columns if c.name not in found]
    found |= _copied([c for c in free if not c.categorical], numbers)
    if labels:
        found |= in_other_units([c for c in free if not c.categorical and c.name not in found], numbers)
        found |= _entailed([c for c in free if c.discrete and c.name not in found], numbers)
    mapped = {d.source for d in found.values() if d.mapping}  # of which only values that the fit saw say anything
    rounded = [d.column.name for d in found.values() if d.rounded]  # what was added up may have been these
    usable = [c for c in free if c.name not in found or c.name in rounded]
    found |= {d.column.name: d for d in related(usable, numbers, labels, list(found.values()), mapped)}
    return in_order([found[c.name] for c in columns if c.name in found])


def _constant(values: np.ndarray) -> bool:
    missing = np.isnan(values)
    return bool(missing.all() or (not missing.any() and values.min() == values.max()))


def _always(column: Column, values: np.ndarray) -> Derived:
    value = float(values[0])
    if column.categorical:
        return Derived(column, mapping=((0.0, value),))
    return Derived(column, offset=value)


def _copied(columns: Sequence[Column], numbers: Mapping[str, np.ndarray]) -> dict[str, Derived]:
    """Affine copies among columns of numbers that are missing in the same rows."""
    groups: dict[bytes, list[Column]] = {}
    for column in columns:
        missing = np.isnan(numbers[column.name])
        if np.ptp(numbers[column.name][~missing]) > 0:  # else it is the same wherever it is there
            groups.setdefault(missing.tobytes(), []).append(column)
    found: dict[str, Derived] = {}
    for group in groups.values():
        there = ~np.isnan(numbers[group[0].name])
        group = [c for c in group if np.ptp(numbers[c.name][there])]
        if len(group) < 2:
            continue
        copies = find_copies([numbers[c.name][there] for c in group], [c.precision for c in group])
        for i, copy in copies.items():
            column = group[i]
            # a few values off the grid are off it in the copy as well
            astray = column.kind != "integer" and off_grid(column, numbers[column.name][there])
            exact = replace(column, step=None) if astray else column
            source = group[copy.source]
            derived = Derived(exact, source.name, copy.slope, copy.offset, copy.tolerance)
            if _gives_back(derived, source, numbers):
                found[column.name] = derived
    return found


def _gives_back(derived: Derived, source: Column, numbers: Mapping[str, np.ndarray]) -> bool:
    """Whether a copy and its source, each on its grid, say exactly what the other is: else one was rounded."""
    value, origin = numbers[derived.column.name], numbers[source.name]
    there = ~np.isnan(value)
    if derived.column.step is not None and not np.array_equal(
        derived.values(origin)[there], on_grid(value[there], derived.column.step)
    ):
        return False
    if source.step is None or off_grid(source, origin[there]):
        return True
    return np.array_equal(derived.source_of(value, source.step)[there], on_grid(origin[there], source.step))


def _entailed(columns: Sequence[Column], numbers: Mapping[str, np.ndarray]) -> dict[str, Derived]:
    """Columns of few values each of which one value of an earlier column, itself free, entails."""
    # a row that stands twice is no further evidence
    rows = np.unique(np.nan_to_num(np.stack(list(numbers.values()), 1)), axis=0, return_index=True)[1]
    values = {c.name: _few(numbers[c.name][np.sort(rows)]) for c in columns}
    few = [c for c in columns if values[c.name] is not None]
    found: dict[str, Derived] = {}
    for at, target in enumerate(few):
        for source in few[:at]:
            mapping = None if source.name in found else _mapping(values[source.name], values[target.name])
            if mapping is not None:
                found[target.name] = Derived(target, source.name, mapping=mapping)
                break
    return found


Few = tuple[np.ndarray, np.ndarray]  # the different values, and which of them each row has


def _few(numbers: np.ndarray) -> Few | None:
    distinct, which = np.unique(numbers, return_inverse=True)
    return (distinct, which) if 2 <= len(distinct) <= _MOST_VALUES else None


def _mapping(source: Few | None, target: Few | None) -> tuple[tuple[float | None, float | None], ...] | None:
    """What each value of the source entails, None where the target is free, or might be so by chance."""
    if source is None or target is None:
        return None
    (known, which), (values, derived) = source, target
    first = np.full(len(known), -1)
    first[which[::-1]] = derived[::-1]
    if (first[which] != derived).any():
        return None
    commonest = np.bincount(derived).max() / len(derived)
    evidence = (len(which) - len(known)) * -math.log2(commonest)
    if evidence < _BITS:
        return None
    return tuple((_plain(float(a)), _plain(float(values[first[i]]))) for i, a in enumerate(known))


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
