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
_ALIKE = 1e-6  # of probabilities that are equal but for rounding


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


def noise(laws: Laws, theta: Tensor, x: Tensor) -> Tensor:
    """How far out each cell of rows x (B, D) is, as a normal quantile, (B, D) float64, all of them at most 0.

    Of theta (B, ``sum(laws.sizes)``). Tails count half of the cell's own probability (mid-p: Lancaster 1961), so that
    values that many rows share are in the middle of their step.
    """
    found = _two_sided(laws, theta, x, 0.5)
    for i, (law, own) in enumerate(zip(laws.laws, theta.split(laws.sizes, 1))):
        if law.labels:
            found[:, i : i + 1] = tail(laws.column(i), own, x[:, i : i + 1], 0.5)
    return torch.special.ndtri(found / 2)


def tail(law: Laws, theta: Tensor, values: Tensor, own: float = 1.0) -> Tensor:
    """The tails of cells (B, 1) under one law, with so much of their ``own`` probability: see :class:`Cells`."""
    if not law.laws[0].labels:
        return _two_sided(law, theta, values, own)
    mass = law.mass(law.read(values), theta)
    found = (_rarer(law, theta, mass) - (1 - own) * mass).clamp(min=_RAREST)
    # labels that no row of the fit had are the rarest
    return torch.where(values < 0, max(law.laws[0].other, _RAREST), found)


def _two_sided(laws: Laws, theta: Tensor, x: Tensor, own: float) -> Tensor:
    """Of numbers: the probability of one at least as far out, on the side that is nearer; of gaps that of a gap."""
    reading = laws.read(x)
    mass, missing, (before, behind) = laws.mass(reading, theta), laws.missing_mass(theta), laws.sides(reading, theta)
    there = (1 - missing).clamp(min=_RAREST)
    given = (2 * torch.minimum(before + own * mass, behind - (1 - own) * mass) / there).clamp(0, 1)
    return torch.where(x.isnan(), (own * missing).clamp(max=1), given).clamp(min=_RAREST)


def _rarer(law: Laws, theta: Tensor, mass: Tensor) -> Tensor:
    """Of labels: the probability of all that are as rare or rarer."""
    shares = law.shares(theta.double())
    return torch.where(shares <= mass.unsqueeze(2) * (1 + _ALIKE), shares, 0.0).sum(2).clamp(min=_RAREST)
