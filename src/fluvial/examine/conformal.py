"""From scores to decisions whose false alarms are known: p-values, a false discovery rate, a bet against drift."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.core.numbers import between

_STAKES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # how much is bet on p-values being large, or small where negative
_JUMP = 0.01  # share of the capital that changes its stake at each row
_ROUNDING = 2e-6  # of a score, which another batch may give otherwise
_LEAST = 1e-300  # what a capital may not sink below, for it to recover


def p_values(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    r"""Split-conformal p-values (N,) of anomaly scores, given those of M held-out rows.

    :math:`p = (1 + \#\{j : s_j \ge s\}) / (M + 1)`: where the new row and the held-out ones are exchangeable,
    :math:`P(p \le \alpha) \le \alpha`, whatever the score and however good the model (Vovk, Gammerman and Shafer 2005;
    Bates et al. 2023, arXiv 2104.08279). No p-value is below 1 / (M + 1). Scores that differ by no more than the
    rounding of float32 count as equal.

    >>> p_values(np.array([0.0, 50.0, 1000.0]), np.arange(99.0)).round(2).tolist()
    [1.0, 0.5, 0.01]
    """
    known = np.sort(reference)
    return (1 + len(known) - np.searchsorted(known, lowered(scores), side="left")) / (1 + len(known))


def lowered(scores: np.ndarray) -> np.ndarray:
    """Scores (N,) less what rounding may have added, so that those that should be equal are not above each other."""
    with np.errstate(invalid="ignore"):  # of infinite scores
        return np.where(np.isfinite(scores), scores - _ROUNDING * np.maximum(1.0, np.abs(scores)), scores)


def discoveries(p: np.ndarray, fdr: float) -> np.ndarray:
    """Which p-values (N,) are discoveries at a false discovery rate: at most that share of them is false, on average.

    Benjamini and Hochberg 1995; valid for conformal p-values that share their held-out rows by arXiv 2104.08279.

    >>> discoveries(np.array([0.001, 0.9, 0.012, 0.04]), 0.05).tolist()
    [True, False, True, False]
    """
    fdr = between("fdr", fdr, 0.0, 1.0, "a share of false alarms among all alarms, such as 0.1")
    ascending = np.sort(p)
    passed = np.flatnonzero(ascending <= fdr * np.arange(1, len(p) + 1) / max(1, len(p)))
    return p <= ascending[passed[-1]] if len(passed) else np.zeros(len(p), dtype=bool)


@dataclass
class Drift:
    """A bet that rows are no longer like those of the fit; its capital tells how sure that is.

    Each row is ranked among the held-out rows and all rows before it, ties at random: as long as all of them are
    exchangeable, these p-values are independent and uniform. The capital starts at 1 and is multiplied by
    1 + stake (p - 1/2), averaged over stakes that change now and then (the Simple Jumper of Vovk et al. 2021,
    arXiv 2102.10439). Without drift it ever reaches c with a probability of 1 / c at most (Ville's inequality), however
    long the stream. One row multiplies it by 1.5 at most, so single anomalies do not make a drift.

    Args:
        reference: anomaly scores of held-out rows, (M,).
        alarm: the chance of a false alarm, ever.
        seed: of the ties.

    >>> drift = Drift(np.arange(200.0))
    >>> drift.watch(np.random.default_rng(0).uniform(0, 200, 300)), drift.watch([180.0, 190.0] * 30)
    (None, 330)
    """

    reference: np.ndarray
    alarm: float = 0.001
    seed: int = 0
    capital: float = 1.0
    rows: int = 0
    since: int | None = None
    """The number of rows after which the alarm was given; None before."""
    _seen: list[float] = field(init=False, repr=False)
    _parts: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        between("alarm", self.alarm, 0.0, 1.0, "a chance of a false alarm, such as 0.001")
        self._seen = np.sort(self.reference).tolist()
        self._parts = np.full(len(_STAKES), 1 / len(_STAKES))
        self._random = np.random.default_rng(self.seed)

    def watch(self, scores: Iterable[float]) -> int | None:
        """Bet on more rows; the number of rows after which the alarm was given, None so far."""
        for score in scores:
            self._bet(self._p(float(score)))
            self.rows += 1
            if self.since is None and self.capital >= 1 / self.alarm:
                self.since = self.rows
        return self.since

    def _p(self, score: float) -> float:
        """The row's place among all so far, itself included, from the top: uniform where they are exchangeable."""
        if math.isnan(score):
            raise UsageError("a score is not a number, and has no place among others")
        last = bisect.bisect_right(self._seen, score)
        ties = last - bisect.bisect_left(self._seen, score)
        self._seen.insert(last, score)
        above = len(self._seen) - 1 - last
        return float((above + self._random.uniform() * (ties + 1)) / len(self._seen))

    def _bet(self, p: float) -> None:
        parts = (1 - _JUMP) * self._parts + _JUMP * self._parts.mean()
        self._parts = np.maximum(parts * (1 + np.array(_STAKES) * (p - 0.5)), _LEAST)
        self.capital = float(self._parts.sum())
