"""What simple predictors reach on the same sound: yardsticks in bits per sample.

All are probabilities of the codes, fitted to training recordings alone, so their figures compare with a model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluvial.kinds.sound.coding import Coding

ORDERS = (1, 2, 4, 8, 12, 16, 24, 32)
"""Orders of linear prediction that are tried."""
_SPANS = (16, 48, 128)  # samples over which the size of the recent errors is averaged
_SCALES = (0.35, 0.5, 0.7, 1.0, 1.4)  # of the logistic, in units of that average
_TRIED = 300_000  # samples at most on which span and scale are chosen


def histogram(train: np.ndarray, test: np.ndarray, levels: int) -> float:
    """Bits per sample of codes drawn independently, with the training codes' frequencies (one added to each)."""
    counts = np.bincount(train, minlength=levels) + 1.0
    return float(-np.log2(counts / counts.sum())[test].mean())


def markov(train: Sequence[np.ndarray], test: Sequence[np.ndarray], levels: int) -> float:
    """Bits per sample given the code before: pairs counted, backed off to the histogram.

    P(b | a) = (n_ab + 8 P(b)) / (n_a + 8); the first sample of a recording has P(b).
    """
    single = np.bincount(np.concatenate(train), minlength=levels) + 1.0
    single /= single.sum()
    pairs = np.zeros((levels, levels))
    for codes in train:
        np.add.at(pairs, (codes[:-1], codes[1:]), 1.0)
    p = (pairs + 8 * single) / (pairs.sum(1, keepdims=True) + 8)
    bits = [-np.log2(single[c[:1]]).sum() - np.log2(p[c[:-1], c[1:]]).sum() for c in test]
    return float(sum(bits) / sum(map(len, test)))


@dataclass(frozen=True)
class LinearPrediction:
    r"""Each sample is logistic around a linear function of the ``order`` samples before it.

    The logistic's scale follows the mean absolute error of the last ``span`` samples. The probability of a code is
    the mass of its interval of amplitudes, so this is a distribution over codes like a model's.
    """

    coding: Coding
    weights: np.ndarray
    span: int
    scale: float
    floor: float

    @classmethod
    def fit(cls, waves: Sequence[np.ndarray], coding: Coding, order: int) -> LinearPrediction:
        """Least squares for the weights; span and scale by likelihood, all on the training recordings."""
        gram, cross = np.zeros((order, order)), np.zeros(order)
        for wave in waves:
            past = _past(wave, order)
            gram += past.T @ past
            cross += past.T @ wave
        # of silence every order predicts silence, with weights of zero
        ridge = 1e-9 * np.trace(gram) or 1.0
        weights = np.linalg.solve(gram + ridge * np.eye(order), cross)
        few = list(waves[:: max(1, sum(map(len, waves)) // _TRIED)])
        floor = 0.5 * float(np.diff(coding.decode(np.arange(coding.levels))).min())
        tried = [cls(coding, weights, span, scale, floor) for span in _SPANS for scale in _SCALES]
        return min(tried, key=lambda p: p.bits(few))

    def bits(self, waves: Sequence[np.ndarray]) -> float:
        """Bits per sample."""
        return sum(self._bits(w) for w in waves) / sum(map(len, waves))

    def _bits(self, wave: np.ndarray) -> float:
        codes = self.coding.encode(wave).astype(np.int64)
        values = self.coding.decode(np.arange(self.coding.levels)).astype(np.float64)
        edges = np.concatenate(([-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]))
        mean = _past(wave, len(self.weights)) @ self.weights
        error = np.concatenate(([0.0], np.cumsum(np.abs(wave - mean))))
        at = np.arange(len(wave))
        begin = np.maximum(at - self.span, 0)
        recent = (error[at] - error[begin] + 4 * self.floor) / (at - begin + 1)
        s = self.scale * recent + self.floor
        low, high = (edges[codes] - mean) / s, (edges[codes + 1] - mean) / s
        mass = np.tanh(np.clip(high, -80, 80) / 2) - np.tanh(np.clip(low, -80, 80) / 2)
        return float(-np.log2(0.5 * mass * (1 - 1e-4) + 1e-4 / self.coding.levels).sum())


def linear_prediction(
    train: Sequence[np.ndarray], valid: Sequence[np.ndarray], coding: Coding, orders: Sequence[int] = ORDERS
) -> LinearPrediction:
    """The best of several orders by the bits of other recordings, ``valid``."""
    return min((LinearPrediction.fit(train, coding, order) for order in orders), key=lambda p: p.bits(valid))


def _past(wave: np.ndarray, order: int) -> np.ndarray:
    """(T, order): the samples before each, the latest first, zeros before the start."""
    padded = np.concatenate((np.zeros(order), wave.astype(np.float64)))
    return np.lib.stride_tricks.sliding_window_view(padded, order)[:-1, ::-1]
