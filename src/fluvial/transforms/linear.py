"""Reorderings and linear maps of vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core import doors
from fluvial.core.constants import placed, with_values
from fluvial.core.precision import Double, cast, dtype_of_numbers, float32_at_least
from fluvial.core.tracing import to_onnx
from fluvial.core.transform import EventShape, Transform


class Permute(Transform):
    """z_i = x_{order[i]} along the first axis of the event; log_det 0."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        order = with_values("order", order)
        if sorted(order.tolist()) != list(range(order.numel())):
            raise ValueError(f"order: expected a permutation of 0..{order.numel() - 1}, got {order.tolist()}")
        self.register_buffer("order", placed(order))
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
    Oliva et al. 2018). Put a :class:`Permute` beside it to reach matrices of every ordering. ``inverse`` solves in
    float64, whatever the dtype of z: each step of a substitution builds on the rounding of those before.
    """

    floor = 1e-3

    def __init__(self, features: int) -> None:
        super().__init__()
        self.lower: nn.Parameter = nn.Parameter(torch.zeros(features, features))
        self.upper: nn.Parameter = nn.Parameter(torch.zeros(features, features))
        self.raw_diagonal: nn.Parameter = nn.Parameter(torch.full((features,), math.log(math.expm1(1.0 - self.floor))))
        self.bias: nn.Parameter = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        lower, upper, diagonal, bias = self._factors()
        with torch.autocast(x.device.type, enabled=False):  # the values themselves must not be rounded
            z = F.linear(F.linear(cast(x, upper.dtype), upper), lower, bias)
        return z, diagonal.log().sum().expand(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        lower, upper, diagonal, bias = self._factors()
        right = (z.double() - bias.double()).t()
        y = torch.linalg.solve_triangular(lower.double(), right, upper=False, unitriangular=True)
        x = torch.linalg.solve_triangular(upper.double(), y, upper=True).t()
        return cast(x, lower.dtype), -diagonal.log().sum().expand(z.shape[0])

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over(event_shape, tuple(self.bias.shape))

    def _factors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """L, U, its diagonal and b, in float32 at least."""
        diagonal = F.softplus(float32_at_least(self.raw_diagonal)) + self.floor
        dtype = diagonal.dtype
        eye = torch.eye(diagonal.numel(), dtype=dtype, device=diagonal.device)
        lower, upper = cast(self.lower, dtype).tril(-1) + eye, cast(self.upper, dtype).triu(1) + torch.diag(diagonal)
        return lower, upper, diagonal, cast(self.bias, dtype)


class Whiten(Double, Transform):
    r"""z = L^{-1} (x - m - A c): under a Normal base, the Gaussian with mean m + A c and covariance L L^T.

    ``initialize`` sets m, A and L to their maximum-likelihood values for the rows it is given; that is all the training
    a full-covariance Gaussian needs. All of it is float64, whatever the dtype of the model around it: z is float64,
    and float32 where x is, for columns may be as near to dependent as float64 can resolve.

    Args:
        features: D.
        context: number of context features, 0 for none.
    """

    floor = 1e-10
    """Of a column's standard deviation: what is left of it, given the columns before, is never taken to be less."""

    def __init__(self, features: int, context: int = 0) -> None:
        super().__init__()
        self.mean: nn.Parameter = nn.Parameter(torch.zeros(features, dtype=torch.float64))
        self.slope = nn.Parameter(torch.zeros(features, context, dtype=torch.float64)) if context else None
        self.context_features: int | None = context or None
        self.lower: nn.Parameter = nn.Parameter(torch.zeros(features, features, dtype=torch.float64))
        self.log_diagonal: nn.Parameter = nn.Parameter(torch.zeros(features, dtype=torch.float64))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        residual, dtype = (x.double() - self._mean(context)).t(), dtype_of_numbers(x)
        z = _solved(self.factor(), residual).t()
        return z.to(dtype), -self.log_diagonal.sum().to(dtype).expand(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, dtype = F.linear(z.double(), self.factor()) + self._mean(context), dtype_of_numbers(z)
        return x.to(dtype), self.log_diagonal.sum().to(dtype).expand(z.shape[0])

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self(x, context)[0], -self.log_diagonal.to(dtype_of_numbers(x)).expand_as(x)

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        rows = x.double()
        # about the mean, so that what is left does not lose digits to it
        middle = rows.mean(0)
        residual, slope = rows - middle, None
        if self.slope is not None and context is not None:
            given = context.double()
            centred = given - given.mean(0)
            # one-hot contexts are collinear with the constant; the pseudo-inverse takes the smallest solution
            slope = (torch.linalg.pinv(centred) @ residual).t()
            residual = residual - centred @ slope.t()
            self.slope.copy_(slope)
            middle = middle - slope @ given.mean(0)
        factor = _covariance_factor(residual)
        scale = residual.square().mean(0).sqrt()
        size = scale.square().mean().sqrt()
        # a direction without variance would have no density; a column without any gets a little of the others'
        varies = scale > 1e-12 * (size + rows.abs().mean(0))
        least = torch.where(varies, self.floor * scale, 1e-5 * size.clamp(min=1e-10))
        self.set(middle, factor.tril(-1) + torch.diag(torch.maximum(factor.diagonal(), least)))
        return self(x, context)[0]

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over(event_shape, tuple(self.mean.shape))

    @torch.no_grad()
    def set(self, mean: Tensor, factor: Tensor) -> None:
        """m (D,) and L (D, D), lower triangular with a positive diagonal."""
        self.mean.copy_(mean)
        self.lower.copy_(factor.tril(-1))
        self.log_diagonal.copy_(factor.diagonal().log())

    def _mean(self, context: Tensor | None) -> Tensor:
        if self.slope is None or context is None:
            return self.mean
        return self.mean + F.linear(context.double(), self.slope)

    def factor(self) -> Tensor:
        """L, (D, D)."""
        return self.lower.tril(-1) + torch.diag(self.log_diagonal.exp())


def _covariance_factor(residual: Tensor) -> Tensor:
    """L (D, D), lower triangular with a diagonal of at least 0, with L L^T = residual^T residual / N.

    From the rows themselves, by QR: their covariance would square the ratio of the largest and the smallest direction.
    """
    n, features = residual.shape
    upper = residual.new_zeros(0, features)
    for rows in residual.split(1 << 16):
        upper = torch.linalg.qr(torch.cat((upper, rows)), mode="r")[1]
    upper = F.pad(upper, (0, 0, 0, features - upper.shape[0])) / n**0.5
    return (upper * torch.where(upper.diagonal() < 0, -1.0, 1.0)[:, None]).t()


def _solved(lower: Tensor, right: Tensor) -> Tensor:
    """lower^{-1} right; for ONNX, which has no such operator, row by row."""
    if not to_onnx():
        return torch.linalg.solve_triangular(lower, right, upper=False)
    rows: list[Tensor] = []
    for i, row in enumerate(right.unbind()):
        left = row - lower[i, :i] @ torch.stack(rows) if rows else row
        rows.append(left / lower[i, i])
    return torch.stack(rows)


def zero_log_det(x: Tensor) -> Tensor:
    """A log-det of 0 for each row of x."""
    return x.new_zeros(x.shape[0])
