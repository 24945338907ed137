"""One column from all the others: a joint density is a classifier and a regressor too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fluvial.core.batched import chunk_rows
from fluvial.models import AnyOrder
from fluvial.transforms.laws import Laws

_POINTS = 64  # quantiles whose mean is the mean of a column


@torch.no_grad()
def shares_of_labels(density: AnyOrder, x: np.ndarray, target: int, context: Tensor | None) -> np.ndarray:
    """P(label | the other columns) of a column of labels, (N, labels), where it is not missing."""
    parts = [law.shares(theta)[:, 0, : len(law.laws[0].atoms)] for law, theta in _laws(density, x, target, context)]
    shares = torch.cat(parts).double()
    return (shares / shares.sum(1, keepdim=True)).numpy()


@torch.no_grad()
def quantiles_of_numbers(
    density: AnyOrder, x: np.ndarray, target: int, context: Tensor | None, q: Sequence[float]
) -> np.ndarray:
    """Quantiles given the other columns of a column of numbers, (N, len(q)), where it is not missing; exact."""
    found: list[Tensor] = []
    for law, theta in _laws(density, x, target, context):
        present = law.present(theta)
        found.append(torch.cat([law.quantile(present, torch.full((len(theta), 1), each).double()) for each in q], 1))
    return torch.cat(found).numpy()


def mean_of_numbers(density: AnyOrder, x: np.ndarray, target: int, context: Tensor | None) -> np.ndarray:
    """Mean given the other columns of a column of numbers, (N,), where it is not missing: that of its quantiles."""
    q = (np.arange(_POINTS) + 0.5) / _POINTS
    return quantiles_of_numbers(density, x, target, context, q.tolist()).mean(1)


def _laws(density: AnyOrder, x: np.ndarray, target: int, context: Tensor | None) -> list[tuple[Laws, Tensor]]:
    """The target's law and its theta given the other columns of so many rows at a time."""
    known = torch.arange(x.shape[1]) != target
    order = density.known_first(known)
    rows = torch.from_numpy(x)
    size = chunk_rows(density.event_shape)
    found: list[tuple[Laws, Tensor]] = []
    density.eval()
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        given = None if context is None else context[start : start + size]
        found.append((density.laws.column(target), density.theta(part, target, order, given)))
    return found
