# pyright: basic, reportArgumentType=false
"""What people give an estimator as y, checked: labels of one type, or numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_X_y
from sklearn.utils.multiclass import check_classification_targets

from fluvial.interfaces.estimators.given import check_one_type
from fluvial.interfaces.estimators.weights import is_number


def labels_of(estimator: BaseEstimator, y: ArrayLike, n: int) -> np.ndarray:
    """The label of each of n rows, (n,).

    Raises:
        ValueError: a row has none, they are of several types, or they are numbers with fractions; as a sentence.
    """
    labels = _one_each(estimator, y, n)
    if labels.dtype == object:
        if without := [i for i, label in enumerate(labels) if label is None]:
            raise ValueError(f"y: row {without[0] + 1} has no label, got None: leave such rows out")
        check_one_type("y", labels.tolist(), "y.astype(str)")
    check_classification_targets(labels)
    return labels


def numbers_of(estimator: BaseEstimator, y: ArrayLike, n: int) -> np.ndarray:
    """The number of each of n rows, (n,) float64.

    Raises:
        ValueError: not one finite number for each row, as a sentence.
    """
    found = _one_each(estimator, y, n)
    wrong: list[object] = []
    if found.dtype.kind not in "fiub":
        wrong = [v for v in found.tolist() if found.dtype.kind in "mM" or not is_number(v)]
    if wrong:
        raise ValueError(f"y: expected numbers, got {wrong[0]!r}; for labels there is FlowClassifier")
    return found.astype(np.float64)


def _one_each(estimator: BaseEstimator, y: ArrayLike, n: int) -> np.ndarray:
    """scikit-learn's own checks, of y alone: X is a table, which they would take for an array."""
    return check_X_y(np.zeros((n, 1)), y, estimator=estimator, dtype=None)[1]
