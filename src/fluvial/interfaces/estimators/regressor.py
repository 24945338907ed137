# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
"""Numbers with their whole distribution from the joint density of a row and its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from fluvial.interfaces.estimators.rows import RowsEstimator
from fluvial.interfaces.estimators.targets import numbers_of


class FlowRegressor(RegressorMixin, RowsEstimator):
    """Mean and quantiles of a number given a row, from the joint density of both: also where cells are missing.

    Args:
        options, epochs, budget, holdout, device, random_state: of the fit of ``mixed``; see :func:`fluvial.fit`.

    Attributes:
        model_: the fitted :class:`fluvial.Model` of the frame's columns, or x0, x1, ..., and of "target"; where one
            of X is called so, "target_".
        n_features_in_, feature_names_in_: of the table it was fitted to.

    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> regressor = FlowRegressor(epochs=1, options={"hidden": [8]}, random_state=0).fit(x, 3 * x[:, 0])
    >>> regressor.predict([[1.0]]).round(1).tolist()
    [3.0]
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the density of rows X (n_samples, n_features), a data frame as it is or an array, with their targets y.

        Args:
            sample_weight: how often each row counts, (n_samples,): 2 is the row twice, 0 leaves it out. Of weights that
                are not whole numbers the ratios count: they are scaled to a mean of 1, and rounded to copies at random.
                Copies of a row are held out together.

        Raises:
            ValueError: X, y or a parameter cannot be used, as a sentence.
        """
        table = self._given(X, fit=True).table
        both = table.beside(self._target, numbers_of(self, y, len(table)))
        self.model_ = self._learn(both, {self._target: "real"}, sample_weight)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The mean given each row, (n_samples,), in the units of y.

        Labels in X that the fit never saw are taken for missing cells, with a warning.
        """
        table = self._known(X)
        return np.asarray(self.model_.predict(table, self._target), dtype=np.float64)

    def predict_quantiles(self, X: ArrayLike, q: Sequence[float] = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Quantiles given each row, (n_samples, len(q)); exact."""
        table = self._known(X)
        if self._target in self.model_.schema.names:
            return self.model_.predict_quantiles(table, self._target, q)
        return np.tile(self.model_.predict(table, self._target), (len(q), 1)).T  # other columns determine it
