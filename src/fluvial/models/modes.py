"""Modes of columns: each column a mixture of Gaussians of its own, as many as its values call for."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_ROWS, _STEPS = 4000, 40  # that modes are found from, and steps of expectation-maximisation
_NARROWEST = 1e-3  # of a mode, in standard deviations of its column
NEVER = -1e30  # the log-weight of a mode that there is not


class Modes(NamedTuple):
    """Mixtures of up to K Gaussians of D columns, each (D, K)."""

    log_weights: Tensor
    centers: Tensor
    scales: Tensor

    def nearest(self, values: Tensor) -> Tensor:
        """The mode that each value (B, D) most likely is of, (B, D)."""
        return self._joint(values).argmax(2)

    def log_prob(self, values: Tensor) -> Tensor:
        """Log-density of each value (B, D) in its column, but for a constant."""
        return self._joint(values).logsumexp(2)

    def _joint(self, values: Tensor) -> Tensor:
        z = (values.unsqueeze(2) - self.centers) / self.scales
        return self.log_weights - z.square() / 2 - self.scales.log()


def modes_of(values: Tensor, present: Tensor, most: int) -> Modes:
    """The modes of columns, each by expectation-maximisation, as many as Schwarz's criterion chooses (1978).

    Args:
        values: (N, D), of which those count that are ``present``.
        most: K, the largest number of modes.
    """
    values, present = values[:_ROWS].double(), present[:_ROWS]
    best, found = torch.full((values.shape[1],), math.inf, dtype=torch.float64), _one(values, present, most)
    rows = present.sum(0).clamp(min=1)
    for k in range(1, most + 1):
        tried = _fitted(values, present, k)
        log_p = torch.where(present, tried.log_prob(values), 0.0).sum(0)
        cost = (3 * k - 1) * rows.log() - 2 * log_p
        better = (cost < best) & (rows >= 10 * k)
        best = torch.where(better, cost, best)
        padded = (_padded(t, most, fill) for t, fill in zip(tried, (NEVER, 0.0, 1.0)))
        found = Modes(*(torch.where(better.unsqueeze(1), new, old) for new, old in zip(padded, found)))
    return found


def _one(values: Tensor, present: Tensor, most: int) -> Modes:
    """One mode, as wide as the column."""
    first = torch.arange(most) == 0
    weights = torch.where(first, 0.0, NEVER).double().expand(values.shape[1], -1)
    center, scale = _moments(values, present)
    return Modes(weights, torch.where(first, center, 0.0), torch.where(first, scale, 1.0))


def _moments(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Means and standard deviations of columns, (D, 1) each; 0 and 1 where there is nothing to measure."""
    n = present.sum(0).clamp(min=1)
    mean = torch.where(present, values, 0.0).sum(0) / n
    std = (torch.where(present, values - mean, 0.0).square().sum(0) / n).sqrt()
    return mean.unsqueeze(1), torch.where(std > 0, std, 1.0).unsqueeze(1)


def _fitted(values: Tensor, present: Tensor, k: int) -> Modes:
    """k modes of each column, from evenly spaced quantiles."""
    _, spread = _moments(values, present)
    known = torch.where(present, values, torch.nan)
    at = (torch.arange(k, dtype=torch.float64) + 0.5) / k
    centers = known.nanquantile(at, 0).t().nan_to_num(0.0)
    modes = Modes(torch.full_like(centers, -math.log(k)), centers, (spread / k).expand_as(centers))
    for _ in range(_STEPS):
        share = modes._joint(values).softmax(2) * present.unsqueeze(2)  # pyright: ignore[reportPrivateUsage]
        mass = share.sum(0).clamp(min=1e-9)
        centers = (share * values.unsqueeze(2)).sum(0) / mass
        spreads = ((share * (values.unsqueeze(2) - centers).square()).sum(0) / mass).sqrt()
        modes = Modes((mass / mass.sum(1, keepdim=True)).log(), centers, spreads.clamp(min=_NARROWEST * spread))
    return modes


def _padded(t: Tensor, most: int, fill: float) -> Tensor:
    return torch.nn.functional.pad(t, (0, most - t.shape[1]), value=fill)
