"""Uniform dequantisation of values on a grid."""

from __future__ import annotations

import torch
from torch import Tensor

from fluvial.core.transform import Transform
from fluvial.transforms.linear import zero_log_det


class Dequantize(Transform):
    r"""z = x + step u, u ~ U[0, 1): values on a grid become continuous; ``inverse`` puts them back on the grid.

    E_u[log p(x + step u)] is a lower bound on log(P(x) / step) (Theis et al. 2016, arXiv 1511.01844, section 3.1),
    so densities that contain this are bounds, and say so.

    Args:
        step: distance of the grid's values, units of x; 1 for integers.
    """

    bijective = False
    exact = False

    def __init__(self, step: float = 1.0) -> None:
        super().__init__()
        if not step > 0:
            raise ValueError(f"step: the grid's distance must be positive, got {step}")
        self.step = step

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        noise = torch.rand_like(x if x.is_floating_point() else x.float())
        return x + self.step * noise, zero_log_det(noise)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return torch.floor(z / self.step) * self.step, zero_log_det(z)
