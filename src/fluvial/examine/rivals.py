# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (scikit-learn is not typed strictly)
"""Models of the same data side by side: what each gives held-out data, and how its draws compare with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fluvial.examine.two_sample import ClassifierTest, Memorisation

_NEIGHBOURS = 5
_DIRECTIONS = 200  # that points are projected on, for the sliced Wasserstein distance


@dataclass(frozen=True)
class Measured:
    """What a model says and takes: see :class:`Rival`; of draws that another tool made, nothing is known."""

    likelihood: str = "none"
    log_p: np.ndarray | None = None
    seconds: tuple[float | None, float | None] = (None, None)
    parameters: int | None = None


UNKNOWN = Measured()


@dataclass(frozen=True)
class Rival:
    """What is measured of one model, or of what another tool drew.

    Args:
        likelihood: "exact", "bound" or "none"; ``log_p`` (N,) of the test data, nats, None where there is none.
        classifiers: that tell draws from test data; 0.5 is the best.
        copies: distances to the training data.
        precision, recall, density, coverage: shares of draws near test data and of test data near draws.
        wasserstein: sliced, in standard deviations of the training data.
        utility: of a model trained on draws and tested on real rows, R^2 or accuracy; None where there is nothing to
            predict.
        seconds: to draw and to score a thousand.
        drawn: (M, ...), encoded as the test data are.
    """

    name: str
    likelihood: str
    log_p: np.ndarray | None
    classifiers: tuple[ClassifierTest, ...]
    copies: Memorisation
    precision: float
    recall: float
    density: float
    coverage: float
    wasserstein: float
    utility: float | None
    seconds: tuple[float | None, float | None]
    parameters: int | None
    drawn: np.ndarray

    @property
    def auc(self) -> ClassifierTest:
        """The classifier that tells most."""
        return max(self.classifiers, key=lambda c: c.auc)

    @property
    def mean(self) -> tuple[float, float] | None:
        """Mean log p of the test data, and its standard error."""
        if self.log_p is None:
            return None
        return float(self.log_p.mean()), float(self.log_p.std(ddof=1) / math.sqrt(len(self.log_p)))


def neighbours(draws: np.ndarray, points: np.ndarray, k: int = _NEIGHBOURS) -> tuple[float, float, float, float]:
    """Precision, recall (Kynkäänniemi et al. 2019, arXiv 1904.06991), density and coverage (Naeem et al. 2020).

    A point is near a set if it lies in the ball about one of its points that reaches to that point's k-th neighbour.
    Sources: arXiv 1904.06991, eq. 1-2; arXiv 2002.09797, eq. 5-6.

    >>> x = np.random.default_rng(0).normal(size=(400, 2))
    >>> precision, recall, density, coverage = neighbours(x[:200] + 9, x[200:])
    >>> precision, recall, density, coverage
    (0.0, 0.0, 0.0, 0.0)
    """
    from sklearn.metrics import pairwise_distances
    from sklearn.neighbors import NearestNeighbors

    def reach(points: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)[0][:, k]

    apart = pairwise_distances(points, draws)
    of_points, of_draws = reach(points)[:, None], reach(draws)[None, :]
    inside = apart <= of_points
    return (
        float(inside.any(0).mean()),
        float((apart <= of_draws).any(1).mean()),
        float(inside.sum(0).mean() / k),
        float(inside.any(1).mean()),
    )


def sliced_wasserstein(draws: np.ndarray, points: np.ndarray, seed: int = 0) -> float:
    """Mean over random directions of the 1-Wasserstein distance of the projections (Bonneel et al. 2015)."""
    rng, n = np.random.default_rng(seed), min(len(draws), len(points))
    directions = rng.normal(size=(draws.shape[1], _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    a, b = (np.sort(x[rng.permutation(len(x))[:n]] @ directions, axis=0) for x in (draws, points))
    return float(np.abs(a - b).mean())


def lead(rivals: Mapping[str, Rival]) -> dict[str, tuple[float, float]]:
    """How far each rival's log p of the test data is below the best's, nats, paired, with the standard error."""
    known = {name: r.log_p for name, r in rivals.items() if r.log_p is not None}
    if not known:
        return {}
    best = max(known.values(), key=lambda log_p: float(np.mean(log_p)))
    found: dict[str, tuple[float, float]] = {}
    for name, log_p in known.items():
        if not np.isfinite(log_p).all():
            found[name] = math.inf, math.nan
            continue
        gap = best - log_p
        found[name] = float(gap.mean()), float(gap.std(ddof=1) / math.sqrt(len(gap)))
    return found
