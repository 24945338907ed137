"""Whether data come back from their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RoundTrip:
    """How exactly data come back from their noise; errors are the largest of each.

    Args:
        failed: rows that came back non-finite or farther than the tolerance away.
        largest, high, median: of the finite errors; ``high`` is the 99 % quantile.
        changed: rows whose gridded values came back as others; None without gridded columns.
        errors: (N,).
    """

    rows: int
    failed: int
    largest: float
    high: float
    median: float
    changed: int | None
    errors: np.ndarray


def trip_of(errors: np.ndarray, tolerance: float, changed: int | None) -> RoundTrip:
    """Summarise the errors (N, D) of rows that were sent to their noise and back; not finite ones have failed."""
    error = np.where(np.isfinite(errors), errors, np.inf).max(1)
    finite = error[np.isfinite(error)] if np.isfinite(error).any() else np.array([math.inf])
    return RoundTrip(
        rows=len(error),
        failed=int((error > tolerance).sum()),
        largest=float(finite.max()),
        high=float(np.quantile(finite, 0.99)),
        median=float(np.median(finite)),
        changed=changed,
        errors=error,
    )
