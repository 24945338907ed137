# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
"""Numbers with their whole distribution from the joint density of a row and its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from fluvial.data.tables import Columns
from fluvial.interfaces.estimators.rows import TARGET, RowsEstimator, determined, named


class FlowRegressor(RegressorMixin, RowsEstimator):
    """Mean and quantiles of a number given a row, from the joint density of both: also where cells are missing.

    Args:
        options, epochs, budget, holdout, device, random_state: of the fit of ``mixed``; see :func:`fluvial.fit`.

    Attributes:
        model_: the fitted :class:`fluvial.Model` of the columns x0, x1, ... and "target".
        n_features_in_, feature_names_in_: of the table it was fitted to.

    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> regressor = FlowRegressor(epochs=1, options={"hidden": [8]}, random_state=0).fit(x, 3 * x[:, 0])
    >>> regressor.predict([[1.0]]).round(1).tolist()
    [3.0]
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the density of rows X (n_samples, n_features), NaN where a cell is missing, with their targets y.

        Args:
            sample_weight: how often each row counts, (n_samples,): 2 is the row twice, 0 leaves it out. Of weights that
                are not whole numbers the ratios count: they are scaled to a mean of 1, and rounded to copies at random.
                Copies of a row are held out together.

        Raises:
            ValueError: X, y or a parameter cannot be used, as a sentence.
        """
        x, target = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        columns = named(x) | {TARGET: np.asarray(target, dtype=np.float64)}
        self.model_ = self._learn(columns, {TARGET: "real"}, sample_weight)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The mean given each row, (n_samples,), in the units of y."""
        columns = self._columns(X)
        known = determined(self.model_, columns)
        return self.model_.predict(columns, TARGET) if known is None else known

    def predict_quantiles(self, X: ArrayLike, q: Sequence[float] = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Quantiles given each row, (n_samples, len(q)); exact."""
        columns = self._columns(X)
        known = determined(self.model_, columns)
        return self.model_.predict_quantiles(columns, TARGET, q) if known is None else np.tile(known, (len(q), 1)).T

    def _columns(self, X: ArrayLike) -> Columns:
        check_is_fitted(self)
        return named(validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False))
