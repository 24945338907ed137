"""Events about the next steps, in words: comparisons, and any, all, max, min, sum, mean, first, last over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.kinds.series.schema import SeriesSchema
from fluvial.kinds.tables.comparisons import read_event
from fluvial.kinds.tables.events import Probability, simulated

OVER: dict[str, Callable[[np.ndarray], Any]] = {
    "max": lambda v: v.max(1, keepdims=True),
    "min": lambda v: v.min(1, keepdims=True),
    "sum": lambda v: v.sum(1, keepdims=True),
    "mean": lambda v: v.mean(1, keepdims=True),
    "first": lambda v: v[:, :1],
    "last": lambda v: v[:, -1:],
}
"""What makes one number of the steps, (n, H) to (n, 1)."""
WHETHER: dict[str, Callable[[np.ndarray], Any]] = {
    "any": lambda v: v.any(1, keepdims=True),
    "all": lambda v: v.all(1, keepdims=True),
}
"""What makes one truth of those of the steps."""


def read_series_event(text: str, schema: SeriesSchema) -> Callable[[np.ndarray], Probability]:
    """A function of the paths of one series, (n, H, N), to the probability of the event that ``text`` describes.

    Raises:
        UsageError: it is no such event, or it says nothing of how the steps count together.
    """
    names = tuple(c.name for c in schema.targets)
    event = read_event(text, names, frozenset(), _number, {**OVER, **WHETHER})

    def probability(paths: np.ndarray) -> Probability:
        holds = event.holds(dict(zip(names, np.moveaxis(paths, 2, 0))))
        if holds.shape[1] != 1:
            raise UsageError(
                f"event {text!r}: it holds or not at each step; say any(...), all(...), or max, min, sum, mean, first "
                f"or last of a column"
            )
        return simulated(int(holds.sum()), len(holds))

    return probability


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"event: {name!r} holds numbers, and is compared with {value!r}")
    return float(value)
