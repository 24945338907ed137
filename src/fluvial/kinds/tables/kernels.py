# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (scikit-learn is not typed strictly)
"""Kernel density estimates of tables, scikit-learn's, as a rival of models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.schema import Schema

_WIDTHS = np.geomspace(0.05, 1.0, 10)  # of the kernel, in standard deviations, of which cross-validation chooses
_CHOSEN_BY, _MOST, _FEWEST = 2000, 10_000, 20  # rows that choose, rows that are kept, and those that a label needs


@dataclass(frozen=True)
class Kernels:
    """p(label) p(numbers | label): a Gaussian about each training row of a label, in standard deviations of columns.

    Args:
        label: which column holds labels, None for none.
        parts: of each label, its share of the rows and the estimate of its numbers.
    """

    label: int | None
    center: np.ndarray
    scale: np.ndarray
    parts: dict[float, tuple[float, Any]]

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Log-density of encoded rows (N, D), nats in the units of the columns; -inf for labels that it never saw."""
        numbers, labels = self._split(x)
        found = np.full(len(x), -np.inf)
        for value, (share, estimate) in self.parts.items():
            rows = labels == value
            if rows.any():
                z = (numbers[rows] - self.center) / self.scale
                found[rows] = math.log(share) + estimate.score_samples(z) - np.log(self.scale).sum()
        return found

    def sample(self, n: int, seed: int) -> np.ndarray:
        """n encoded rows."""
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(self.parts), n, p=[share for share, _ in self.parts.values()])
        counts = np.bincount(chosen, minlength=len(self.parts))
        drawn: list[np.ndarray] = []
        for (value, (_, estimate)), count in zip(self.parts.items(), counts):
            if count:
                x = estimate.sample(count, random_state=seed) * self.scale + self.center
                drawn.append(x if self.label is None else np.insert(x, self.label, value, 1))
        return rng.permutation(np.concatenate(drawn))

    def _split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.label is None:
            return x, np.zeros(len(x))
        return np.delete(x, self.label, 1), x[:, self.label]


def kernels(schema: Schema, x: np.ndarray, seed: int) -> Kernels:
    """The estimate of encoded rows (N, D), the width of its kernel chosen by five-fold cross-validation.

    Raises:
        DataError: the table has several columns of labels, or gaps, or no numbers, as a sentence.
    """
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity

    x = x[np.random.default_rng(seed).permutation(len(x))[:_MOST]]
    labels = [i for i, c in enumerate(schema.columns) if c.categorical]
    if len(labels) > 1 or len(labels) == x.shape[1] or not np.isfinite(x).all():
        raise DataError("a kernel density estimate needs numbers in all cells, and one column of labels at most")
    label = labels[0] if labels else None
    numbers = x if label is None else np.delete(x, label, 1)
    codes = np.zeros(len(x)) if label is None else x[:, label]
    center, scale = numbers.mean(0), np.maximum(numbers.std(0), 1e-12)
    z, parts = (numbers - center) / scale, {}
    for value in np.unique(codes):
        rows = z[codes == value]
        if len(rows) < _FEWEST:
            raise DataError(f"a kernel density estimate needs {_FEWEST} rows of each label, one has {len(rows)}")
        search = GridSearchCV(KernelDensity(), {"bandwidth": _WIDTHS}, cv=5).fit(rows[:_CHOSEN_BY])
        estimate = KernelDensity(bandwidth=search.best_params_["bandwidth"]).fit(rows)
        parts[float(value)] = len(rows) / len(x), estimate
    return Kernels(label, center, scale, parts)
