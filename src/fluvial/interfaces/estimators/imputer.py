# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportCallIssue=false
"""Gaps filled in from what the rest of a row says."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from fluvial.data.tables import is_missing
from fluvial.data.words import listed
from fluvial.interfaces.estimators.frames import with_gaps_filled
from fluvial.interfaces.estimators.rows import RowsEstimator, seed_of, without_unseen


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
        """Learn the density of rows of X (n_samples, n_features), a data frame or an array; y is ignored.

        Args:
            sample_weight: how often each row counts, (n_samples,): 2 is the row twice, 0 leaves it out. Of weights that
                are not whole numbers the ratios count: they are scaled to a mean of 1, and rounded to copies at random.
                Copies of a row are held out together.

        Raises:
            ValueError: X or a parameter cannot be used, as a sentence.
        """
        self.model_ = self._learn(self._given(X, fit=True).table, weights=sample_weight)
        self.seed_ = seed_of(self.random_state)
        return self

    def transform(self, X: ArrayLike) -> Any:  # noqa: ANN401  (a frame of any library, or an array)
        """The rows with their gaps filled in, (n_samples, n_features): of a data frame one of the same types.

        Columns of which the fit knows nothing, since no row had a value in them, say, keep their gaps, with a warning.
        """
        rows = self._given(X)
        gaps = {name: is_missing(values) for name, values in rows.table.columns.items()}
        if left := [name for name, gap in gaps.items() if gap.any() and name not in self.model_.schema.order]:
            warnings.warn(
                f"gaps stay in {listed(left)}, of which the fit could learn nothing: leave such columns out",
                UserWarning,
                stacklevel=2,
            )
        found = rows.table.columns
        if any(gap.any() for gap in gaps.values()):
            known = without_unseen(self.model_, rows.table)
            found = self.model_.impute(replace(known, kind="dict", index=None), seed=self.seed_)
        if rows.frame is not None:
            return with_gaps_filled(rows.frame, gaps, found)
        filled = np.column_stack([column.astype(rows.cells.dtype) for column in found.values()])
        return np.where(np.column_stack(list(gaps.values())), filled, rows.cells)
