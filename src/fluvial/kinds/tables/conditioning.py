"""Rows given what is known of them: values, ranges and sets of values, of any columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fluvial.core.errors import DataError
from fluvial.core.randomness import uniform
from fluvial.kinds.tables.comparisons import Limits
from fluvial.models.mixed import AnyOrder
from fluvial.transforms.laws import Laws

_LEAST = 1e-12  # a probability below which nothing can be drawn


@dataclass(frozen=True)
class Weighted:
    """Draws x (n, D) given some conditions, and their importance weights.

    Values of columns are conditioned on exactly. A range or a set is kept to by drawing inside it, column by column;
    what that overlooks, the probability of keeping to it given the columns before, is the weight.
    """

    x: Tensor
    log_weight: Tensor
    """(n,): log P(limits | the columns before each), nats; all equal where a single column is limited."""

    @property
    def effective(self) -> float:
        """The number of equally weighted draws that these are worth (Kish)."""
        weight = torch.exp(self.log_weight - self.log_weight.max())
        return float(weight.sum().square() / weight.square().sum())

    def probability(self) -> tuple[float, float]:
        """P(limits | known values), and its standard error, 0 where it is exact."""
        weight = self.log_weight.exp()
        error = weight.std(correction=1) / math.sqrt(len(weight)) if len(weight) > 1 else weight.new_zeros(())
        return float(weight.mean()), float(error)

    def resampled(self, n: int) -> Tensor:
        """n rows in proportion to their weights, (n, D): systematic resampling in a random order."""
        if float(self.log_weight.max() - self.log_weight.min()) < 1e-9:
            return self.x[:n]
        shares = torch.softmax(self.log_weight, 0).cumsum(0)
        points = (torch.arange(n, dtype=shares.dtype) + uniform((1,), torch.float64)) / n
        chosen = torch.searchsorted(shares, points).clamp(max=len(shares) - 1)
        return self.x[chosen[uniform((n,), torch.float64).argsort()]]


@torch.no_grad()
def draw_given(
    density: AnyOrder,
    n: int,
    known: Mapping[int, float],
    limits: Mapping[int, Limits],
    context: Tensor | None = None,
    alone: bool = False,
) -> Weighted:
    """n draws given the values of some columns and the limits of others, both by the column's number.

    Args:
        alone: stop behind the last limited column: the limits' probability is all that is asked for.

    Raises:
        DataError: the conditions have probability 0; of limits that are asked for alone, that is the answer.
    """
    columns = range(density.columns)
    others = [] if alone else [i for i in columns if i not in known and i not in limits]
    order = [*known, *sorted(limits), *others]
    whole = torch.tensor([*order, *(i for i in columns if i not in order)])
    x = torch.zeros(n, len(columns), dtype=torch.float64)
    log_weight = torch.zeros(n, dtype=torch.float64)
    walk = density.walk(x, whole, context)
    for k, i in enumerate(order):
        law, theta = walk(k)
        if i in known:
            x[:, i] = known[i]
            _check_possible(law, theta, x[:, i : i + 1], i)
            continue
        u = uniform((n, 1), torch.float64)
        if i in limits:
            start, size, values = _within(law, theta, limits[i])
            if alone and not float(size.max()) > 0:
                return Weighted(x, torch.full_like(log_weight, -math.inf))
            if not alone and not float(size.max()) > _LEAST:
                raise DataError(f"column number {i + 1}: what it is limited to has probability 0")
            log_weight += size.squeeze(1).clamp(min=1e-300).log()
            x[:, i : i + 1] = law.quantile(theta, start + u * size) if values is None else _among(values, u)
        else:
            x[:, i : i + 1] = law.draw(theta, u)
    return Weighted(x, log_weight)


def _within(law: Laws, theta: Tensor, limits: Limits) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
    """Where the limits begin on the scale of :meth:`Laws.quantile`, their probability, and the values of a set."""
    if limits.among is not None:
        values = torch.tensor([v for v in sorted(limits.among) if v != v or limits.hold(v)], dtype=torch.float64)
        readings = [law.read(v.expand(len(theta), 1)) for v in values]
        shares = [law.mass(reading, theta) for reading in readings] or [torch.zeros(len(theta), 1).double()]
        each = torch.cat(shares, 1)
        return torch.zeros(len(theta), 1).double(), each.sum(1, keepdim=True), (values, each)
    start, end = _edge(law, theta, limits.low, limits.low_open), _edge(law, theta, limits.high, not limits.high_open)
    return start, (end - start).clamp(min=0), None


def _edge(law: Laws, theta: Tensor, at: float, after: bool) -> Tensor:
    """P(cell before ``at``), or, with ``after``, up to it, (B, 1)."""
    if at == -math.inf:
        return law.missing_mass(theta)
    if at == math.inf:
        return torch.ones(len(theta), 1, dtype=torch.float64)
    return law.up_to(torch.full((len(theta), 1), at, dtype=torch.float64), theta, after)


def _among(found: tuple[Tensor, Tensor], u: Tensor) -> Tensor:
    """Values of a set in proportion to their probabilities (B, V), by uniform numbers u (B, 1)."""
    values, shares = found
    ends = shares.cumsum(1)
    which = (ends <= u * ends[:, -1:]).sum(1).clamp(max=len(values) - 1)
    return values[which].unsqueeze(1)


def _check_possible(law: Laws, theta: Tensor, x: Tensor, i: int) -> None:
    if not bool(law.log_prob(law.read(x), theta.double()).isfinite().any()):
        value = x[0, 0].item()
        what = "a missing cell" if math.isnan(value) else f"the value {value:g}"
        raise DataError(f"column number {i + 1}: {what} has probability 0 under this model")
