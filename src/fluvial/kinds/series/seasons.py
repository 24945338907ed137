"""Seasons of series whose times only count, found where values repeat best."""

from __future__ import annotations

import numpy as np

from fluvial.kinds.series.panel import Panel

_USUAL = (4, 5, 7, 12, 24, 30, 48, 52, 96, 144, 168, 288)
_SERIES = 50  # that are looked at
_CLEAR = 0.3  # correlation of what is left without the trend that makes a season


def seasons_of(panel: Panel) -> tuple[int, ...]:
    """The lag among the usual ones at which moves repeat most clearly, if they do; with a week of such days."""
    found = [np.zeros(0) for _ in _USUAL]
    for values in np.split(panel.values, np.cumsum(panel.lengths)[:-1])[:_SERIES]:
        for column in values.T:
            moves = np.diff(column)
            moves = np.nan_to_num(moves - np.nanmean(moves)) if np.isfinite(moves).any() else moves[:0]
            power = float((moves**2).sum())
            for i, lag in enumerate(_USUAL):
                if 3 * lag <= len(moves) and power > 0:
                    found[i] = np.append(
                        found[i], (moves[lag:] * moves[:-lag]).sum() / power * len(moves) / (len(moves) - lag)
                    )
    means = np.array([f.mean() if len(f) else 0.0 for f in found])
    if means.max() < _CLEAR:
        return ()
    # the shortest lag that is nearly as clear as the clearest: the others are its multiples
    best = _USUAL[int(np.flatnonzero(means > 0.8 * means.max())[0])]
    week = 7 * best
    clear = week in _USUAL and means[_USUAL.index(week)] > _CLEAR
    return (best, week) if clear else (best,)
