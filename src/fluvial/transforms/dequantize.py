"""Dequantisation of values on a grid, by uniform and by learned noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fluvial.core import doors, randomness
from fluvial.core.constants import constant
from fluvial.core.density import Density
from fluvial.core.supports import Constraint, bounded, classes
from fluvial.core.transform import EventShape, Transform
from fluvial.transforms.linear import zero_log_det


class Dequantize(Transform):
    r"""z = x + step u, u ~ U[0, 1): values on a grid become continuous; ``inverse`` puts them back on the grid.

    E_u[log p(x + step u)] is a lower bound on log(P(x) / step) (Theis et al. 2016, arXiv 1511.01844, section 3.1),
    so densities that contain this are bounds, and say so.

    Args:
        step: distance of the grid's values, units of x; 1 for integers.
        levels: the grid is 0, step, ..., (levels - 1) step, and ``inverse`` stays on it; None for no end.
    """

    bijective = False
    exact = False

    def __init__(self, step: float = 1.0, levels: int | None = None) -> None:
        super().__init__()
        if not step > 0:
            raise ValueError(f"step: the grid's distance must be positive, got {step}")
        self.step = step
        self.highest: float | None = None if levels is None else (levels - 1) * step

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return bounded(None if self.highest is None else 0.0, self.highest, self.step)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        noise = randomness.uniform(x.shape, x.dtype if x.is_floating_point() else torch.float32, x.device)
        return x + self.step * noise, zero_log_det(noise)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = torch.floor(z / self.step) * self.step
        return x if self.highest is None else x.clamp(0, self.highest), zero_log_det(z)


class VariationalDequantize(Transform):
    r"""z = x + u with u ~ q(u | x) from a learned density on the unit cube; log_det = -log q(u | x).

    E_q[log p(x + u) - log q(u | x)] is a lower bound on log P(x), tighter than the uniform one for a good q, which
    is trained with the rest (Ho et al. 2019, arXiv 1902.00275, eq. 11).

    Args:
        noise: q, over events of x's shape, whose ``sample_and_log_prob`` carries gradients.
        encoder: a module x / levels - 1/2 (B, \*event) -> the context that ``noise`` reads.
        levels: x holds integers 0, ..., levels - 1.
    """

    bijective = False
    exact = False

    def __init__(self, noise: Density, encoder: nn.Module, levels: int = 256) -> None:
        super().__init__()
        self.noise, self.encoder, self.levels = noise, encoder, levels
        constant(self, "like", torch.zeros((), device="cpu"))
        self.like: Tensor

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return classes(self.levels)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u, log_q = self.noise.sample_and_log_prob(x.shape[0], self._features(x))
        return x + u, -log_q

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = torch.floor(z).clamp(0, self.levels - 1)
        return x, self.noise.log_prob(z - x, self._features(x))

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over(event_shape, self.noise.event_shape)

    def _features(self, x: Tensor) -> Tensor:
        return self.encoder(x.to(self.like.dtype) / self.levels - 0.5)
