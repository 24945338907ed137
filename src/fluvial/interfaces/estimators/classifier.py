# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
"""Classes from the joint density of a row and its label."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin

from fluvial.interfaces.estimators.rows import RowsEstimator
from fluvial.interfaces.estimators.targets import labels_of
from fluvial.interfaces.estimators.weights import checked


class FlowClassifier(ClassifierMixin, RowsEstimator):
    """p(label | row), exactly, from the joint density of both: also where cells of the row are missing.

    Args:
        options, epochs, budget, holdout, device, random_state: of the fit of ``mixed``; see :func:`fluvial.fit`.

    Attributes:
        model_: the fitted :class:`fluvial.Model` of the frame's columns, or x0, x1, ..., and of "target", which has the
            places of the labels in ``classes_``. Where a column of X is called so, it is "target_".
        classes_: the labels.
        n_features_in_, feature_names_in_: of the table it was fitted to.

    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack((rng.normal(size=(60, 2)), rng.normal(5, 1, size=(60, 2))))
    >>> classifier = FlowClassifier(epochs=1, options={"hidden": [8]}, random_state=0).fit(X, ["a"] * 60 + ["b"] * 60)
    >>> classifier.predict([[0.0, 0.0], [5.0, np.nan]]).tolist()
    ['a', 'b']
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the density of rows X (n_samples, n_features), a data frame as it is or an array, with their labels y.

        Args:
            sample_weight: how often each row counts, (n_samples,): 2 is the row twice, 0 leaves it out. Of weights that
                are not whole numbers the ratios count: they are scaled to a mean of 1, and rounded to copies at random.
                Copies of a row are held out together.

        Raises:
            ValueError: X, y or a parameter cannot be used, as a sentence.
        """
        table = self._given(X, fit=True).table
        labels = labels_of(self, y, len(table))
        self.classes_ = np.unique(labels[checked(sample_weight, len(table)) > 0])
        codes = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if len(self.classes_) < 2:
            (alone,) = self.classes_.tolist()
            raise ValueError(f"y: a classifier needs at least 2 classes, got one class alone, {alone!r}")
        both = table.beside(self._target, codes.astype(str).astype(object))
        self.model_ = self._learn(both, {self._target: "categorical"}, sample_weight)
        return self

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """P(label | row), (n_samples, n_classes), in the order of ``classes_``.

        Labels in X that the fit never saw are taken for missing cells, with a warning.
        """
        table = self._known(X)
        column = next(c for c in self.model_.schema.columns if c.name == self._target)
        shares = np.zeros((len(table), len(self.classes_)))
        shares[:, [int(label) for label in column.categories]] = self.model_.predict_proba(table, self._target)
        return shares

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest label of each row, (n_samples,)."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(1)]
