# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportMissingImports=false, reportOptionalMemberAccess=false, reportCallIssue=false
"""Rows of rare classes for imbalanced-learn, drawn from the density of rows given their label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from fluvial.data.tables import Columns, read
from fluvial.interfaces.estimators.frames import is_pandas, rows_below, series_like
from fluvial.interfaces.estimators.given import Given, as_frame, check_one_type, named
from fluvial.interfaces.estimators.rows import RowsEstimator, seed_of, with_left_out
from fluvial.interfaces.estimators.targets import labels_of

try:
    from imblearn.over_sampling.base import BaseOverSampler
    from imblearn.utils import check_sampling_strategy, check_target_type
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
        model_: the fitted :class:`fluvial.Model` of the frame's columns, or x0, x1, ..., and of "target", which has the
            places of the labels among all labels, sorted.
        sampling_strategy_: how many rows each class got.
    """

    sampling_strategy: float | str | Mapping[object, int] | Callable[..., object] = "auto"

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:  # noqa: ANN401  (as imbalanced-learn has it)
        """The rows X and labels y, and below them new rows of the classes that lack some; a data frame keeps its types.

        Raises:
            ValueError: X, y or a parameter cannot be used, as a sentence.
        """
        check_one_type("y", np.asarray(y, dtype=object).ravel().tolist(), "y.astype(str)")
        frame = as_frame(X)
        if frame is None or is_pandas(frame):
            return super().fit_resample(X, y, **params)
        rows, labels, _ = self._check_X_y(frame, y)
        self.sampling_strategy_ = check_sampling_strategy(self.sampling_strategy, labels, self._sampling_type)
        found, labels = self._fit_resample(rows, labels)
        series = nw.from_native(y, pass_through=True, allow_series=True)
        return found, series_like(series, labels) if isinstance(series, nw.Series) else labels

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check_X_y(self, X: Any, y: Any, accept_sparse: object = None) -> tuple[Any, np.ndarray, bool]:  # noqa: ANN401, N802
        labels, several = check_target_type(y, indicate_one_vs_all=True)
        if sparse.issparse(X):
            x = validate_data(self, X, accept_sparse=["csr", "csc"], reset=True)
            rows = Given(read(named(x.toarray())), cells=x)
        else:
            rows = self._given(X, fit=True)
            x = np.asarray(X) if rows.frame is None and rows.cells.dtype == np.float64 else rows.cells  # of X's dtype
            rows = replace(rows, cells=x)
        self.columns_ = rows.table.names
        return rows, labels_of(self, labels, len(rows.table)), several

    def _fit_resample(self, X: Given, y: np.ndarray) -> tuple[Any, np.ndarray]:
        classes, codes = np.unique(y, return_inverse=True)
        both = X.table.beside(self._target, codes.astype(str).astype(object))
        self.model_ = self._learn(both, {self._target: "categorical"})
        drawn, labels, seed = list[Columns](), [y], seed_of(self.random_state)
        for label, count in self.sampling_strategy_.items():
            if count:
                code = int(np.flatnonzero(classes == label)[0])
                drawn.append(self.model_.given({self._target: str(code)}).sample_columns(count, seed + code))
                labels.append(np.full(count, label, dtype=y.dtype))
        return _below(X, drawn), np.concatenate(labels)


def _below(X: Given, drawn: Sequence[Columns]) -> Any:  # noqa: ANN401  (a frame of any library, or an array)
    """The rows, and those drawn below them; columns of which the fit knows nothing are missing there."""
    if not drawn:
        return X.cells if X.frame is None else X.frame
    drawn = [with_left_out(each, X.table.names) for each in drawn]
    columns = {name: np.concatenate([each[name] for each in drawn]) for name in X.table.names}
    if X.frame is not None:
        return rows_below(X.frame, columns)
    new = np.column_stack([column.astype(X.cells.dtype) for column in columns.values()])
    return type(X.cells)(np.vstack((X.cells.toarray(), new))) if sparse.issparse(X.cells) else np.vstack((X.cells, new))
