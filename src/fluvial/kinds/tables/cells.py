"""Each cell of a row given all its others: how rare it is, and what stood to be expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core.batched import chunk_rows
from fluvial.models import AnyOrder
from fluvial.transforms.laws import Laws

_RAREST = 1e-300  # what probabilities are not told apart below


@dataclass(frozen=True)
class Cells:
    """The cells of N rows of D columns, each given the others of its row; exact, by the conditionals of any order.

    Args:
        log_prob: log p(cell | the others), (N, D), nats; -inf where it is impossible.
        tail: the two-sided probability of a cell at least as far out, 1 at most, (N, D); of a label, or of a missing
            cell, the probability of those that are as rare or rarer.
    """

    log_prob: np.ndarray
    tail: np.ndarray


@torch.no_grad()
def cells(density: AnyOrder, x: np.ndarray, context: Tensor | None = None) -> Cells:
    """Cells of encoded rows (N, D) given the rest of their rows: D passes."""
    found = [_column(density, x, i, context) for i in range(x.shape[1])]
    return Cells(*(np.stack(each, 1) for each in zip(*found)))


def _column(density: AnyOrder, x: np.ndarray, i: int, context: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    parts = list(given_others(density, x, i, context))
    logs = [law.log_prob(law.read(values), theta).double() for law, theta, values in parts]
    tails = [tail(law, theta, values) for law, theta, values in parts]
    return tuple(torch.cat(each)[:, 0].numpy() for each in (logs, tails))  # pyright: ignore


def given_others(
    density: AnyOrder, x: np.ndarray, i: int, context: Tensor | None, known: Sequence[int] | None = None
) -> Iterator[tuple[Laws, Tensor, Tensor]]:
    """The law of column i, its theta given the other columns (or those ``known``), and its cells, so many at a time."""
    others = [j for j in range(x.shape[1]) if j != i] if known is None else known
    rest = [j for j in range(x.shape[1]) if j not in (*others, i)]
    order, rows = torch.tensor([*others, i, *rest]), torch.from_numpy(x)
    size = chunk_rows(density.event_shape)
    density.eval()
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        given = None if context is None else context[start : start + size]
        yield density.laws.column(i), density.theta(part, i, order, given), part[:, i : i + 1]


def tail(law: Laws, theta: Tensor, values: Tensor) -> Tensor:
    """The tails of cells (B, 1) under one law: see :class:`Cells`."""
    reading = law.read(values)
    mass = law.mass(reading, theta)
    if law.laws[0].labels:
        # labels that no row of the fit had are the rarest
        return torch.where(values < 0, max(law.laws[0].other, _RAREST), _rarer(law, theta, mass))
    missing, below = law.missing_mass(theta), law.below(reading, theta)
    there = (1 - missing).clamp(min=_RAREST)
    low, high = below - missing + mass, 1 - below
    two_sided = 2 * torch.minimum(low, high) / there
    absent = torch.minimum(missing, torch.ones_like(missing))
    given = torch.minimum(two_sided.clamp(0, 1), torch.ones_like(there))
    return torch.where(values.isnan(), absent, given).clamp(min=_RAREST)


def _rarer(law: Laws, theta: Tensor, mass: Tensor) -> Tensor:
    """Of labels: the probability of all that are as rare or rarer."""
    shares = law.shares(theta).double()
    return torch.where(shares <= mass.unsqueeze(2) * (1 + 1e-9), shares, 0.0).sum(2).clamp(min=_RAREST)
