# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (scikit-learn and scipy are not typed strictly)
"""Models of one table side by side: what each gives held-out rows, and how its draws compare with them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fluvial.core import Sampler
from fluvial.data.infer import infer
from fluvial.data.schema import Schema
from fluvial.data.tables import Table, read
from fluvial.examine.two_sample import ClassifierTest, Memorisation, classifier_tests, memorisation, spread
from fluvial.kinds.tables.model import Model

_NEIGHBOURS = 5
_DIRECTIONS = 200  # that rows are projected on, for the sliced Wasserstein distance
_MOST = 2000  # rows that draws are compared with
_TIMED = 1000


@dataclass(frozen=True)
class Measured:
    """What a model says and takes: see :class:`Rival`; of rows that another tool drew, nothing is known."""

    likelihood: str = "none"
    log_p: np.ndarray | None = None
    seconds: tuple[float | None, float | None] = (None, None)
    parameters: int | None = None


@dataclass(frozen=True)
class Rival:
    """What is measured of one model, or of rows that another tool drew.

    Args:
        likelihood: "exact", "bound" or "none"; ``log_p`` (N,) of the test rows, nats, None where there is none.
        classifiers: that tell draws from test rows; 0.5 is the best.
        copies: distances to the training rows.
        precision, recall, density, coverage: shares of draws near test rows and of test rows near draws.
        wasserstein: sliced, in standard deviations of the columns.
        utility: of a model trained on draws and tested on real rows, R^2 or accuracy; None without columns to predict.
        seconds: to draw and to score a thousand rows.
        drawn: (M, D), encoded as the test rows are.
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
        """Mean log p of the test rows, and its standard error."""
        if self.log_p is None:
            return None
        return float(self.log_p.mean()), float(self.log_p.std(ddof=1) / math.sqrt(len(self.log_p)))


@dataclass(frozen=True)
class Ground:
    """What all rivals are judged by: training and test rows, encoded the same way."""

    schema: Schema
    train: np.ndarray
    test: np.ndarray
    table: Table
    seed: int = 0

    def points(self, x: np.ndarray) -> np.ndarray:
        """Encoded rows as points whose distances mean something: labels one-hot, numbers in standard deviations."""
        columns: list[np.ndarray] = []
        for i, column in enumerate(self.schema.columns):
            if column.categorical:
                columns += [(x[:, i] == k).astype(float) for k in range(len(column.categories))]
            else:
                known = np.isfinite(self.train[:, i])
                center, scale = self.train[known, i].mean(), float(spread(self.train[known, i : i + 1])[0])
                columns.append(np.where(np.isfinite(x[:, i]), (x[:, i] - center) / scale, np.nan))
        stacked = np.stack(columns, 1)
        return np.hstack([np.nan_to_num(stacked), np.isnan(stacked).astype(float)])

    def judge(self, name: str, drawn: np.ndarray, known: Measured = Measured()) -> Rival:
        """Everything that is measured of rows (M, D), encoded, beside what is known of the model that drew them."""
        test = self.test[:_MOST]
        drawn = drawn[: len(test)]
        draws, rows, trained = (self.points(x) for x in (drawn, test, self.train))
        prdc = neighbours(draws, rows)
        return Rival(
            name,
            known.likelihood,
            known.log_p,
            classifier_tests(drawn, test, None, self.seed),
            memorisation(draws, rows, trained, self.seed, unit=1.0),
            *prdc,
            wasserstein=sliced_wasserstein(draws, rows, self.seed),
            utility=self._utility(drawn),
            seconds=known.seconds,
            parameters=known.parameters,
            drawn=drawn,
        )

    def measure(self, model: Model) -> Measured:
        """What a fitted model says of the test rows, and how long it takes."""
        parameters = sum(p.numel() for p in model.density.parameters())
        began = time.perf_counter()
        model.sample(_TIMED, seed=0)
        drawing = time.perf_counter() - began
        if isinstance(model.density, Sampler):
            return Measured("none", None, (drawing, None), parameters)
        began = time.perf_counter()
        log_p = model.score(self.table, shares=False).log_prob
        scoring = (time.perf_counter() - began) * _TIMED / len(log_p)
        return Measured("exact" if model.exact else "bound", log_p, (drawing, scoring), parameters)

    def _utility(self, drawn: np.ndarray) -> float | None:
        """How well trees trained on these rows foretell the last column of the test rows from the others."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        if drawn.shape[1] < 2:
            return None
        labels = self.schema.columns[-1].categorical
        known, asked = np.isfinite(drawn[:, -1]), np.isfinite(self.test[:, -1])
        if len(np.unique(drawn[known, -1])) < 2:
            return 0.0
        kind = HistGradientBoostingClassifier if labels else HistGradientBoostingRegressor
        trees = kind(max_iter=100, random_state=self.seed).fit(drawn[known, :-1], drawn[known, -1])
        return float(trees.score(self.test[asked, :-1], self.test[asked, -1]))


def ground(whole: Table, train: Table, test: Table, seed: int = 0) -> Ground:
    """Both parts of a table as every rival is judged by them."""
    schema, _ = infer(whole, cells=True, drop_missing=False)
    return Ground(schema, schema.encode(train).x, schema.encode(test).x, test, seed)


def encoded(ground: Ground, rows: object) -> np.ndarray:
    """A table of draws, of any tool, as the ground encodes rows.

    Raises:
        DataError: it lacks columns of the table.
    """
    return ground.schema.encode(read(rows)).x


def neighbours(draws: np.ndarray, rows: np.ndarray, k: int = _NEIGHBOURS) -> tuple[float, float, float, float]:
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

    apart = pairwise_distances(rows, draws)
    of_rows, of_draws = reach(rows)[:, None], reach(draws)[None, :]
    inside = apart <= of_rows
    return (
        float(inside.any(0).mean()),
        float((apart <= of_draws).any(1).mean()),
        float(inside.sum(0).mean() / k),
        float(inside.any(1).mean()),
    )


def sliced_wasserstein(draws: np.ndarray, rows: np.ndarray, seed: int = 0) -> float:
    """Mean over random directions of the 1-Wasserstein distance of the projections (Bonneel et al. 2015)."""
    rng, n = np.random.default_rng(seed), min(len(draws), len(rows))
    directions = rng.normal(size=(draws.shape[1], _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    a, b = (np.sort(x[rng.permutation(len(x))[:n]] @ directions, axis=0) for x in (draws, rows))
    return float(np.abs(a - b).mean())


def lead(rivals: Mapping[str, Rival]) -> dict[str, tuple[float, float]]:
    """How far each rival's test rows are below the best's, nats a row, paired, with the standard error."""
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
