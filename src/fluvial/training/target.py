"""A density that somebody knows up to a constant, as training sees it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fluvial.core import Chain, Transform, UsageError
from fluvial.transforms import Constrained

LogDensity = Callable[[Tensor], Tensor]


class Target:
    r"""log pi(z) = log pi(x) + log|det dx/dz| of an unnormalised density of x, z = f(x).

    Args:
        log_density: (B, D) -> (B,), nats, in PyTorch.
        head: the constraints of x; ``log_density`` is asked about rows that keep to them only.
        transform: f, which begins with them; None where they are all of it.
    """

    def __init__(self, log_density: LogDensity, head: Constrained, transform: Transform | None = None) -> None:
        self.log_density, self.head, self.transform = log_density, head, transform or head

    def behind(self, transform: Transform) -> Target:
        """The density of what one more transform makes of z."""
        return Target(self.log_density, self.head, Chain(self.transform, transform))

    def __call__(self, z: Tensor) -> Tensor:
        """log pi of each row, (B,); -inf where it is NaN.

        Raises:
            UsageError: the function fails, or does not give a number for each row.
        """
        x, log_det = self.transform.inverse(z)
        return torch.nan_to_num(self._asked(x) + log_det, -math.inf, math.inf, -math.inf)

    def at(self, x: Tensor) -> Tensor:
        """log pi of rows in the units of ``log_density``, (B,); -inf where it is NaN."""
        return torch.nan_to_num(self._asked(x), -math.inf, math.inf, -math.inf)

    def score(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log pi of each row, (B,), and its gradient, (B, D): 0 where either is not finite, and log pi is -inf."""
        with torch.enable_grad():
            at = z.detach().requires_grad_()
            value = self(at)
            if not bool(value.isfinite().any()):
                return value.detach(), torch.zeros_like(z)
            if not value.requires_grad:
                raise UsageError(
                    "log_target: what it returns does not depend on x through PyTorch, so it has no gradient; compute "
                    "it with torch's functions, without .detach(), .item() or NumPy"
                )
            slope = torch.autograd.grad(value.sum(), at)[0]
        known = value.isfinite() & slope.isfinite().all(1)
        return torch.where(known, value.detach(), -math.inf), torch.where(known[:, None], slope, 0.0)

    def _asked(self, x: Tensor) -> Tensor:
        allowed = self.head.allows(x.detach())
        if bool(allowed.all()):
            return self._called(x)
        value = x.new_full((len(x),), -math.inf)
        return value.index_put((allowed,), self._called(x[allowed])) if bool(allowed.any()) else value

    def _called(self, x: Tensor) -> Tensor:
        try:
            value = self.log_density(x)
        except RuntimeError as error:
            raise UsageError(
                f"log_target failed on rows of shape {tuple(x.shape)} and type {x.dtype}: {error}. Tensors that it "
                "uses should be of the same type; dtype=torch.float32 asks it in single precision"
            ) from error
        if not isinstance(value, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"log_target: expected a tensor of shape (B,), got {type(value).__name__}")
        if value.shape != x.shape[:1]:
            raise UsageError(
                f"log_target: expected one number for each of {len(x)} rows, ({len(x)},), got {tuple(value.shape)}"
            )
        return value.to(x.dtype)
