# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
"""Classes from the joint density of a row and its label."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fluvial.interfaces.estimators.rows import TARGET, RowsEstimator, named
from fluvial.interfaces.estimators.weights import checked


class FlowClassifier(ClassifierMixin, RowsEstimator):
    """p(label | row), exactly, from the joint density of both: also where cells of the row are missing.

    Args:
        options, epochs, budget, holdout, device, random_state: of the fit of ``mixed``; see :func:`fluvial.fit`.

    Attributes:
        model_: the fitted :class:`fluvial.Model` of the columns x0, x1, ... and "target".
        classes_: the labels.
        n_features_in_, feature_names_in_: of the table it was fitted to.

    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack((rng.normal(size=(60, 2)), rng.normal(5, 1, size=(60, 2))))
    >>> classifier = FlowClassifier(epochs=1, options={"hidden": [8]}, random_state=0).fit(X, ["a"] * 60 + ["b"] * 60)
    >>> classifier.predict([[0.0, 0.0], [5.0, np.nan]]).tolist()
    ['a', 'b']
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the density of rows X (n_samples, n_features), NaN where a cell is missing, with their labels y.

        Args:
            sample_weight: how often each row counts, (n_samples,): 2 is the row twice, 0 leaves it out. Of weights that
                are not whole numbers the ratios count: they are scaled to a mean of 1, and rounded to copies at random.
                Copies of a row are held out together.

        Raises:
            ValueError: X, y or a parameter cannot be used, as a sentence.
        """
        x, labels = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(labels)
        self.classes_ = np.unique(labels[checked(sample_weight, len(x)) > 0])
        codes = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if len(self.classes_) < 2:
            raise ValueError(f"y: a classifier needs at least 2 classes, got one class alone, {self.classes_[0]!r}")
        columns = named(x) | {TARGET: codes.astype(str).astype(object)}
        self.model_ = self._learn(columns, {TARGET: "categorical"}, sample_weight)
        return self

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """P(label | row), (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        column = next(c for c in self.model_.schema.columns if c.name == TARGET)
        shares = np.zeros((len(x), len(self.classes_)))
        shares[:, [int(label) for label in column.categories]] = self.model_.predict_proba(named(x), TARGET)
        return shares

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest label of each row, (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(1)]
