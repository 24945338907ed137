# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
"""Gaps filled in from what the rest of a row says."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from fluvial.interfaces.estimators.rows import RowsEstimator, named, seed_of


class FlowImputer(OneToOneFeatureMixin, TransformerMixin, RowsEstimator):
    """Missing cells by the median of their density given the cells that are there; these stay as they are.

    Args:
        options, epochs, budget, holdout, device, random_state: of the fit of ``mixed``; see :func:`fluvial.fit`.

    Attributes:
        model_: the fitted :class:`fluvial.Model`, whose ``impute(..., draws=5)`` gives several tables, each drawn.
        n_features_in_, feature_names_in_: of the table it was fitted to.

    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> imputer = FlowImputer(epochs=1, options={"hidden": [8]}, random_state=0)
    >>> imputer = imputer.fit(np.hstack((x, 3 * x + 1e-3 * x**2)))
    >>> imputer.transform([[1.0, np.nan]]).round(1).tolist()
    [[1.0, 3.0]]
    """

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the density of rows of X (n_samples, n_features), NaN where a cell is missing; y is ignored.

        Args:
            sample_weight: how often each row counts, (n_samples,): 2 is the row twice, 0 leaves it out. Of weights that
                are not whole numbers the ratios count: they are scaled to a mean of 1, and rounded to copies at random.
                Copies of a row are held out together.

        Raises:
            ValueError: X or a parameter cannot be used, as a sentence.
        """
        x = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.model_ = self._learn(named(x), weights=sample_weight)
        self.seed_ = seed_of(self.random_state)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """The rows with their gaps filled in, (n_samples, n_features)."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        gaps = np.isnan(x)
        if not gaps.any():
            return x.copy()
        found = self.model_.impute(named(x), seed=self.seed_)
        return np.where(gaps, np.column_stack([np.asarray(column, dtype=np.float64) for column in found.values()]), x)
