"""What every one-dimensional map offers."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Univariate(Protocol):
    r"""A monotone map of one number, steered by ``size`` numbers theta: two pure elementwise functions.

    Shapes: x and z are (B, \*event), theta is (B, size, \*event), log_det is (B, \*event) in nats, and each
    function returns the log-det of its own direction. Implementations are frozen dataclasses.
    """

    @property
    def size(self) -> int:
        """How many numbers of theta steer one element."""
        ...

    @property
    def bijective(self) -> bool:
        """False for staircase maps of discrete values."""
        ...

    @property
    def identity_at_zero(self) -> bool:
        """True if theta = 0 is the identity, so that a network that starts at zero starts a flow there."""
        ...

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """x, theta -> z, log_det."""
        ...

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """z, theta -> x, log_det."""
        ...
