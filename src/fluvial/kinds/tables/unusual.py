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
from fluvial.kinds.tables.cells import tail
from fluvial.models import AnyOrder

if TYPE_CHECKING:
    from fluvial.kinds.tables.model import Model

_ORDERS = 4  # of the columns, whose log-densities a row's is the mean of
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
    """The larger of two surprises: that the row as a whole is unlikely, and that its cells are rare one by one.

    The first is -log p(row), a mean over a few orders of the columns. It misses anomalies that are many and alike,
    which a model learns, and those in columns of which most cells hold one value. The second is the sum over the
    columns of -log P(a cell at least as far out), which knows nothing of how they depend. Both are read as the share of
    training rows that score as high; the smaller share counts. Models that condition on no columns have the first.
    """

    model: Model
    surprises: tuple[Surprise, ...]

    @classmethod
    def of(cls, model: Model, x: np.ndarray, context: np.ndarray | None) -> Unusual:
        """From encoded rows of the training, (N, D)."""
        return cls(model, tuple(Surprise.of(each) for each in _scores(model, x, context)))

    def scores(self, x: np.ndarray, context: np.ndarray | None) -> np.ndarray:
        """How unusual encoded rows are, (N,), nats."""
        found = _scores(self.model, x, context)
        return np.max([surprise(each) for surprise, each in zip(self.surprises, found)], axis=0)


def _scores(model: Model, x: np.ndarray, context: np.ndarray | None) -> list[np.ndarray]:
    """What is taken for unusual, each (N,)."""
    density, given = model.density, tensor(context)
    if not isinstance(density, AnyOrder) or not len(x):
        return [-model.log_prob_rows(x, context)]
    values = [_log_prob(density, x, given, order) for order in _orders(density.columns)]
    return [-np.mean(values, axis=0), one_by_one(density, x, given)]


def _log_prob(density: AnyOrder, x: np.ndarray, context: Tensor | None, order: Tensor) -> np.ndarray:
    found = evaluate(density, lambda a, c: density.log_prob_in(a, order, c), torch.from_numpy(x), context, 0)
    return np.nan_to_num(found.double().numpy(), nan=-np.inf, neginf=-np.inf)


def _orders(columns: int) -> Sequence[Tensor]:
    """The columns as they stand, and in a few more orders, always the same."""
    with drawing_from(0):
        return [torch.arange(columns), *(permutation(columns) for _ in range(_ORDERS - 1))]


@torch.no_grad()
def one_by_one(density: AnyOrder, x: np.ndarray, context: Tensor | None) -> np.ndarray:
    """Sum over the columns of -log P(a cell at least as far out as the row's), (N,), nats, the columns independent."""
    rows, total = torch.from_numpy(x), np.zeros(len(x))
    density.eval()
    for i in range(density.columns):
        order = torch.tensor([i, *(j for j in range(density.columns) if j != i)])
        # without context all rows have one theta
        theta = density.theta(rows if context is not None else rows[:1], i, order, context).expand(len(rows), -1)
        total -= tail(density.laws.column(i), theta, rows[:, i : i + 1])[:, 0].log().numpy()
    return total
