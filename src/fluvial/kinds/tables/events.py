"""Probabilities of events about what comes next: exact for the next position, by simulation beyond it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fluvial.core import Density, Logistic, Normal, StudentT, Transform, Uniform, UsageError
from fluvial.core.batched import chunk_rows
from fluvial.core.density import sized
from fluvial.core.numbers import whole as whole_number
from fluvial.core.randomness import drawing_from, draws_by_itself
from fluvial.examine.calibration import FACTORISED
from fluvial.transforms import Autoregressive, spine
from fluvial.univariate import Staircase

Event = Callable[[Tensor], Tensor]
"""Rows so far, (n, positions, \\*rest), in units of the data -> whether the event holds in each, (n,) bool."""


@dataclass(frozen=True)
class Probability:
    """A probability and its standard error; where it is exact, both the error and ``draws`` are 0.

    Of weighted draws, ``effective`` is how many equally weighted ones they are worth.
    """

    value: float
    error: float = 0.0
    draws: int = 0
    effective: float | None = None

    @property
    def exact(self) -> bool:
        return self.draws == 0

    def __str__(self) -> str:
        if self.exact:
            return f"{self.value:.6g}, exactly"
        worth = "" if self.effective is None else f" ({self.draws:,} weighted draws, worth {self.effective:,.0f})"
        return f"{self.value:.4g} ± {self.error:.2g}{worth}"


@dataclass(frozen=True)
class Between:
    """The event that the last position lies in (low, high]; of a continuous position its probability is exact."""

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UsageError(f"low must be less than high, got {self.low} and {self.high}")

    def __call__(self, rows: Tensor) -> Tensor:
        return (rows[:, -1] > self.low) & (rows[:, -1] <= self.high)


@torch.no_grad()
def probability(
    density: Density,
    event: Event,
    given: Tensor | None = None,
    *,
    context: Tensor | None = None,
    steps: int | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> Probability:
    r"""P(event about the coming positions | the first ones, context).

    With ``steps=1`` it is exact: a sum over the classes of a discrete position, or, where the event is a
    :class:`Between`, a difference of two values of the CDF. Else it is the mean over ``draws`` simulated
    continuations, with its standard error :math:`\sqrt{p(1 - p)/n}`; where all draws agree p is taken to be
    (hits + 1) / (n + 2) in that formula, so that the error is never 0.

    Args:
        density: where first positions are given, of one autoregressive step, positions in their natural order:
            ``made``, ``made_mog``, ``wavenet``, or ``maf`` with one transform. Where none are, any density of whole
            rows, which are then drawn; rows of grids are drawn on their grid.
        event: reads the given positions and ``steps`` more.
        given: (P, \*rest), the first positions; None for none.
        context: (1, \*context_shape), where the density is conditional.
        steps: how many coming positions the event reads; None for all there are.

    Raises:
        UsageError: the density is not of this kind, the given values are impossible, or a number does not fit.

    >>> from fluvial.models import made
    >>> str(probability(made((3,)), lambda x: x[:, 1] == 1, torch.tensor([0.0]), steps=1))
    '0.5, exactly'
    """
    training = density.training
    density.eval()
    try:
        try:
            whole = _Spine.of(density)
        except UsageError:
            if (given is not None and len(given)) or None in density.event_shape:
                raise
            return _of_rows(density, event, context, steps, draws, seed)
        return _probability(whole, event, given, context, steps, draws, seed)
    finally:
        density.train(training)


def _probability(
    whole: _Spine,
    event: Event,
    given: Tensor | None,
    context: Tensor | None,
    steps: int | None,
    draws: int,
    seed: int,
) -> Probability:
    known = torch.zeros(0, *whole.rest) if given is None else given
    length = whole.length(len(known), steps)
    draws = whole_number("draws", draws, 1)
    context = whole.embedded(context)
    prefix = whole.enter(known)
    if length == len(known) + 1 and not whole.rest:
        exact = _next(whole, event, known, prefix, context)
        if exact is not None:
            return Probability(exact)
    hits = 0
    with drawing_from(seed, draws_by_itself(whole.density)):
        for n in _chunks(draws, chunk_rows((length, *whole.rest))):
            hits += int(event(_continued(whole, known, prefix, context, length, n)).sum())
    return simulated(hits, draws)


def simulated(hits: int, draws: int) -> Probability:
    """The share of draws in which an event held, with its standard error."""
    p = (hits + 1) / (draws + 2) if hits in (0, draws) else hits / draws
    return Probability(hits / draws, math.sqrt(p * (1 - p) / draws), draws)


@torch.no_grad()
def _of_rows(
    density: Density, event: Event, context: Tensor | None, steps: int | None, draws: int, seed: int
) -> Probability:
    """The share of whole rows in whose first ``steps`` positions the event holds."""
    total, draws = sized(density.event_shape)[0], whole_number("draws", draws, 1)
    length = total if steps is None else whole_number("steps", steps, 1)
    if length > total:
        raise UsageError(f"steps: there are {total} positions, got {steps}")
    try:
        density.check_context(1, context)
    except ValueError as error:
        raise UsageError(str(error)) from None
    device, hits = next(density.parameters(), torch.empty(0)).device, 0
    with drawing_from(seed, draws_by_itself(density)):
        for n in _chunks(draws, chunk_rows(density.event_shape)):
            given = None if context is None else context.to(device).expand(n, *context.shape[1:])
            hits += int(event(density.sample(n, given)[:, :length]).sum())
    return simulated(hits, draws)


@dataclass(frozen=True)
class _Spine:
    """An autoregressive density taken apart: raw values, the head of each column, one step, independent noise."""

    density: Density
    head: Transform
    step: Autoregressive
    base: Normal | Logistic | StudentT | Uniform
    embed: nn.Module | None
    total: int | None
    rest: tuple[int, ...]

    @classmethod
    def of(cls, density: Density) -> _Spine:
        found = spine(density)
        if found is None or not isinstance(found.base, FACTORISED):
            raise UsageError(
                "the probability of an event needs a model that predicts one position after the other, in one step: "
                "made, made_mog, wavenet, or maf with transforms=1. Without values that are given, any model "
                "of rows will do"
            )
        head, step, base = found.head, found.step, found.base
        order = step.conditioner.order
        if order is not None and not torch.equal(order, torch.arange(len(order), device=order.device)):
            raise UsageError("the probability of an event needs a model that reads its positions in natural order")
        if not head.bijective:
            raise UsageError("the probability of an event is not defined for rounded columns, whose density is a bound")
        total, *rest = density.event_shape
        if head.output_shape(density.event_shape) != density.event_shape:
            raise UsageError("the probability of an event needs a model that predicts one column after the other")
        return cls(density, head, step, base, found.embed, total, tuple(n for n in rest if n is not None))

    def length(self, known: int, steps: int | None) -> int:
        """Positions that the event reads."""
        left = None if self.total is None else self.total - known
        if steps is None and left is None:
            raise UsageError("steps: sequences of any length have no end; say how many steps the event reads")
        ahead = left if steps is None else steps
        if ahead is None or ahead < 1 or (left is not None and ahead > left):
            there = "the event reads at least one" if left is None else f"there are {left} behind the {known} given"
            raise UsageError(f"steps: {there}, got {ahead}")
        return known + ahead

    def embedded(self, context: Tensor | None) -> Tensor | None:
        try:
            self.density.check_context(1, context)
        except ValueError as error:
            raise UsageError(str(error)) from None
        context = context if context is None else context.to(self.base.like.device)
        return context if context is None or self.embed is None else self.embed(context)

    def enter(self, values: Tensor) -> Tensor:
        """Raw values of the first positions, (P, \\*rest), as what the step reads, (1, P, \\*rest)."""
        raw = self.leave(torch.zeros(1, self.total or len(values), *self.rest, device=self.base.like.device))
        raw = torch.cat((values[None].to(raw.device, raw.dtype), raw[:, len(values) :]), 1)
        x, log_det = self.head(raw)
        if not bool(log_det.isfinite().all()):
            raise UsageError(f"given: the model holds {values.tolist()} to be impossible")
        return x[:, : len(values)].to(self.base.like.dtype)

    def leave(self, x: Tensor) -> Tensor:
        """The inverse, for the first positions of any number of rows."""
        missing = (self.total or x.shape[1]) - x.shape[1]
        full = torch.cat((x, x.new_zeros(x.shape[0], missing, *self.rest)), 1)
        return self.head.inverse(full)[0][:, : x.shape[1]]


def _next(whole: _Spine, event: Event, known: Tensor, prefix: Tensor, context: Tensor | None) -> float | None:
    """The exact probability of an event about the next position; None where there is no closed form."""
    at, univariate = len(known), whole.step.univariate
    filler = prefix.new_zeros(1, (whole.total or at + 1) - at)
    theta = whole.step.conditioner(torch.cat((prefix, filler), 1), context)[:, :, at]
    if isinstance(univariate, Staircase):
        values = torch.arange(univariate.values, device=theta.device, dtype=theta.dtype)
        rows = torch.cat((prefix.expand(len(values), -1), values[:, None]), 1)
        p = univariate.log_prob(values, theta.expand(len(values), -1)).double().exp()
        return float(p[event(_raw(whole, known, rows))].sum())
    if not isinstance(event, Between):
        return None
    below = [_cdf(whole, known, theta, bound) for bound in (event.low, event.high)]
    return below[1] - below[0]


def _cdf(whole: _Spine, known: Tensor, theta: Tensor, bound: float) -> float:
    """P(next position <= bound)."""
    if math.isinf(bound):
        return float(bound > 0)
    raw = torch.cat((known, known.new_tensor([bound], dtype=torch.float64)))
    x = whole.enter(raw)[:, -1]
    z = whole.step.univariate.forward(x, theta)[0]
    return float(whole.base.cdf(z.double()))


def _continued(whole: _Spine, known: Tensor, prefix: Tensor, context: Tensor | None, length: int, n: int) -> Tensor:
    """n rows of ``length`` positions that begin with the known ones."""
    base = whole.base if whole.total is not None else whole.base.of_length(length)
    given = None if context is None else context.expand(n, *context.shape[1:])
    walk = whole.step.walk(base.sample(n), given, prefix.expand(n, *prefix.shape[1:]) if len(known) else None)
    x = torch.stack([value for value, _ in (next(walk) for _ in range(length))], 1)
    return _raw(whole, known, x)


def _raw(whole: _Spine, known: Tensor, x: Tensor) -> Tensor:
    """Rows in units of the data, what is known as it was given."""
    raw = whole.leave(x)
    return torch.cat((known.to(raw.device, raw.dtype).expand(len(raw), *known.shape), raw[:, len(known) :]), 1)


def _chunks(total: int, size: int) -> list[int]:
    return [size] * (total // size) + [total % size] * (total % size > 0)
