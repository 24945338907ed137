# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""fluvial for pyod: a detector that stands beside its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fluvial.interfaces.estimators.detector import FlowDetector

try:
    from pyod.models.base import BaseDetector
except ImportError:
    raise ImportError("fluvial.interfaces.pyod needs pyod, which is not installed: pip install pyod") from None


@dataclass(eq=False, repr=False)  # as of RowsEstimator
class Flow(BaseDetector):
    """:class:`fluvial.FlowDetector` as pyod has its detectors: larger scores and label 1 are outliers.

    Args:
        contamination: share of outliers among the rows of the fit.
        options, epochs, budget, holdout, device, random_state: see :class:`fluvial.FlowDetector`.

    Attributes:
        detector_: the fitted :class:`fluvial.FlowDetector`.
        decision_scores_, threshold_, labels_: of the rows of the fit.
    """

    contamination: float = 0.1
    options: Mapping[str, Any] | None = None
    epochs: int | None = None
    budget: float | str | None = None
    holdout: float = 0.1
    device: str | None = None
    random_state: int | None = None

    def __post_init__(self) -> None:
        super().__init__(contamination=self.contamination)

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn what rows of X are like; y is ignored."""
        self._set_n_classes(y)
        self.detector_ = FlowDetector(**self.get_params()).fit(X)
        self.decision_scores_ = self.detector_.decision_scores_
        self._process_decision_scores()
        return self

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """How unusual each row is, (n_samples,), larger for stranger ones."""
        return -self.detector_.score_samples(X)
