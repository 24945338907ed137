"""Base densities: the noise at the end of a flow."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core import randomness
from fluvial.core.constants import constant
from fluvial.core.density import Density, sized
from fluvial.core.portable import log_sigmoid
from fluvial.core.supports import Constraint, constraints
from fluvial.core.transform import EventShape, sum_event


class _Factorised(Density):
    """Independent, identically distributed elements; subclasses give one element's log-density and draws."""

    def __init__(self, event_shape: EventShape) -> None:
        super().__init__()
        self.event_shape: EventShape = tuple(event_shape)
        # says on which device and in which dtype to draw; not a parameter, not saved
        constant(self, "like", torch.zeros((), device="cpu"))
        self.like: Tensor

    @property
    def reparameterized(self) -> bool:
        return True  # there are no parameters

    def of_length(self, length: int) -> Density:
        if not self.event_shape or self.event_shape[0] is not None:
            return super().of_length(length)
        short = copy.copy(self)
        short.event_shape = (length, *self.event_shape[1:])
        return short

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(self._log_prob(self._real(x)))

    def parts(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        return self._log_prob(self._real(x))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self._draw(n)

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.sample(n)
        return x, self.log_prob(x)

    def cdf(self, x: Tensor) -> Tensor:
        """Elementwise cumulative probability, what calibration compares with the uniform."""
        raise NotImplementedError

    def _real(self, x: Tensor) -> Tensor:
        """Whole numbers in the density's own dtype: squares of bytes would overflow."""
        return x if x.is_floating_point() else x.to(self.like.dtype)

    def _log_prob(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _draw(self, n: int) -> Tensor:
        raise NotImplementedError

    def _uniform(self, n: int) -> Tensor:
        """Uniform draws strictly inside (0, 1), in float64, so that no quantile is infinite."""
        u = randomness.uniform((n, *sized(self.event_shape)), torch.float64, self.like.device)
        return u.clamp(1e-16, 1 - 1e-16)


class Normal(_Factorised):
    r"""Standard normal elements: :math:`\log p = -\tfrac12 (x^2 + \log 2\pi)`."""

    def _log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * (x.square() + math.log(2 * math.pi))

    def _draw(self, n: int) -> Tensor:
        return randomness.normal((n, *sized(self.event_shape)), self.like.dtype, self.like.device)

    def cdf(self, x: Tensor) -> Tensor:
        return torch.special.ndtr(x)


class Logistic(_Factorised):
    r"""Standard logistic elements, NICE's noise (arXiv 1410.8516): :math:`\log p = \log\sigma(x) + \log\sigma(-x)`."""

    def _log_prob(self, x: Tensor) -> Tensor:
        return log_sigmoid(x) + log_sigmoid(-x)  # softplus proper turns linear at 20

    def _draw(self, n: int) -> Tensor:
        return torch.logit(self._uniform(n)).to(self.like.dtype)

    def cdf(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


class Uniform(_Factorised):
    """Uniform elements on [0, 1]; log p is 0 inside and -inf outside."""

    flat = True

    @property
    def elements(self) -> Constraint | None:
        return constraints.unit_interval

    def _log_prob(self, x: Tensor) -> Tensor:
        return torch.where((x >= 0) & (x <= 1), torch.zeros_like(x), torch.full_like(x, -math.inf))

    def _draw(self, n: int) -> Tensor:
        # float64 noise: the staircase of a discrete map has steps finer than float32 resolves
        return self._uniform(n)

    def cdf(self, x: Tensor) -> Tensor:
        return x.clamp(0, 1)


class StudentT(_Factorised):
    r"""Student's t elements, for heavy tails: :math:`\log p = c(\nu) - \tfrac{\nu+1}{2}\log(1 + x^2/\nu)`.

    Args:
        df: degrees of freedom ν > 0, fixed. Gradients do not flow through the draws to ν.
    """

    def __init__(self, event_shape: EventShape, df: float = 5.0) -> None:
        super().__init__(event_shape)
        if not df > 0:
            raise ValueError(f"df: degrees of freedom must be positive, got {df}")
        self.df = df
        half = df / 2
        self._norm = math.lgamma(half + 0.5) - math.lgamma(half) - 0.5 * math.log(df * math.pi)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._norm - (self.df + 1) / 2 * torch.log1p(x.square() / self.df)

    def _draw(self, n: int) -> Tensor:
        # Bailey's polar method (1994, Math. Comp. 62): exact for any number of degrees of freedom
        radius = (self.df * torch.expm1(-2 / self.df * self._uniform(n).log())).sqrt()
        return (radius * torch.cos(2 * math.pi * self._uniform(n))).to(self.like.dtype)

    def cdf(self, x: Tensor) -> Tensor:
        # Student's t through the incomplete beta function, which torch lacks: integrate the density once on a grid
        grid = torch.sinh(torch.linspace(-12, 12, 20001, dtype=torch.float64, device=x.device))
        mass = torch.cumulative_trapezoid(self._log_prob(grid).exp(), grid)
        mass = F.pad(mass, (1, 0)) / mass[-1]
        at = torch.searchsorted(grid, x.double().contiguous()).clamp(1, len(grid) - 1)
        left, right = grid[at - 1], grid[at]
        share = ((x.double() - left) / (right - left)).clamp(0, 1)
        return (mass[at - 1] + share * (mass[at] - mass[at - 1])).to(x.dtype)


class Mixture(Density):
    r"""A mixture of K densities over the same events with learned weights: :math:`p(x) = \sum_k \pi_k p_k(x)`.

    Args:
        components: densities of one event shape and one context shape.
    """

    def __init__(self, *components: Density) -> None:
        super().__init__()
        if not components:
            raise ValueError("a mixture needs at least one component, got none")
        shapes = {(c.event_shape, c.context_shape) for c in components}
        if len(shapes) > 1:
            raise ValueError(f"the components must agree in event and context shape, got {sorted(map(str, shapes))}")
        self.components: nn.ModuleList = nn.ModuleList(components)
        self.logits: nn.Parameter = nn.Parameter(torch.zeros(len(components)))
        self.event_shape, self.context_shape = shapes.pop()
        self.exact: bool = all(c.exact for c in components)

    @property
    def elements(self) -> Constraint | None:
        first, *others = (c.elements for c in self.components)  # pyright: ignore
        return first if all(each is first for each in others) else None  # pyright: ignore

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        each = torch.stack([c.log_prob(x, context) for c in self.components], 1)  # pyright: ignore
        return torch.logsumexp(each + self.logits.log_softmax(0), 1)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        for component in self.components:
            component.initialize(x, context)  # pyright: ignore

    def measure(self, x: Tensor, context: Tensor | None = None) -> None:
        for component in self.components:
            component.measure(x, context)  # pyright: ignore

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        which = randomness.choices(self.logits.softmax(0), n)
        draws = torch.stack([c.sample(n, context) for c in self.components])  # pyright: ignore
        return draws[which, torch.arange(n, device=which.device)]

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.sample(n, context)
        return x, self.log_prob(x, context)
