"""The grid that rounded values lie on."""

from __future__ import annotations

import numpy as np

_STRAY = 0.03  # share of the rows that may lie off a grid
_ENOUGH = 10  # different values that show a grid, if all lie on it, though hardly one repeats


def find_step(values: np.ndarray, dtype: np.dtype, fine: bool = False) -> float | None:  # pyright: ignore[reportMissingTypeArgument]
    """The grid that rounded values (N,) lie on: the largest of 5, 2, 1, 0.5, ..., 1e-6 that divides them all.

    Where none does, the largest that divides all but three in a hundred of those that differ from the most frequent
    value. None where there is none of these either, or where values repeat so little (fewer than three rows for two
    values) that the grid is finer than the data can show. A value's rounding is relative to itself.

    >>> find_step(np.array([0.455, 0.35, 0.455, 0.35, 0.53, 0.53]), np.dtype("float64"))
    0.005
    """
    distinct, counts = np.unique(values, return_counts=True)
    # one value that stands out does not make a grid
    repeat = len(values) - counts.max() >= 1.5 * (len(distinct) - 1)
    if not repeat and not (fine and len(distinct) >= _ENOUGH):
        return None
    slack = 4 * float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps) * np.abs(distinct)
    others = np.where(np.arange(len(counts)) == counts.argmax(), 0, counts)
    allowed, nearly = _STRAY * others.sum(), None
    for step in (float(f"{digit}e-{k}") for k in range(7) for digit in (5, 2, 1)):
        off = (np.abs(distinct - np.rint(distinct / step) * step) > slack) | (step < 100 * slack)
        if not off.any():
            return step
        if repeat and nearly is None and others[off].sum() < allowed and not off[counts.argmax()]:
            nearly = step
    return nearly


def on_grid(values: np.ndarray, step: float) -> np.ndarray:
    """The nearest grid values, as decimals have them."""
    cells, per_unit = np.rint(values / step), np.rint(1 / step)
    return cells / per_unit if step < 1 and abs(per_unit * step - 1) < 1e-12 else cells * step
