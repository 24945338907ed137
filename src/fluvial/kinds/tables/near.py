"""How few rows of the fit lie near a row: their density seen through noise, which no network has to learn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fluvial.kinds.tables.cells import noise
from fluvial.models import AnyOrder
from fluvial.transforms.laws import Laws

WIDTHS = (0.5, 2.0)
"""Of the noise, where each number of an ordinary row is standard normal."""
_ROWS = 2000  # of the fit, that rows are compared with
_GAP = -2.0  # the code of a cell that is missing
_CHUNK = 1000
_SAME = 1e-12  # of squared distances, what rounding leaves of 0


class Places(NamedTuple):
    """Where the cells of N rows stand, each in its own column."""

    far: np.ndarray
    """The normal quantile of a number's share of its column; of labels and gaps how rare they are, (N, D)."""
    codes: np.ndarray
    """Which label or gap a cell is, NaN where it is a number, (N, D)."""

    def some(self, rows: slice) -> Places:
        return Places(*(each[rows] for each in self))


@dataclass(frozen=True)
class Near:
    r"""-log of the mean over M rows of the fit of exp(-d^2 / 2 width^2), nats, for each width: a kernel density.

    d is the distance between :class:`Places`. A row that is one of the M is not compared with itself, so that rows of
    the fit score as others do; nor is a new row with one that is the very same. Each label, and a gap, lies on an axis
    of its own, so that two that differ are apart by the root of half the sum of their squares, and the rarer the
    farther. Wide noise forgives anomalies among the rows of the fit that are many and alike, which narrow noise, and a
    model, take for ordinary (Parzen 1962, Ann. Math. Statist. 33; several widths as Livernoche et al. 2023, arXiv
    2305.18593, have them).

    Args:
        axes: the columns and codes of labels and gaps, (K,) each.
        points: the rows of the fit, (M, D + K).

    >>> near = Near.of(Places(np.zeros((9, 2)), np.full((9, 2), np.nan)))
    >>> near(Places(np.array([[0.0, 0.0], [3.0, 4.0]]), np.full((2, 2), np.nan)))[1].tolist()
    [0.0, 3.125]
    """

    axes: tuple[np.ndarray, np.ndarray]
    points: np.ndarray

    @classmethod
    def of(cls, places: Places) -> Near:
        """From rows of the fit, of which the first few thousand are kept."""
        few = places.some(slice(_ROWS))
        found = [(i, code) for i, own in enumerate(few.codes.T) for code in np.unique(own[~np.isnan(own)])]
        axes = np.array([i for i, _ in found], dtype=int), np.array([code for _, code in found])
        return cls(axes, _points(few, axes)[0])

    def __call__(self, places: Places) -> list[np.ndarray]:
        """Of rows, (N,) for each width."""
        starts = range(0, len(places.far), _CHUNK)
        parts = [self._from(places.some(slice(start, start + _CHUNK))) for start in starts]
        return [np.concatenate(each) for each in zip(*parts)] if parts else [np.empty(0)] * len(WIDTHS)

    def _from(self, places: Places) -> list[np.ndarray]:
        points, more = _points(places, self.axes)
        lengths = np.square(points).sum(1) + more
        squares = lengths[:, None] + np.square(self.points).sum(1) - 2 * points @ self.points.T
        rows, nearest = np.arange(len(squares)), squares.argmin(1)
        same = squares[rows, nearest] <= _SAME * (1 + lengths)
        squares = np.maximum(squares, 0)
        squares[rows[same], nearest[same]] = np.inf
        others = torch.from_numpy(np.log(np.maximum(len(self.points) - same, 1)))
        squares = torch.from_numpy(squares)
        return [(others - (squares / (-2 * width**2)).logsumexp(1)).numpy() for width in WIDTHS]


def _points(places: Places, axes: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, D + K), and the squared length (N,) of what lies on no axis: labels that no row of the fit has."""
    coded, (columns, codes) = ~np.isnan(places.codes), axes
    rare = places.far * coded / math.sqrt(2)
    on_axes = rare[:, columns] * (places.codes[:, columns] == codes)
    more = np.square(rare).sum(1) - np.square(on_axes).sum(1)
    return np.concatenate((np.where(coded, 0.0, places.far), on_axes), 1), more


def each_alone(density: AnyOrder, x: np.ndarray, context: Tensor | None) -> Iterator[tuple[Laws, Tensor, Tensor]]:
    """Of each column alone its law, theta and cells (N, 1)."""
    rows = torch.from_numpy(x)
    density.eval()
    for i in range(density.columns):
        order = torch.tensor([i, *(j for j in range(density.columns) if j != i)])
        # without context all rows have one theta
        theta = density.theta(rows if context is not None else rows[:1], i, order, context).expand(len(rows), -1)
        yield density.laws.column(i), theta, rows[:, i : i + 1]


@torch.no_grad()
def places_of(density: AnyOrder, x: np.ndarray, context: Tensor | None) -> Places:
    """Of encoded rows (N, D), N of 1 or more."""
    far = torch.cat([_far(*each) for each in each_alone(density, x, context)], 1).numpy()
    labels = np.array([law.labels for law in density.laws.laws])
    return Places(far, np.where(np.isnan(x), _GAP, np.where(labels, x, np.nan)))


def _far(law: Laws, theta: Tensor, cells: Tensor) -> Tensor:
    """How far out cells (N, 1) are, negative for numbers below the middle of their column."""
    far = -noise(law, theta, cells)
    if law.laws[0].labels:
        return far
    reading, missing = law.read(cells), law.missing_mass(theta)
    middle = law.below(reading, theta) + 0.5 * law.mass(reading, theta)
    return torch.where((middle - missing < (1 - missing) / 2) & ~cells.isnan(), -far, far)
