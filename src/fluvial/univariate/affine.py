"""Shift, Affine and the papers' rules for its scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from fluvial.core.portable import log_sigmoid
from fluvial.kernels import affine
from fluvial.kernels.maps import Map


class Scale(Protocol):
    """How a raw number becomes a log-scale s (nats)."""

    @property
    def identity_at_zero(self) -> bool: ...

    def __call__(self, raw: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class ExpScale:
    """s = raw: the unbounded rule of MAF (arXiv 1705.07057, eq. 3). Deep stacks of it can overflow."""

    identity_at_zero = True

    def __call__(self, raw: Tensor) -> Tensor:
        return raw


@dataclass(frozen=True)
class TanhScale:
    """s = bound * tanh(raw / bound): RealNVP's remedy (arXiv 1605.08803), close to raw for small values.

    Args:
        bound: largest |s|, nats.
    """

    bound: float = 3.0
    identity_at_zero = True

    def __post_init__(self) -> None:
        if not self.bound > 0:
            raise ValueError(f"bound: the largest log-scale must be positive, got {self.bound}")

    def __call__(self, raw: Tensor) -> Tensor:
        return self.bound * torch.tanh(raw / self.bound)


@dataclass(frozen=True)
class SigmoidScale:
    """s = -log sigmoid(raw + 2): the rule of Glow's released code, z = (x - t) * sigmoid(raw + 2).

    At raw = 0 it multiplies by 0.881, so theta = 0 is not the identity.
    """

    identity_at_zero = False

    def __call__(self, raw: Tensor) -> Tensor:
        return -log_sigmoid(raw + 2.0)


@dataclass(frozen=True)
class Shift:
    """z = x - t: NICE's additive map (Dinh et al. 2014, arXiv 1410.8516, eq. 9); its log-det is 0.

    >>> import torch
    >>> Shift().forward(torch.tensor([3.0]), torch.tensor([[1.0]]))
    (tensor([2.]), tensor([0.]))
    """

    size = 1
    bijective = True
    identity_at_zero = True

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return x - theta.select(1, 0), torch.zeros_like(x)

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return z + theta.select(1, 0), torch.zeros_like(z)


@dataclass(frozen=True)
class Affine:
    r"""z = (x - t) exp(-s): x is Gaussian-like with mean t and log-scale s (MAF, arXiv 1705.07057, eq. 3-4).

    Args:
        scale: the rule that turns the second number of theta into s; :class:`TanhScale` by default, since
            unbounded scales overflow in deep stacks and explode on outliers.

    >>> import torch
    >>> Affine().forward(torch.tensor([3.0]), torch.tensor([[1.0, 0.0]]))[0]
    tensor([2.])
    """

    scale: Scale = field(default_factory=TanhScale)
    size = 2
    bijective = True

    @property
    def identity_at_zero(self) -> bool:
        return self.scale.identity_at_zero

    @property
    def compiled(self) -> Map | None:
        """How the compiled kernels call the map; None if they do not know its scale rule."""
        scale = self.scale
        if type(scale) is TanhScale:  # by exact type: a subclass may compute something else
            return Map("tanh", scale.bound)
        kinds: dict[type, str] = {ExpScale: "exp", SigmoidScale: "sigmoid"}
        return Map(kinds[type(scale)]) if type(scale) in kinds else None

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        if (known := self.compiled) and affine.applies(known, x, theta):
            return affine.run(known, x, theta, inverse=False)
        t, s = self._read(theta)
        return (x - t) / torch.exp(s), -s  # by the very number that inverse multiplies with: half the rounding

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        if (known := self.compiled) and affine.applies(known, z, theta):
            return affine.run(known, z, theta, inverse=True)
        t, s = self._read(theta)
        return z * torch.exp(s) + t, s

    def _read(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        t, raw = theta.unbind(1)
        return t, self.scale(raw)


@dataclass(frozen=True)
class Gate:
    r"""z = g x + (1 - g) t with g = sigmoid(raw + bias): IAF's numerically stable step.

    Kingma et al. 2016, arXiv 1606.04934, eq. 13-14; log_det = log g. ``bias`` of +1 to +2 is the forget-gate
    idea: the step starts near the identity, but not at it. Gates below ``floor`` do not occur, so that the
    inverse stays finite.
    """

    bias: float = 2.0
    floor: float = 1e-3
    size = 2
    bijective = True
    identity_at_zero = False

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        t, g = self._read(theta)
        return g * x + (1 - g) * t, g.log()

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        t, g = self._read(theta)
        return (z - (1 - g) * t) / g, -g.log()

    def _read(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        t, raw = theta.unbind(1)
        return t, self.floor + (1 - self.floor) * torch.sigmoid(raw + self.bias)


def depth_bound(transforms: int, total: float = 10.0, largest: float = 3.0) -> float:
    """Bound of one step's log-scale so that a stack of ``transforms`` stays invertible in float32.

    The bounds add up to ``total`` nats at most, whatever the depth.

    >>> depth_bound(5), depth_bound(50)
    (2.0, 0.2)
    """
    return min(largest, total / max(transforms, 1))
