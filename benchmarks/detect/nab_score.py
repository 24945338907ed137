"""The score of the Numenta Anomaly Benchmark, written from its definition (Lavin and Ahmad 2015, arXiv 1510.03336).

A detection inside a labelled window earns the more the earlier it comes, one outside costs, the more the farther it is
behind a window. Of each window the best detection counts. One threshold serves all series: the one that suits best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PROFILES = {"standard": (0.11, 1.0), "few false alarms": (0.22, 1.0), "few misses": (0.11, 2.0)}
"""What a false alarm and a missed window cost; a window found at once earns 1."""
_PROBATION, _LONGEST = 0.15, 5000  # share of a series, of so many points at most, that is not judged
_FAR = 3.0  # widths of a window behind it, from which on an alarm costs all


@dataclass(frozen=True)
class Judged:
    """The points of one series that count.

    Args:
        worth: what an alarm at each point is worth before weights, (N,): above 0 inside of windows.
        window: which window each point lies in, (N,), -1 for none.
        windows: how many there are.
    """

    worth: np.ndarray
    window: np.ndarray
    windows: int


def probation(points: int) -> int:
    """How many points at the start of a series are for learning alone."""
    return math.floor(_PROBATION * min(points, _LONGEST))


def judge(points: int, windows: Sequence[tuple[int, int]]) -> Judged:
    """What alarms at each point are worth, given the windows' first and last points."""
    worth, window = np.full(points, -1.0), np.full(points, -1)
    for k, (left, right) in enumerate(windows):
        width = right - left + 1
        inside = np.arange(left, right + 1)
        worth[inside] = _sigmoid((inside - right - 1) / width) / _sigmoid(np.array(-1.0))
        window[inside] = k
        end = windows[k + 1][0] if k + 1 < len(windows) else points
        behind = np.arange(right + 1, end)
        worth[behind] = _sigmoid((behind - right) / max(width - 1, 1))
    worth[: probation(points)] = 0.0
    window[: probation(points)] = -1
    return Judged(worth, window, len(windows))


def _sigmoid(place: np.ndarray) -> np.ndarray:
    """From 1 at a window's start to 0 at its end, and on to -1 far behind it."""
    return np.where(place > _FAR, -1.0, 2 / (1 + np.exp(5 * np.minimum(place, _FAR))) - 1)


def scored(series: Sequence[tuple[np.ndarray, Judged]], profile: str) -> float:
    """100 for a detector that finds each window at once and nothing else, 0 for one that never speaks.

    Args:
        series: of each one how anomalous its points are, (N,), and what alarms are worth.
    """
    alarm, miss = PROFILES[profile]
    first = np.cumsum([0, *(judged.windows for _, judged in series)])
    count = int(first[-1])
    scores = np.concatenate([s[probation(len(s)) :] for s, _ in series])
    worth = np.concatenate([j.worth[probation(len(s)) :] for s, j in series])
    window = np.concatenate(
        [np.where(j.window < 0, -1, j.window + at)[probation(len(s)) :] for at, (s, j) in zip(first, series)]
    )
    order = np.argsort(-scores, kind="stable")
    scores, worth, window = scores[order], worth[order], window[order]
    costs = alarm * np.cumsum(np.where(window < 0, worth, 0.0))
    earned, total, gains = np.full(count, -miss), -miss * count, np.empty(len(scores))
    for i, (k, w) in enumerate(zip(window.tolist(), worth.tolist())):
        if k >= 0 and w > earned[k]:
            total += w - earned[k]
            earned[k] = w
        gains[i] = total
    last = np.append(scores[1:] != scores[:-1], True)  # points that score alike raise the alarm together
    best = max(-miss * count, float((costs + gains)[last].max()))
    return 100 * (best + miss * count) / (count + miss * count)
