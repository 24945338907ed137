"""Is this datum like the training data? Two answers besides the likelihood, which alone can rank foreign data first.

*Typicality* compares log p with that of held-out data, on both sides: a datum that is too likely is as foreign as one
that is too unlikely. *Excess* takes off what a yardstick needs for the same datum, a compressor or another model, so
that plain images, which every model finds likely, no longer look familiar.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from fluvial.core.errors import DataError


@dataclass(frozen=True)
class Reference:
    """A score of held-out data, sorted (N,), with which scores of new data are compared.

    >>> reference = Reference.of(np.arange(99.0))
    >>> reference.two_sided(np.array([49.0, 98.0, 200.0])).round(2).tolist()
    [1.0, 0.04, 0.02]
    """

    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Reference:
        """Of scores in any order.

        Raises:
            DataError: fewer than 2 finite ones.
        """
        finite = np.sort(values[np.isfinite(values)].astype(np.float64))
        if len(finite) < 2:
            raise DataError(f"typicality needs the scores of at least 2 held-out rows, got {len(finite)}")
        return cls(finite)

    def deviation(self, values: np.ndarray) -> np.ndarray:
        """(value - mean) / standard deviation of the held-out scores: its size is the distance from the typical.

        Nalisnick et al. 2019, arXiv 1906.02994, for one datum, in units of the spread.
        """
        return (values - self.values.mean()) / max(float(self.values.std(ddof=1)), 1e-300)

    def at_most(self, values: np.ndarray) -> np.ndarray:
        """Probability that a fresh held-out datum scores as low or lower: (1 + held-out ones that do) / (1 + N)."""
        return (1 + np.searchsorted(self.values, values, side="right")) / (1 + len(self.values))

    def at_least(self, values: np.ndarray) -> np.ndarray:
        """Probability that a fresh held-out datum scores as high or higher."""
        return (1 + len(self.values) - np.searchsorted(self.values, values, side="left")) / (1 + len(self.values))

    def two_sided(self, values: np.ndarray) -> np.ndarray:
        """Twice the smaller of the two, 1 at most: a p-value that is valid for any N; the smallest is 2 / (N + 1)."""
        return np.minimum(1.0, 2 * np.minimum(self.at_most(values), self.at_least(values)))


def excess(log_prob: np.ndarray, yardstick: np.ndarray) -> np.ndarray:
    """Bits that the model needs beyond a yardstick's, (N,): -log2 p - yardstick. High for foreign data.

    With :func:`compressed_bits` this is S of Serrà et al. 2019, arXiv 1909.11480; with :func:`bits` of a
    background model it is minus the likelihood ratio of Ren et al. 2019, arXiv 1906.02845.

    Args:
        log_prob: nats, (N,).
        yardstick: bits, (N,).
    """
    return bits(log_prob) - yardstick


def bits(log_prob: np.ndarray) -> np.ndarray:
    """-log2 p from nats."""
    return -log_prob / math.log(2)


def compressed_bits(images: np.ndarray) -> np.ndarray:
    """What a lossless compressor needs for each image, bits (N,): the complexity of arXiv 1909.11480.

    The best of four of PNG's filters (none, left, up, Paeth) for the whole image, then deflate; PNG's container,
    the same for all images of a size, is left out.

    Args:
        images: uint8 (N, C, H, W).
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise DataError(f"expected images as uint8 (N, C, H, W), got {images.dtype} {images.shape}")
    pixels = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    left, up, corner = (_shifted(pixels, *by) for by in ((0, 1), (1, 0), (1, 1)))
    filtered = (pixels, pixels - left, pixels - up, pixels - _paeth(left, up, corner))
    sizes = [[len(zlib.compress(image.tobytes(), 9)) for image in each] for each in filtered]
    return 8.0 * np.array(sizes).reshape(4, len(images)).min(0)


def _shifted(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    """The pixel above, to the left, or both; 0 outside the image."""
    height, width = pixels.shape[1:3]
    return np.pad(pixels, ((0, 0), (down, 0), (right, 0), (0, 0)))[:, :height, :width]


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of the three neighbours the one nearest to left + up - corner; ties in this order."""
    a, b, c = (v.astype(np.int16) for v in (left, up, corner))
    guess = a + b - c
    to_a, to_b, to_c = (np.abs(guess - v) for v in (a, b, c))
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
