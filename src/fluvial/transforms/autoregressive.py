"""Autoregressive transforms: theta at each position reads the positions before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fluvial.conditioners.conditioner import Conditioner, Draw
from fluvial.core import doors
from fluvial.core.density import Density, Flow
from fluvial.core.precision import float32_at_least
from fluvial.core.supports import Constraint
from fluvial.core.transform import Chain, EventShape, Transform, by_rows, sum_event
from fluvial.univariate.compiled import compiled
from fluvial.univariate.discrete import Staircase, Tempered, elements_of
from fluvial.univariate.univariate import Univariate


class Autoregressive(Transform):
    r"""z_i = map(x_i; theta_i(x_{<i}, context)): MAF, NSF, MADE, WaveNet, by the map and the conditioner.

    ``forward`` (scoring) reads every position at once; ``inverse`` (sampling) walks them one by one. IAF is
    ``Inverse`` of this (Papamakarios et al. 2017, arXiv 1705.07057; Kingma et al. 2016, arXiv 1606.04934).
    """

    def __init__(self, conditioner: Conditioner, univariate: Univariate) -> None:
        super().__init__()
        self.conditioner, self.univariate = conditioner, univariate
        self.bijective: bool = univariate.bijective
        self.context_features: int | None = conditioner.context_features

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return elements_of(self.univariate, noise)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return self.conditioner.over(event_shape)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return by_rows(self._at_once, x, context)

    def _at_once(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        z, log_det = self.univariate.forward(x, self._theta(x, context))
        return z, sum_event(log_det)

    def _theta(self, x: Tensor, context: Tensor | None) -> Tensor:
        """In float32 at least: autocast stays inside the network."""
        return float32_at_least(self.conditioner(x, context))

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        places = self.conditioner.places
        if places is not None and places != sorted(places):
            return None
        return self.univariate.forward(x, self._theta(x, context))

    def log_mass(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        if not isinstance(self.univariate, Staircase):
            return None
        return sum_event(self.univariate.log_prob(x, self._theta(x, context)))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        found = self.conditioner.invert(z, context, compiled(self.univariate), self._walked)
        return self._walked(z, context) if found is None else found

    def _walked(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        xs, log_dets = zip(*self.walk(z, context))
        places = self.conditioner.places
        if places is not None:
            xs = [x for _, x in sorted(zip(places, xs), key=lambda pair: pair[0])]
        return torch.stack(xs, 1), torch.stack(log_dets).sum(0)

    def walk(
        self, z: Tensor | Iterable[Tensor], context: Tensor | None = None, known: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions in the conditioner's order, one at a time: x_i (B, \\*rest) and its log_det (B,).

        Args:
            z: noise (B, T, \\*rest); or its columns (B, \\*rest) one after the other, as many as are wanted, made
                when they are asked for: with a conditioner that reads any length this can go on for ever.
            known: (B, P, \\*rest), P <= T: values that are given rather than drawn, NaN where there is none. What
                is drawn is drawn given the known values before it, not those after it. The log_det of a known
                value is -log p(x_i | x_{<i}) as well.
        """
        if isinstance(z, Tensor):
            self.check(z, context, "z")
            if known is not None and (known.shape[:1] != z.shape[:1] or known.shape[1] > z.shape[1]):
                raise ValueError(f"known: {tuple(known.shape)} values do not fit noise of shape {tuple(z.shape)}")
        return self._walk(z, context, known)

    def _walk(
        self, z: Tensor | Iterable[Tensor], context: Tensor | None, known: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        places = self.conditioner.places
        if isinstance(z, Tensor):
            columns, like = iter(z.unbind(1) if places is None else [z[:, i] for i in places]), z
        else:
            columns = iter(z)
            first = next(columns)
            if context is not None or self.context_features:
                doors.check_features(context, self.context_features, first.shape[0], type(self).__name__)
            columns, like = _behind(first, columns), first.unsqueeze(1)
        draw = self.conditioner.drawer(like, context, compiled(self.univariate))
        if draw is not None:
            yield from _drawn(draw, columns, known)
            return
        step, x = self.conditioner.stepper(like, context), None
        for i, column in enumerate(columns):
            theta, at = step(x), i if places is None else places[i]
            x, log_det = self.univariate.inverse(column, theta)
            if known is not None and at < known.shape[1]:
                x = torch.where(known[:, at].isnan(), x, known[:, at])
                log_det = -self.univariate.forward(x, theta)[1]
            yield x, sum_event(log_det)

    def tempered(self, temperature: float) -> Autoregressive:
        """Another density of the same conditioner: each position's distribution sharper (T < 1) or flatter (T > 1).

        It is not this density sampled differently: ``log_prob`` of it scores what it draws. See ``Tempered``.
        """
        if not isinstance(self.univariate, Staircase):
            raise ValueError(f"a temperature is defined for discrete values; {type(self.univariate).__name__} is not")
        return Autoregressive(self.conditioner, Tempered(self.univariate, temperature))


class Spine(NamedTuple):
    """A flow of one autoregressive step, taken apart."""

    head: Chain
    """What comes before the step; nothing in it is autoregressive."""
    step: Autoregressive
    base: Density
    embed: nn.Module | None
    """Applied once to the context, at the door."""


def spine(density: Density) -> Spine | None:
    """The parts of a flow that ends in one autoregressive step, however flows nest; None for any other density.

    >>> from fluvial.models import made, maf
    >>> spine(made((3,))) is None, spine(maf((3,), transforms=2)) is None
    (False, True)
    """
    embed = density.embed if isinstance(density, Flow) else None
    steps: list[Transform] = []
    while isinstance(density, Flow):
        steps += density.transform if isinstance(density.transform, Chain) else [density.transform]
        density = density.base
    *head, step = steps or [Chain()]
    if not isinstance(step, Autoregressive) or any(isinstance(t, Autoregressive) for t in head):
        return None
    return Spine(Chain(*head), step, density, embed)


def _behind(first: Tensor, rest: Iterator[Tensor]) -> Iterator[Tensor]:
    yield first
    yield from rest


def _drawn(draw: Draw, columns: Iterator[Tensor], known: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    for i, column in enumerate(columns):
        given = None if known is None or i >= known.shape[1] else known[:, i : i + 1]
        x, log_det = draw(column.unsqueeze(1), given)
        yield x[:, 0], log_det[:, 0]
