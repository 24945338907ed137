"""The monotone rational-quadratic spline."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fluvial.kernels import spline as kernel


@dataclass(frozen=True)
class RQSpline:
    r"""A monotone rational-quadratic spline on [-bound, bound] (Durkan et al. 2019, arXiv 1906.04032, eq. 4-8).

    theta: K logits of widths, K of heights, then the raw slopes at the knots: K - 1 inner ones with linear
    tails (outside the interval the map is the identity and the slope at both ends is 1), or K with
    ``circular``, where the two ends are one point of a circle and share a learned slope.

    Values are clamped before the spline's arithmetic, so no gradient of the branch not taken becomes NaN;
    the discriminant of the inverse is clamped at 0 and its root polished by a Newton step.

    Args:
        bins: K.
        bound: half the width of the interval, in units of x.
        circular: x is an angle-like number of period 2 * bound; values outside are wrapped.

    >>> import torch
    >>> spline = RQSpline()
    >>> z, log_det = spline.forward(torch.tensor([0.3]), torch.zeros(1, spline.size))
    >>> bool((z - 0.3).abs() < 1e-6)  # theta = 0 is the identity
    True
    """

    bins: int = 8
    bound: float = 5.0
    circular: bool = False
    bijective = True
    identity_at_zero = True

    def __post_init__(self) -> None:
        if not 2 <= self.bins <= 500:
            raise ValueError(f"bins: a spline needs 2 to 500 of them, got {self.bins}")
        if not self.bound > 0:
            raise ValueError(f"bound: half the interval's width must be positive, got {self.bound}")

    @property
    def size(self) -> int:
        return 3 * self.bins - (0 if self.circular else 1)

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return kernel.forward(self._wrap(x), theta, self.bins, self.bound)

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return kernel.inverse(self._wrap(z), theta, self.bins, self.bound)

    def _wrap(self, x: Tensor) -> Tensor:
        if not self.circular:
            return x
        period = 2 * self.bound
        return x - period * torch.floor((x + self.bound) / period)
