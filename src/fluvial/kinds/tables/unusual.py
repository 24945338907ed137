"""How unusual rows are: one number a row, larger for rows that are stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fluvial.core.batched import evaluate
from fluvial.core.randomness import drawing_from, permutation
from fluvial.examine.conformal import lowered
from fluvial.kinds.tables.answers import tensor
from fluvial.kinds.tables.cells import noise, tail
from fluvial.kinds.tables.near import Near, each_alone, places_of
from fluvial.models import AnyOrder

if TYPE_CHECKING:
    from fluvial.kinds.tables.model import Model

_ORDERS = 4  # of the columns, whose log-densities a row's is the mean of
_FLOOR = -1e6  # nats for what is impossible
_TAIL = 0.1  # share of the training rows beyond which surprise goes on as an exponential tail


@dataclass(frozen=True)
class Surprise:
    """-log P(a training row scores as high), nats, of a score: 0 for the lowest, and on beyond the highest.

    Args:
        known: scores of training rows, ascending, (N,).

    >>> surprise = Surprise.of(np.arange(1000.0))
    >>> surprise(np.array([500.0, 2000.0])).round(2).tolist()
    [0.69, 24.52]
    """

    known: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> Surprise:
        return cls(np.sort(scores[np.isfinite(scores)]))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Of each score, (N,): what share of the training rows lies above, and beyond most of them an exponential."""
        n = len(self.known)
        if not n:
            return scores
        beyond = max(1, round(_TAIL * n))
        start = self.known[n - beyond]
        mean = max(float((self.known[n - beyond :] - start).mean()), 1e-9 * max(1.0, abs(float(start))))
        scores = lowered(scores)
        share = 1 - np.searchsorted(self.known, scores, side="left") / n
        inside = -np.log(np.maximum(share, beyond / n))
        return np.where(scores > start, -np.log(beyond / n) + (scores - start) / mean, inside)


@dataclass(frozen=True)
class Unusual:
    """Five surprises, each -log of the share of training rows that score as high; the root of the sum of their cubes.

    Added up (Fisher's method) one great surprise would drown among small ones, such as those of a row with one wrong
    cell; their largest alone would leave out what several agree on.

    That a row lies far out: the squared length of its noise, of each cell the normal quantile of its tail given the
    cells before it, a mean over a few orders of the columns. Unlike log p it depends neither on units and on how
    densely values lie, nor on how common those are that many rows share, so that anomalies that are many and alike,
    which a model learns, still lie far out. That its columns do not go together: how much likelier the row would be
    if they were independent. That its cells are rare one by one: the sum over the columns of -log P(a cell at least as
    far out), which knows nothing of how they depend. And that few rows of the fit lie :class:`Near`, by two widths of
    noise. Models that condition on no columns have -log p(row) alone.
    """

    model: Model
    near: Near | None
    surprises: tuple[Surprise, ...]

    @classmethod
    def of(cls, model: Model, x: np.ndarray, context: np.ndarray | None) -> Unusual:
        """From encoded rows of the training, (N, D)."""
        density, near, more = model.density, None, list[np.ndarray]()
        if isinstance(density, AnyOrder) and len(x):
            places = places_of(density, x, tensor(context))
            near = Near.of(places)
            more = near(places)
        return cls(model, near, tuple(Surprise.of(each) for each in (*_scores(model, x, context), *more)))

    def scores(self, x: np.ndarray, context: np.ndarray | None) -> np.ndarray:
        """How unusual encoded rows are, (N,), nats."""
        found, density = _scores(self.model, x, context), self.model.density
        if self.near is not None and isinstance(density, AnyOrder) and len(x):
            found += self.near(places_of(density, x, tensor(context)))
        return together([surprise(each) for surprise, each in zip(self.surprises, found)])


def together(surprises: Sequence[np.ndarray]) -> np.ndarray:
    """The cube root of the sum of cubes, (N,)."""
    if len(surprises) == 1:
        return surprises[0]
    largest = np.maximum(np.max(surprises, axis=0), 1e-300)
    with np.errstate(invalid="ignore"):  # of infinite ones
        shares = np.where(np.isinf(largest), 1.0, surprises / largest)
    return largest * np.cbrt(np.sum(shares**3, axis=0))


def _scores(model: Model, x: np.ndarray, context: np.ndarray | None) -> list[np.ndarray]:
    """What the model takes for unusual, each (N,)."""
    density, given = model.density, tensor(context)
    if not isinstance(density, AnyOrder) or not len(x):
        return [-model.log_prob_rows(x, context)]
    found = [_in_order(density, x, given, order) for order in _orders(density.columns)]
    log_p, squares = np.mean(found, axis=0).T
    alone, tails = one_by_one(density, x, given)
    return [squares, alone - log_p, -tails]


def _in_order(density: AnyOrder, x: np.ndarray, context: Tensor | None, order: Tensor) -> np.ndarray:
    """log p, and the squared length of the noise, of each row, (N, 2)."""

    def both(rows: Tensor, given: Tensor | None) -> Tensor:
        theta = density.thetas(rows, order, given)
        log_p = density.laws.log_prob(density.laws.read(rows), theta).double().sum(1)
        return torch.stack((_finite(log_p), noise(density.laws, theta, rows).square().sum(1)), 1)

    return evaluate(density, both, torch.from_numpy(x), context, 0).numpy()


def _orders(columns: int) -> Sequence[Tensor]:
    """The columns as they stand, and in a few more orders, always the same."""
    with drawing_from(0):
        return [torch.arange(columns), *(permutation(columns) for _ in range(_ORDERS - 1))]


@torch.no_grad()
def one_by_one(density: AnyOrder, x: np.ndarray, context: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the columns, as if they were independent: log p(cell) and log P(a cell at least as far out), (N,)."""
    sums = torch.zeros(2, len(x), dtype=torch.float64)
    for law, theta, cells in each_alone(density, x, context):
        sums[0] += _finite(law.log_prob(law.read(cells), theta)[:, 0].double())
        sums[1] += tail(law, theta, cells)[:, 0].log()
    return sums[0].numpy(), sums[1].numpy()


def _finite(log_p: Tensor) -> Tensor:
    return log_p.nan_to_num(nan=_FLOOR, neginf=_FLOOR)
