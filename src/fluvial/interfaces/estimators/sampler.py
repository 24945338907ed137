# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportMissingImports=false
"""Rows of rare classes for imbalanced-learn, drawn from the density of rows given their label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import Tags

from fluvial.interfaces.estimators.rows import TARGET, RowsEstimator, named, seed_of

try:
    from imblearn.over_sampling.base import BaseOverSampler
except ImportError:
    raise ImportError(
        'FlowSampler needs imbalanced-learn, which is not installed: pip install "fluvial[imbalanced]"'
    ) from None


@dataclass(kw_only=True, eq=False, repr=False)
class FlowSampler(BaseOverSampler, RowsEstimator):
    """An over-sampler: the rows that a class lacks are drawn from p(row | label).

    Args:
        sampling_strategy: which classes get how many rows, as imbalanced-learn has it; "auto" makes all classes as
            large as the largest.
        options, epochs, budget, holdout, device, random_state: of the fit of ``mixed``; see :func:`fluvial.fit`.

    Attributes:
        model_: the fitted :class:`fluvial.Model` of the columns x0, x1, ... and "target".
        sampling_strategy_: how many rows each class got.
    """

    sampling_strategy: float | str | Mapping[object, int] | Callable[..., object] = "auto"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags

    def _fit_resample(self, X: Any, y: np.ndarray) -> tuple[Any, np.ndarray]:  # noqa: ANN401  (an array or sparse)
        from scipy import sparse

        x = X.toarray() if sparse.issparse(X) else np.asarray(X)
        classes, codes = np.unique(y, return_inverse=True)
        columns = named(x) | {TARGET: codes.astype(str).astype(object)}
        self.model_ = self._learn(columns, {TARGET: "categorical"})
        rows, labels, seed = [x], [y], seed_of(self.random_state)
        for label, count in self.sampling_strategy_.items():
            if count:
                code = int(np.flatnonzero(classes == label)[0])
                rows.append(self._drawn(code, count, seed + code).astype(x.dtype))
                labels.append(np.full(count, label, dtype=y.dtype))
        found = np.vstack(rows)
        return (type(X)(found) if sparse.issparse(X) else found), np.concatenate(labels)

    def _drawn(self, code: int, count: int, seed: int) -> np.ndarray:
        """Rows (count, D) of one class."""
        drawn = self.model_.given({TARGET: str(code)}).sample_columns(count, seed)
        return np.column_stack([drawn[f"x{j}"] for j in range(len(drawn) - 1)]).astype(np.float64)
