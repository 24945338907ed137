# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false
"""Anomalies for scikit-learn, with the attributes that pyod's detectors have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import OutlierMixin

from fluvial.core.numbers import between
from fluvial.data.tables import Table
from fluvial.interfaces.estimators.rows import RowsEstimator, in_batches
from fluvial.kinds.tables.detect import Detector

_IMPOSSIBLE = 1e300  # the score of a row that the model holds impossible


@dataclass(kw_only=True, eq=False, repr=False)
class FlowDetector(OutlierMixin, RowsEstimator):
    """Unusual rows by an exact density: those that lie far out, do not go together, or have rare cells.

    As scikit-learn has it, ``predict`` gives -1 for outliers and 1 for the rest, and ``decision_function`` is negative
    for outliers. ``decision_scores_``, ``threshold_``, ``labels_``, ``predict_proba`` and ``predict_confidence`` are
    what pyod calls them; a detector for pyod itself is :class:`fluvial.interfaces.pyod.Flow`.

    Args:
        contamination: share of outliers among the rows of the fit, which sets the threshold.
        options, epochs, budget, holdout, device, random_state: of the fit of ``mixed``; see :func:`fluvial.fit`.

    Attributes:
        model_: the fitted :class:`fluvial.Model`; its ``detect`` names the cell that is why.
        decision_scores_: how unusual the rows of the fit are, (n_samples,), larger for stranger ones, nats.
        threshold_, labels_: the score from which a row is an outlier, and 1 for those of the fit that are, else 0.
        offset_: minus the threshold: ``decision_function`` is ``score_samples - offset_``.
        n_features_in_, feature_names_in_: of the table it was fitted to.

    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = FlowDetector(epochs=1, options={"hidden": [8], "classes": 1}, random_state=0).fit(X)
    >>> detector.predict([[0.0, 0.0], [9.0, -9.0]])
    array([ 1, -1])
    """

    contamination: float = 0.1

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn what rows of X (n_samples, n_features), a data frame as it is or an array, are like; y is ignored.

        Raises:
            ValueError: X or a parameter cannot be used, as a sentence.
        """
        share = between(
            "contamination", self.contamination, 0.0, 0.5 + 1e-9, "a share of outliers above 0 and at most 0.5"
        )
        if self.holdout == 0:
            raise ValueError("holdout: expected a share above 0, such as 0.1: rows are compared with those held out")
        table = self._given(X, fit=True, least=2).table
        self.model_ = self._learn(table)
        self.detector_ = Detector.of(self.model_)
        self.decision_scores_ = self._scores(table)
        self.threshold_ = float(np.quantile(self.decision_scores_, 1 - share))
        self.offset_ = -self.threshold_
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Minus how unusual each row is, (n_samples,): lower for stranger ones, as scikit-learn has it."""
        return -self._scores(self._given(X).table)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """``score_samples`` less the threshold: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> np.ndarray:
        """-1 for outliers, 1 for the rest, (n_samples,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: ArrayLike) -> np.ndarray:
        """The share of ordinary rows that score as high, (n_samples,), from rows that the fit held out."""
        return self.detector_.p(self._scores(self._given(X).table))

    def predict_proba(self, X: ArrayLike, method: str = "linear") -> np.ndarray:
        """Shares (n_samples, 2) of "ordinary" and "outlier": where a score lies between the least and most of the fit.

        Args:
            method: "linear", or "unify" for the score's standardised place under a normal curve (Kriegel et al. 2011).
        """
        scores, known = self._scores(self._given(X).table), self.decision_scores_
        if method == "linear":
            outlier = (scores - known.min()) / max(float(np.ptp(known)), 1e-300)
        elif method == "unify":
            from math import erf

            away = (scores - known.mean()) / max(float(known.std()), 1e-300)
            outlier = np.array([erf(min(each, 1e9) / 2**0.5) for each in away])
        else:
            raise ValueError(f"method: expected 'linear' or 'unify', got {method!r}")
        outlier = outlier.clip(0, 1)
        return np.column_stack((1 - outlier, outlier))

    def predict_confidence(self, X: ArrayLike) -> np.ndarray:
        """How sure each prediction is, (n_samples,), 0 to 1: how often it would stay under other rows of the fit.

        Perini et al. 2020, "Quantifying the confidence of anomaly detectors in their example-wise predictions".
        """
        scores, known = self._scores(self._given(X).table), np.sort(self.decision_scores_)
        n = len(known)
        outliers = int(n * self.contamination)
        below = np.searchsorted(known, scores, side="right")
        share = (1 + below) / (2 + n)
        sure = _at_least(n, n - outliers, share)
        return np.where(scores > self.threshold_, sure, 1 - sure)

    def _scores(self, table: Table) -> np.ndarray:
        scores = in_batches(lambda part: self.detector_.scores(self.model_.schema.encode(part)), table)
        return np.minimum(scores, _IMPOSSIBLE)


def _at_least(n: int, k: int, p: np.ndarray) -> np.ndarray:
    """P(at least k of n succeed), each with probability p (N,)."""
    from scipy.stats import binom

    return binom.sf(k - 1, n, p)
