"""Transforms that treat every element on its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fluvial.conditioners.mlp import MLP
from fluvial.core.portable import log1mexp, log_sigmoid
from fluvial.core.precision import Double, dtype_of_numbers
from fluvial.core.supports import Constraint, bounded, constraints
from fluvial.core.transform import EventShape, Shape, Transform, sum_event
from fluvial.univariate.discrete import elements_of
from fluvial.univariate.univariate import Univariate


class Elementwise(Transform):
    r"""A univariate map of each element, with theta learned directly or read from the context alone.

    Args:
        univariate: the map.
        event_shape: shape of one datum, or one that broadcasts to it: (C, 1, 1) gives all pixels of a channel one
            theta, which makes this Glow's learned (and, given labels, class-conditional) prior.
        conditioner: a module context (B, C) -> theta (B, size, \*event_shape); None for learned parameters.
    """

    def __init__(self, univariate: Univariate, event_shape: Shape, conditioner: nn.Module | None = None) -> None:
        super().__init__()
        self.univariate, self.conditioner = univariate, conditioner
        self.bijective, self.event_shape = univariate.bijective, tuple(event_shape)
        if isinstance(conditioner, MLP):
            self.context_features = conditioner.in_features
        self.theta = None if conditioner else nn.Parameter(torch.zeros(univariate.size, *event_shape))

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return elements_of(self.univariate, noise)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = self.parts(x, context)
        return z, sum_event(log_det)

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.univariate.forward(x, self._theta(x, context))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, log_det = self.univariate.inverse(z, self._theta(z, context))
        return x, sum_event(log_det)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        own = self.event_shape
        if len(own) != len(event_shape) or any(m not in (1, n) for m, n in zip(own, event_shape)):
            raise ValueError(f"a map of events of shape {own} does not fit one of shape {tuple(event_shape)}")
        return event_shape

    def _theta(self, x: Tensor, context: Tensor | None) -> Tensor:
        if self.conditioner is not None and context is None:
            raise ValueError("context: this Elementwise reads its map from a context, got none")
        theta = self.theta if self.conditioner is None else self.conditioner(context)
        return theta.expand(x.shape[0], self.univariate.size, *x.shape[1:])  # pyright: ignore


class Standardize(Double, Transform):
    """z = (x - location) / scale with fixed numbers; numbers given in float64 stay so, whatever the model's dtype.

    Args:
        location, scale: tensors that broadcast over one event; scale > 0.
    """

    def __init__(self, location: Tensor, scale: Tensor) -> None:
        super().__init__()
        if not scale.is_meta and not bool((scale > 0).all()):
            raise ValueError(f"scale: every entry must be positive, the smallest is {scale.min().item()}")
        self.register_buffer("location", location)
        self.register_buffer("scale", scale)
        self.location: Tensor
        self.scale: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return ((x - self.location) / self.scale).to(dtype_of_numbers(x)), -self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (z * self.scale + self.location).to(dtype_of_numbers(z)), self._log_det(z)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        for own in (self.location.shape, self.scale.shape):
            shared = event_shape[len(event_shape) - len(own) :]
            if len(own) > len(event_shape) or any(m not in (1, n) for m, n in zip(own, shared)):
                raise ValueError(f"numbers of shape {tuple(own)} do not fit an event of shape {tuple(event_shape)}")
        return event_shape

    def _log_det(self, x: Tensor) -> Tensor:
        return self.scale.log().expand(x.shape[1:]).sum().expand(x.shape[0])  # one sum, the same for all rows


class Logit(Transform):
    r"""z = logit(a + (1 - 2a) u) with u = (x - lower) / (upper - lower): bounded values to the whole line.

    log_det = log(1 - 2a) - log s - log(1 - s) - log(upper - lower), s the argument of the logit. With a = 0
    no mass leaks out of the bounds; a > 0 (RealNVP 0.05, MAF 1e-6 on images) keeps values on them finite.

    Args:
        lower, upper: the bounds, units of x.
        alpha: a, in [0, 0.5).
    """

    def __init__(self, lower: float = 0.0, upper: float = 1.0, alpha: float = 0.0) -> None:
        super().__init__()
        if not lower < upper:
            raise ValueError(f"lower must be less than upper, got {lower} and {upper}")
        if not 0 <= alpha < 0.5:
            raise ValueError(f"alpha: expected a number in [0, 0.5), got {alpha}")
        self.lower, self.upper, self.alpha = lower, upper, alpha

    def elements(self, noise: Constraint | None) -> Constraint | None:
        beyond = self.alpha / (1 - 2 * self.alpha) * (self.upper - self.lower)
        return bounded(self.lower - beyond, self.upper + beyond) if noise is constraints.real else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        s = self.alpha + (1 - 2 * self.alpha) * (x - self.lower) / (self.upper - self.lower)
        z = s.log() - torch.log1p(-s)
        return z, -self._log_det(z)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u = (torch.sigmoid(z) - self.alpha) / (1 - 2 * self.alpha)
        return self.lower + (self.upper - self.lower) * u, self._log_det(z)

    def _log_det(self, z: Tensor) -> Tensor:
        """Of the inverse, from z: stable in both tails."""
        span = math.log(self.upper - self.lower) - math.log1p(-2 * self.alpha)
        return sum_event(span + log_sigmoid(z) + log_sigmoid(-z))


class Softplus(Transform):
    r"""x = lower + c softplus(z / c): values above a bound; far above it z is x - lower, near it c log((x - lower)/c).

    Forward log_det = -log(1 - exp(-(x - lower)/c)).

    Args:
        lower: the bound, units of x.
        curve: c > 0, units of x: where the map bends.
    """

    def __init__(self, lower: float = 0.0, curve: float = 1.0) -> None:
        super().__init__()
        if not curve > 0:
            raise ValueError(f"curve: expected a positive number, got {curve}")
        self.lower, self.curve = lower, curve

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return bounded(self.lower) if noise is constraints.real else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u = (x - self.lower) / self.curve
        log_share = log1mexp(u)  # log(1 - exp(-u))
        return self.curve * (u + log_share), -sum_event(log_share)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.lower - self.curve * log_sigmoid(-z / self.curve), sum_event(log_sigmoid(z / self.curve))
