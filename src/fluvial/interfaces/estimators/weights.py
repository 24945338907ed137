"""Weights of rows as copies of them: a row of weight 2 is in the table twice, one of weight 0 is not in it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

_MOST = 1000  # copies of a row, on average


def checked(weights: ArrayLike | None, n: int) -> np.ndarray:
    """The weights of n rows, (n,) float64, 1 each where none are given.

    Raises:
        ValueError: not one finite weight of at least 0 for each row, or all are 0.
    """
    try:
        w = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        wrong = next(each for each in np.array(weights, dtype=object).ravel() if not is_number(each))
        raise ValueError(f"sample_weight: expected a number for each row, got {wrong!r}") from None
    if w.shape != (n,):
        raise ValueError(f"sample_weight: expected one weight for each of the {n:,} rows, got the shape {w.shape}")
    wrong = w[~np.isfinite(w) | (w < 0)]
    if len(wrong):
        raise ValueError(f"sample_weight: expected finite weights of at least 0, got {wrong[0]:g}")
    if not w.any():
        raise ValueError("sample_weight: every weight is zero, so no row is left to learn from")
    return w


def copies(weights: np.ndarray, seed: int) -> np.ndarray:
    """How many times each row counts, (n,), by its weight.

    Whole numbers are taken as they are. Of others the ratios count: they are scaled to a mean of 1 and rounded up or
    down at random, so that each row counts as often as its weight says on average, and none is off by a whole copy
    (systematic resampling: Kitagawa 1996, doi 10.1080/10618600.1996.10474692).

    Raises:
        ValueError: whole numbers that make many more rows of these.

    >>> copies(np.array([1.0, 0.0, 2.0]), 0).tolist(), int(copies(np.array([0.1, 0.1, 0.2]), 0).sum())
    ([1, 0, 2], 3)
    """
    if (weights == np.rint(weights)).all():
        if weights.mean() > _MOST:
            raise ValueError(
                f"sample_weight: whole numbers are copies of rows, and these make {weights.sum():.3g} rows of "
                f"{len(weights):,}: divide them by their mean, after which their ratios count"
            )
        return weights.astype(np.int64)
    ends = np.cumsum(weights / weights.mean()) + np.random.default_rng(seed).uniform()
    return np.diff(np.floor(ends), prepend=0.0).astype(np.int64)


def in_one_order(columns: Iterable[np.ndarray], seed: int) -> np.ndarray:
    """An order of the rows that is a function of what they hold, not of where they stand, (n,)."""
    found = np.lexsort([np.unique(_sortable(each), return_inverse=True)[1] for each in columns])
    return found[np.random.default_rng(seed).permutation(len(found))]


def _sortable(column: np.ndarray) -> np.ndarray:
    """A column whose cells can be compared with each other, gaps before all texts."""
    return np.array(["" if v is None else f"={v}" for v in column]) if column.dtype == object else column


def is_number(value: object) -> bool:
    """Whether it is a number, or text that says one."""
    try:
        float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return False
    return True
