"""Reorderings and linear maps of vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core import doors
from fluvial.core.precision import float32_at_least
from fluvial.core.transform import EventShape, Transform


class Permute(Transform):
    """z_i = x_{order[i]} along the first axis of the event; log_det 0."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        if sorted(order.tolist()) != list(range(order.numel())):
            raise ValueError(f"order: expected a permutation of 0..{order.numel() - 1}, got {order.tolist()}")
        self.register_buffer("order", order)
        self.order: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.index_select(1, self.order), zero_log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.index_select(1, torch.argsort(self.order)), zero_log_det(z)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if not event_shape or event_shape[0] != self.order.numel():
            raise ValueError(
                f"a permutation of {self.order.numel()} entries does not fit an event of shape {event_shape}"
            )
        return event_shape


class Reverse(Transform):
    """z_i = x_{D-1-i} along the first axis of the event: MAF's reordering between its layers; log_det 0."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.flip(1), zero_log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.forward(z)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if not event_shape:
            raise ValueError("expected events with an axis to reverse, got shape ()")
        return event_shape


class LULinear(Transform):
    r"""z = L U x + b on vectors, L unit lower and U upper triangular with a positive diagonal; starts at the identity.

    log_det = sum log diag(U), diag(U) = softplus(raw) + 1e-3 (Durkan et al. 2019, arXiv 1906.04032, section 5;
    Oliva et al. 2018). Put a :class:`Permute` beside it to reach matrices of every ordering.
    """

    floor = 1e-3

    def __init__(self, features: int) -> None:
        super().__init__()
        self.lower = nn.Parameter(torch.zeros(features, features))
        self.upper = nn.Parameter(torch.zeros(features, features))
        self.raw_diagonal = nn.Parameter(torch.full((features,), 1.0 - self.floor).expm1().log())
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        lower, upper, diagonal = (float32_at_least(t) for t in self._factors())
        with torch.autocast(x.device.type, enabled=False):  # the values themselves must not be rounded
            z = F.linear(F.linear(x.to(upper.dtype), upper), lower, self.bias.to(upper.dtype))
        return z, diagonal.log().sum().expand(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        lower, upper, diagonal = (float32_at_least(t) for t in self._factors())
        y = torch.linalg.solve_triangular(lower, (z.to(lower.dtype) - self.bias).t(), upper=False, unitriangular=True)
        x = torch.linalg.solve_triangular(upper, y, upper=True).t()
        return x, -diagonal.log().sum().expand(z.shape[0])

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over(event_shape, tuple(self.bias.shape))

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        diagonal = F.softplus(self.raw_diagonal) + self.floor
        eye = torch.eye(diagonal.numel(), dtype=diagonal.dtype, device=diagonal.device)
        return self.lower.tril(-1) + eye, self.upper.triu(1) + torch.diag(diagonal), diagonal


class Whiten(Transform):
    r"""z = L^{-1} (x - m - A c): under a Normal base, the Gaussian with mean m + A c and covariance L L^T.

    ``initialize`` sets m, A and L to their maximum-likelihood values for the rows it is given, in float64; that
    is all the training a full-covariance Gaussian needs.

    Args:
        features: D.
        context: number of context features, 0 for none.
    """

    def __init__(self, features: int, context: int = 0) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(features))
        self.slope = nn.Parameter(torch.zeros(features, context)) if context else None
        self.context_features = context or None
        self.lower = nn.Parameter(torch.zeros(features, features))
        self.log_diagonal = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        residual = (x - self._mean(context)).t()
        z = torch.linalg.solve_triangular(self._factor().to(residual.dtype), residual, upper=False).t()
        return z, -self.log_diagonal.sum().expand(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        factor = float32_at_least(self._factor())
        x = F.linear(z.to(factor.dtype), factor) + self._mean(context)
        return x, self.log_diagonal.sum().expand(z.shape[0])

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self(x, context)[0], -self.log_diagonal.expand_as(x)

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        rows = x.double()
        one = torch.ones_like(rows[:, :1])
        inputs = one if context is None else torch.cat((one, context.double()), 1)
        # one-hot contexts are collinear with the constant; the pseudo-inverse takes the smallest solution
        weights = torch.linalg.pinv(inputs) @ rows
        residual = rows - inputs @ weights
        covariance = residual.t() @ residual / rows.shape[0]
        # a direction without variance would have no density; this is far below any other scale
        covariance.diagonal().add_(1e-10 * covariance.diagonal().mean().clamp(min=1e-10))
        factor = torch.linalg.cholesky(covariance)
        self.mean.copy_(weights[0])
        if self.slope is not None:
            self.slope.copy_(weights[1:].t())
        self.lower.copy_(factor.tril(-1))
        self.log_diagonal.copy_(factor.diagonal().log())
        return self(x, context)[0]

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over(event_shape, tuple(self.mean.shape))

    def _mean(self, context: Tensor | None) -> Tensor:
        return (
            self.mean
            if self.slope is None or context is None
            else self.mean + F.linear(context.to(self.slope.dtype), self.slope)
        )

    def _factor(self) -> Tensor:
        return self.lower.tril(-1) + torch.diag(self.log_diagonal.exp())


def zero_log_det(x: Tensor) -> Tensor:
    """A log-det of 0 for each row of x."""
    return x.new_zeros(x.shape[0])
