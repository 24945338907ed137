"""What ``score`` says of the data as a whole: the mean with its standard error."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fluvial.tasks.scores import ratio


@dataclass(frozen=True)
class Scored:
    """Scores of N rows, recordings, images or pieces.

    Args:
        columns: what is written, each (N,).
        notes: sentences about them.
        unit, totals, counts: the mean is sum(totals) / sum(counts) ``unit``; counts (N,) are what a row stands for,
            such as its samples, 1 where None.
        parts: names (N,) of parts that each have a mean of their own, such as train and test; None for one.
    """

    columns: dict[str, np.ndarray]
    notes: list[str]
    unit: str
    totals: np.ndarray
    counts: np.ndarray | None = None
    parts: np.ndarray | None = field(default=None)

    @property
    def means(self) -> list[str]:
        """A sentence for each part."""
        counts = np.ones(len(self.totals)) if self.counts is None else self.counts
        if self.parts is None:
            return [f"mean: {mean_with_error(self.totals, counts)} {self.unit}"]
        each = [(str(name), self.parts == name) for name in dict.fromkeys(self.parts.tolist())]
        return [f"mean, {n or 'others'}: {mean_with_error(self.totals[w], counts[w])} {self.unit}" for n, w in each]


def mean_with_error(totals: np.ndarray, counts: np.ndarray) -> str:
    """sum(totals) / sum(counts) with the standard error of such a ratio, where rows are independent.

    >>> mean_with_error(np.array([1.0, 2.0, 3.0]), np.ones(3)), mean_with_error(np.array([5.0]), np.array([2.0]))
    ('2.0000 ± 0.5774', '2.5000 (of one alone, so without a standard error)')
    """
    finite = np.isfinite(totals)
    if not finite.all():
        rest = f"; {mean_with_error(totals[finite], counts[finite])} without them" if finite.any() else ""
        return f"not finite, since {int((~finite).sum())} of {len(totals)} are impossible under the model{rest}"
    mean, error = ratio(totals, counts)
    return f"{mean:.4f} ± {error:.4f}" if error == error else f"{mean:.4f} (of one alone, so without a standard error)"
