"""Maps of discrete values: staircase CDFs, whose log_det is log P(x), exactly and without noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core.portable import log1mexp, log_sigmoid
from fluvial.core.supports import Constraint, classes, real_if_real
from fluvial.univariate.univariate import Univariate


class Staircase:
    """x occupies the step [F(x - 1), F(x)] of its CDF: forward lands in its middle, inverse reads the step below z.

    Towards a Uniform base. z is float64, since steps can be finer than float32 resolves; log P(x) comes from the
    logits, never from z. Many z share an x, so these maps are not bijective. A value that is not a class has
    probability 0.
    """

    bijective = False
    identity_at_zero = False

    @property
    def size(self) -> int:
        raise NotImplementedError

    @property
    def values(self) -> int:
        """How many values there are: x is one of 0, ..., ``values`` - 1."""
        raise NotImplementedError

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The middle of the step of x, in (0, 1), and log P(x)."""
        log_p = self.log_prob(x, theta)
        return self._below(x, theta) + 0.5 * log_p.double().exp(), log_p

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The x on whose step z lies, in theta's dtype, and -log P(x)."""
        x = self._read(z.double(), theta).to(theta.dtype)
        return x, -self.log_prob(x, theta)

    def log_prob(self, x: Tensor, theta: Tensor) -> Tensor:
        """log P(x), nats."""
        raise NotImplementedError

    def tempered(self, theta: Tensor, temperature: float) -> Tensor:
        """theta of the distribution at that temperature: logits divided by it."""
        return theta / temperature

    def _below(self, x: Tensor, theta: Tensor) -> Tensor:
        """P(X < x), float64."""
        raise NotImplementedError

    def _read(self, z: Tensor, theta: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class Bernoulli(Staircase):
    """x in {0, 1}; theta is the logit of P(x = 1) (MADE, Germain et al. 2015, arXiv 1502.03509, eq. 2).

    >>> import torch
    >>> Bernoulli().forward(torch.tensor([1.0]), torch.zeros(1, 1))[1].exp()
    tensor([0.5000])
    """

    @property
    def size(self) -> int:
        return 1

    @property
    def values(self) -> int:
        return 2

    def log_prob(self, x: Tensor, theta: Tensor) -> Tensor:
        logit = theta.select(1, 0)
        x = x.to(logit.dtype)
        # added rather than selected: the gradient with respect to the logit then costs nothing
        barred = torch.where((x == 0) | (x == 1), 0.0, -math.inf)
        return barred - F.binary_cross_entropy_with_logits(logit, x.clamp(0.0, 1.0), reduction="none")

    def _below(self, x: Tensor, theta: Tensor) -> Tensor:
        return torch.where(x > 0.5, torch.sigmoid(-theta.select(1, 0).double()), 0.0)

    def _read(self, z: Tensor, theta: Tensor) -> Tensor:
        return (z > torch.sigmoid(-theta.select(1, 0).double())).double()


@dataclass(frozen=True)
class Categorical(Staircase):
    """x in {0, ..., K - 1}; theta holds K logits (WaveNet's softmax, van den Oord et al. 2016, arXiv 1609.03499).

    A logit of -inf bars its class.

    Args:
        classes: K.
    """

    classes: int

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise ValueError(f"classes: expected at least 2, got {self.classes}")

    @property
    def size(self) -> int:
        return self.classes

    @property
    def values(self) -> int:
        return self.classes

    def log_prob(self, x: Tensor, theta: Tensor) -> Tensor:
        # the softmax runs along memory: six times faster where a network gives its classes side by side
        axis = -1 if theta.stride(1) == 1 else 1
        index, logits = self._index(x), theta.movedim(1, axis)
        barred = torch.where(x == index, 0.0, -math.inf).to(theta.dtype)
        return barred + logits.log_softmax(axis).gather(axis, index.unsqueeze(axis)).squeeze(axis)

    def _below(self, x: Tensor, theta: Tensor) -> Tensor:
        p = theta.double().softmax(1)
        return (p.cumsum(1) - p).gather(1, self._index(x).unsqueeze(1)).squeeze(1)

    def _read(self, z: Tensor, theta: Tensor) -> Tensor:
        tops = theta.double().softmax(1).cumsum(1)
        z = z.clamp(min=torch.finfo(z.dtype).tiny)  # 0 lies on the step of the first class that is not barred
        # over the sum, so that the last class which is not barred ends at 1 exactly
        return (z.unsqueeze(1) > tops[:, :-1] / tops[:, -1:]).sum(1)

    def _index(self, x: Tensor) -> Tensor:
        """A row of the table for every value, even those that are not a class."""
        return x.nan_to_num().clamp(0, self.classes - 1).long()


@dataclass(frozen=True)
class DiscretizedLogistics(Staircase):
    r"""x in {0, ..., levels - 1} by a mixture of K logistics, cut into bins whose two outer ones are open.

    With v in [-1, 1] the position of x, h half a bin, and a, b = (v + h - m) / s, (v - h - m) / s,
    sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), so log P needs no fallback for thin tails.

    theta: K weight logits, K means in units of v, K log-scales, not below ``floor``.
    Source: Salimans et al. 2017, arXiv 1701.05517, eq. 1-2.

    Args:
        levels: 256 for 8-bit values, 65536 for 16-bit ones.
        components: K.
        floor: smallest log-scale; about -7 suits 256 levels, -16 suits 65536.
    """

    levels: int = 256
    components: int = 10
    floor: float = -7.0

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise ValueError(f"levels: expected at least 2, got {self.levels}")

    @property
    def size(self) -> int:
        return 3 * self.components

    @property
    def values(self) -> int:
        return self.levels

    def log_prob(self, x: Tensor, theta: Tensor) -> Tensor:
        log_pi, a, b = self._edges(x, theta)
        x = x.unsqueeze(1)
        lowest, highest = x <= 0, x >= self.levels - 1
        below, above = torch.where(highest, 0, log_sigmoid(a)), torch.where(lowest, 0, log_sigmoid(-b))
        between = torch.where(lowest | highest, 0, log1mexp(a - b))
        return torch.logsumexp(log_pi + below + above + between, 1)

    def tempered(self, theta: Tensor, temperature: float) -> Tensor:
        """Weights by their logits, as with classes; each component's scale times the temperature."""
        logits, mean, log_scale = theta.split(self.components, 1)
        return torch.cat((logits / temperature, mean, log_scale + math.log(temperature)), 1)

    def _below(self, x: Tensor, theta: Tensor) -> Tensor:
        log_pi, _, b = self._edges(x.double(), theta.double())
        return torch.where(x <= 0, 0.0, (log_pi.exp() * torch.sigmoid(b)).sum(1))

    def _read(self, z: Tensor, theta: Tensor) -> Tensor:
        """The largest x whose step begins at or below z, by bisection over the levels."""
        low, high = torch.zeros_like(z), torch.full_like(z, self.levels - 1)
        for _ in range((self.levels - 1).bit_length()):
            middle = torch.ceil((low + high) / 2)
            starts_below = self._below(middle, theta) <= z
            low, high = torch.where(starts_below, middle, low), torch.where(starts_below, high, middle - 1)
        return low

    def _edges(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights, and the upper and lower edge of the bin of x as each component sees them."""
        logits, mean, log_scale = theta.split(self.components, 1)
        rate = torch.exp(-log_scale.clamp(min=self.floor))
        v = (x.to(theta.dtype) * 2 / (self.levels - 1) - 1).unsqueeze(1)
        half = 1 / (self.levels - 1)
        return logits.log_softmax(1), (v + half - mean) * rate, (v - half - mean) * rate


@dataclass(frozen=True)
class Tempered(Staircase):
    """A staircase at another temperature T: another distribution, normalised like any.

    P of classes becomes proportional to P^(1/T). A mixture of logistics has no such closed form: its weights
    become proportional to w^(1/T) and its scales T times as large.

    Args:
        univariate: the staircase.
        temperature: T > 0; below 1 likely values become likelier.
    """

    univariate: Staircase
    temperature: float

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature: expected a positive number, got {self.temperature}")

    @property
    def size(self) -> int:
        return self.univariate.size

    @property
    def values(self) -> int:
        return self.univariate.values

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return self.univariate.forward(x, self.univariate.tempered(theta, self.temperature))

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return self.univariate.inverse(z, self.univariate.tempered(theta, self.temperature))

    def log_prob(self, x: Tensor, theta: Tensor) -> Tensor:
        return self.univariate.log_prob(x, self.univariate.tempered(theta, self.temperature))


def elements_of(univariate: Univariate, noise: Constraint | None) -> Constraint | None:
    """What a map's values may be: a staircase's classes, and all numbers where noise may be any."""
    return classes(univariate.values) if isinstance(univariate, Staircase) else real_if_real(noise)
