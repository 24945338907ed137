"""Columns that are another one in other units, rounded: inches beside centimetres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fluvial.data.columns import Column
from fluvial.data.derived import Derived, rounding_of

_ROWS, _STEPS = 50, 20  # rows, and steps between the least and the greatest value, below which it may be chance
_ALIKE = 0.99  # a correlation that rounding to so many steps leaves
_LOOKED_AT = 500  # rows that are enough to see it
_ROUNDING = 1e-15  # of a value
DIGITS = range(1, 9)
"""How many digits the numbers of a relation may have."""


def in_other_units(columns: Sequence[Column], numbers: Mapping[str, np.ndarray]) -> dict[str, Derived]:
    """The columns that are ``offset + slope * source``, rounded to their step, in every row, by name.

    Sources are among the columns left, and missing in the same rows.
    """
    found: dict[str, Derived] = {}
    sources = {c.name: numbers[c.name] for c in columns if c.clock is None}
    if not sources:
        return found
    alike = np.stack([_direction(values[:_LOOKED_AT]) for values in sources.values()])
    for target in columns:
        if target.step is None or target.clock is not None or target.name in {d.source for d in found.values()}:
            continue
        correlations = alike @ _direction(numbers[target.name][:_LOOKED_AT])
        for name, correlation in zip(sources, correlations):
            if name == target.name or name in found or not abs(correlation) >= _ALIKE:  # NaN where values are infinite
                continue
            relation = _relation(numbers[target.name], sources[name], target.step)
            if relation is not None:
                found[target.name] = Derived(target, name, *relation, tolerance=target.step, rounded=True)
                break
    return found


def _relation(target: np.ndarray, source: np.ndarray, step: float) -> tuple[float, float] | None:
    """Slope and offset, of few digits, that give all values of the target once rounded; None where there are none."""
    there = ~np.isnan(target)
    if not np.array_equal(there, ~np.isnan(source)) or there.sum() < _ROWS:
        return None
    t, s = target[there], source[there]
    if np.ptp(t) < _STEPS * step:
        return None
    exact = float(np.polyfit(s - s.mean(), t, 1)[0])
    for digits in DIGITS:
        slope = float(f"{exact:.{digits}g}")
        offset = offset_of(t - slope * s, step, _ROUNDING * np.abs(t)) if slope else None
        if offset is not None:
            return slope, offset
    return None


def _direction(values: np.ndarray) -> np.ndarray:
    """Of length 1 with a mean of 0, (N,), 0 where a value is missing: products of two are correlations."""
    away = np.nan_to_num(values - np.nanmean(values)) if not np.isnan(values).all() else np.zeros(len(values))
    with np.errstate(over="ignore"):  # a length beyond all numbers makes it like no other
        length = float(np.linalg.norm(away))
    return away / length if length > 0 else away


def offset_of(rest: np.ndarray, step: float | None, slack: np.ndarray) -> float | None:
    """The number of fewest digits to which ``rest`` (N,) rounds, beside slack (N,); None if there is none.

    What lies half a step from it may have been rounded either way; then it is 0, since two values a step apart lie half
    a step from the number between them too, and there is no such number.
    """
    half = 0.0 if step is None else step / 2 - 1e-6 * step - 2 * slack
    low, high = float((rest - half - slack).max()), float((rest + half + slack).min())
    if low <= high:
        return simplest(low, high)
    return 0.0 if (np.abs(rest) <= rounding_of(step) + slack).all() else None


def simplest(low: float, high: float) -> float:
    """The number of fewest digits from ``low`` to ``high``."""
    if low <= 0 <= high:
        return 0.0
    middle = (low + high) / 2
    return next((v for digits in DIGITS if low <= (v := float(f"{middle:.{digits}g}")) <= high), middle)
