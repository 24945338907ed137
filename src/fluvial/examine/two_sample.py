# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (scikit-learn and scipy are not typed strictly)
"""Samples against held-out rows: classifiers, marginals, and nearest neighbours in the training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluvial.core.precision import deviation

_FOLDS = 5
_WIDEST = 200  # columns that classifiers read at most, a random choice
_QUADRATIC = 20  # columns up to which the linear classifier also reads squares and products
_NEIGHBOURS = 20_000  # training rows that are searched at most


@dataclass(frozen=True)
class ClassifierTest:
    """How well a classifier distinguishes samples from data, cross-validated.

    Args:
        name: of the classifier.
        rows, columns: that it saw, of both classes together, context included.
        accuracy, auc: 0.5 where it cannot tell; ``auc_error`` and ``accuracy_error`` are their standard errors
            under that hypothesis, and ``p_value`` the two-sided probability of such an AUC.
    """

    name: str
    rows: int
    columns: int
    accuracy: float
    accuracy_error: float
    auc: float
    auc_error: float
    p_value: float


@dataclass(frozen=True)
class Marginals:
    """Two-sample Kolmogorov-Smirnov distance of each column, (D,), and its p-value, (D,)."""

    statistic: np.ndarray
    p_value: np.ndarray

    @property
    def worst(self) -> int:
        """The column where samples and data differ most."""
        return int(self.statistic.argmax())


@dataclass(frozen=True)
class Memorisation:
    """Distance to the nearest training row, in standard deviations of the columns or another unit.

    Args:
        closer: share of samples nearer to a training row than the median held-out row is; 0.5 where samples are
            new draws from the same population, more where training rows are repeated.
        error: standard error of ``closer`` under that hypothesis.
        copies, held_out_copies: rows equal to a training row in every column.
        samples, held_out: the distances, sorted.
    """

    rows: int
    closer: float
    error: float
    copies: int
    held_out_copies: int
    samples: np.ndarray
    held_out: np.ndarray

    @property
    def repeats(self) -> bool:
        """Whether samples are as near as copies: within half the median distance of held-out rows, twice as often.

        Samples from the middle of the data, such as smooth images, lie nearer than the median held-out row, but not so.
        """
        edge = 0.5 * np.median(self.held_out)
        return float((self.samples <= edge).mean()) > 2 * float((self.held_out <= edge).mean()) + 0.05


def classifier_tests(
    samples: np.ndarray, held_out: np.ndarray, context: np.ndarray | None = None, seed: int = 0
) -> tuple[ClassifierTest, ...]:
    """Two classifiers tell samples (N, D) from held-out rows (N, D) drawn with the same contexts (N, C).

    A sample and the row whose context it shares stay in one fold, for a classifier could else recognise the
    context and conclude the class from its twin's.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    n = min(len(samples), len(held_out))
    context = np.empty((n, 0)) if context is None else context[:n]
    x = np.vstack([np.hstack([held_out[:n], context]), np.hstack([samples[:n], context])])
    x = x[:, np.sort(np.random.default_rng(seed).permutation(x.shape[1])[:_WIDEST])]
    degree = 2 if x.shape[1] <= _QUADRATIC else 1
    linear = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(degree, include_bias=False),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=300),
    )
    trees = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)
    names = ("boosted trees", "logistic regression, quadratic" if degree == 2 else "logistic regression")
    seen = (x, without_gaps(x))
    return tuple(_classify(name, model, rows, seed) for name, model, rows in zip(names, (trees, linear), seen))


def without_gaps(x: np.ndarray) -> np.ndarray:
    """Rows (N, D) with each column's mean where a number is missing, and a column more that says where that is."""
    missing = np.isnan(x)
    with_gaps = missing.any(0) & ~missing.all(0)
    filled = np.where(missing, np.nan_to_num(np.nanmean(np.where(missing.all(0), 0.0, x), 0)), x)
    return np.hstack([filled, missing[:, with_gaps].astype(np.float64)])


def marginals(samples: np.ndarray, held_out: np.ndarray) -> Marginals:
    """Compare each column of samples (M, D) with held-out rows (N, D)."""
    from scipy import stats

    def ordered(column: np.ndarray) -> np.ndarray:  # missing cells come first, as the test reads order alone
        return np.nan_to_num(column, nan=-np.finfo(np.float64).max)

    tests = [stats.ks_2samp(ordered(a), ordered(b), method="asymp") for a, b in zip(samples.T, held_out.T)]
    return Marginals(np.array([t.statistic for t in tests]), np.array([t.pvalue for t in tests]))


def memorisation(
    samples: np.ndarray, held_out: np.ndarray, train: np.ndarray, seed: int = 0, unit: float | None = None
) -> Memorisation:
    """Are samples (N, D) nearer to training rows (M, D) than held-out rows (N, D) are?

    Args:
        unit: of all distances; None for each column's standard deviation.
    """
    from sklearn.neighbors import NearestNeighbors

    scale = unit or spread(train)
    near = train[np.random.default_rng(seed).permutation(len(train))[:_NEIGHBOURS]]
    search = NearestNeighbors(n_neighbors=1).fit(near / scale)
    of_samples, of_held_out = (np.sort(search.kneighbors(x / scale)[0][:, 0]) for x in (samples, held_out))
    middle = np.median(of_held_out)
    # ties, which gridded data have, count half
    closer = float((of_samples < middle).mean() + 0.5 * (of_samples == middle).mean())
    known = {row.tobytes() for row in np.ascontiguousarray(train)}
    copies = [sum(row.tobytes() in known for row in np.ascontiguousarray(x)) for x in (samples, held_out)]
    error = 0.5 * np.sqrt(1 / len(samples) + 1 / len(held_out))
    return Memorisation(len(near), closer, float(error), copies[0], copies[1], of_samples, of_held_out)


def spread(x: np.ndarray) -> np.ndarray:
    """Standard deviation of each column of x (N, D), 1 where it is zero."""
    sd = deviation(x)
    return np.where(sd > 0, sd, 1.0)


def _classify(name: str, model: object, x: np.ndarray, seed: int) -> ClassifierTest:
    from scipy import stats
    from sklearn.base import clone
    from sklearn.metrics import roc_auc_score

    n = len(x) // 2
    fold = np.tile(np.random.default_rng(seed).permutation(n) % min(_FOLDS, n), 2)
    label = np.repeat([0, 1], n)
    guess, areas = np.empty(2 * n), []
    for k in range(min(_FOLDS, n)):
        fitted = clone(model).fit(x[fold != k], label[fold != k])  # pyright: ignore
        guess[fold == k] = fitted.predict_proba(x[fold == k])[:, 1]
        areas.append(roc_auc_score(label[fold == k], guess[fold == k]))
    auc, error = float(np.mean(areas)), float(np.sqrt((2 * n + 1) / (12 * n * n)))
    return ClassifierTest(
        name=name,
        rows=2 * n,
        columns=x.shape[1],
        accuracy=float(((guess > 0.5) == label).mean()),
        accuracy_error=0.5 / float(np.sqrt(2 * n)),
        auc=auc,
        auc_error=error,
        p_value=float(2 * stats.norm.sf(abs(auc - 0.5) / error)),
    )
