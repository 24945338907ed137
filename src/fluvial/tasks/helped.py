"""Do new rows help? Gradient boosting with and without them, on rows that neither it nor the density has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.core.numbers import whole
from fluvial.data.words import counted

_RESAMPLES = 2000  # of the rows, for the interval


@dataclass(frozen=True)
class Helped:
    """Balanced accuracy (the mean over the labels of the share that is right) with and without the new rows.

    Args:
        without, with_rows: out of fold.
        low, high: where 95 of 100 differences lie, over resamples of the judged rows; which rows trained is not varied.
        folds, rows: in how many parts the rows were judged, and how many.
    """

    without: float
    with_rows: float
    low: float
    high: float
    folds: int
    rows: int

    @property
    def sure(self) -> bool:
        """Whether the new rows help beyond chance."""
        return self.low > 0

    def __str__(self) -> str:
        told = (
            f"balanced accuracy of gradient boosting, out of {self.folds} folds of {self.rows:,} rows: "
            f"{self.without:.3f} without the new rows, {self.with_rows:.3f} with them "
            f"(difference {self.with_rows - self.without:+.3f}, 95 % from {self.low:+.3f} to {self.high:+.3f})"
        )
        if self.sure:
            return told
        worse = "they made it worse" if self.high < 0 else "that is no more than chance"
        return f"{told}: {worse}, so do not expect these rows to help"


def check_folds(labels: np.ndarray, folds: int) -> None:
    """UsageError, a sentence, unless each label (N,) has a row for each fold."""
    rarest = int(np.unique(labels.astype(str), return_counts=True)[1].min())
    if whole("folds", folds, 2) > rarest:
        raise UsageError(
            f"check: the rarest label has {counted(rarest, 'row')}, too few for {folds} folds: name fewer (--folds), "
            "or leave the check out (--no-check, check=False in Python)"
        )


def helped(
    x: np.ndarray,
    y: np.ndarray,
    labels: np.ndarray,
    more: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]],
    folds: int = 5,
    seed: int = 0,
) -> Helped:
    """Judge new rows fold by fold.

    Args:
        x, y: all rows (N, D), encoded, and their labels (N,), whole numbers.
        labels: which columns hold labels, (D,) bool.
        more: numbers of the training rows, and a fold's number -> new rows and labels made from these alone.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn.model_selection import StratifiedKFold
    except ImportError:
        raise UsageError(
            'the check needs scikit-learn, which is not installed: pip install "fluvial[sklearn]"'
        ) from None
    guesses = np.zeros((2, len(x)), dtype=np.int64)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y)
    for fold, (train, test) in enumerate(parts):
        new, classes = more(train, fold)
        guesses[0, test] = _boosted(x[train], y[train], labels, seed).predict(x[test])
        both = np.vstack((x[train], new)), np.concatenate((y[train], classes))
        guesses[1, test] = _boosted(*both, labels, seed).predict(x[test])
    without, with_rows = (_balanced(y, guess) for guess in guesses)
    rng = np.random.default_rng(seed)
    drawn = [_resampled(y, rng) for _ in range(_RESAMPLES)]
    differences = [_balanced(y[i], guesses[1, i]) - _balanced(y[i], guesses[0, i]) for i in drawn]
    low, high = (float(each) for each in np.quantile(differences, (0.025, 0.975)))
    return Helped(without, with_rows, low, high, folds, len(x))


def _boosted(x: np.ndarray, y: np.ndarray, labels: np.ndarray, seed: int) -> Any:  # noqa: ANN401  (scikit-learn's)
    from sklearn.ensemble import HistGradientBoostingClassifier

    few = labels & (np.nanmax(x, axis=0, initial=0) < 255)  # as many labels as it takes
    return HistGradientBoostingClassifier(categorical_features=few, random_state=seed).fit(x, y)


def _balanced(y: np.ndarray, guess: np.ndarray) -> float:
    right = np.bincount(y, weights=y == guess)
    counts = np.bincount(y)
    return float((right[counts > 0] / counts[counts > 0]).mean())


def _resampled(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers of rows drawn with replacement, as many of each label as there are."""
    return np.concatenate([rng.choice(where, len(where)) for where in (np.flatnonzero(y == k) for k in np.unique(y))])
