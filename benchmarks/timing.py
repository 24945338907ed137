"""Interleaved timing: A B C A B C ..., CPU seconds of one thread, ratios to a reference.

On a machine that others use, wall seconds of one call vary several-fold while CPU seconds repeat within about a
tenth; ratios of the best rounds within one run are sturdier than either.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds per call over the rounds, and the ratio of the best round to the reference's."""

    median: float
    best: float
    rounds: int
    ratio: float | None = None


def clock(call: Callable[[], object], repeat: int) -> float:
    start = time.process_time()
    for _ in range(repeat):
        call()
    return (time.process_time() - start) / repeat


def interleave(
    calls: Mapping[str, Callable[[], object]],
    reference: str,
    rounds: int = 7,
    budget: float = 20.0,
    quantum: float = 0.05,
    once_above: float = 5.0,
) -> dict[str, Timing]:
    """Time every call in turn, round after round.

    A warm-up finds how many calls fill ``quantum`` seconds. A call that takes longer than ``once_above`` seconds
    is not repeated. Rounds stop after ``rounds``, or after ``budget`` seconds once there are three.
    """
    series = {name: [clock(call, 1)] for name, call in calls.items()}
    repeated = {name: call for name, call in calls.items() if series[name][0] <= once_above}
    counts = {name: max(1, int(quantum / max(clock(call, 1), 1e-6))) for name, call in repeated.items()}
    begin = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - begin > budget:
            break
        for name, call in repeated.items():
            series[name].append(clock(call, counts[name]))
    base = min(series[reference])
    return {name: Timing(statistics.median(s), min(s), len(s), min(s) / base) for name, s in series.items()}
