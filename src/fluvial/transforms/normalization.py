"""ActNorm and BatchNorm: normalisation layers that are part of the density."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fluvial.core import doors
from fluvial.core.constants import constant
from fluvial.core.density import Density
from fluvial.core.transform import EventShape, Shape, Transform
from fluvial.core.workers import workers
from fluvial.univariate.affine import TanhScale

_NO_INVERSE = (
    "BatchNorm has no inverse in training mode, where its statistics depend on the batch: "
    "call density.eval() before sampling"
)


class ActNorm(Transform):
    r"""z = (x - t) exp(-s), one t and s per channel (dim 1), set from one batch so that z has mean 0 and variance 1.

    Kingma and Dhariwal 2018, arXiv 1807.03039, section 3.1. The first batch is given by ``initialize``, called
    once and explicitly; whether that happened is saved with the weights. A channel that does not vary gets the
    standard deviation ``floor``; one row, which has no variance, only sets t.

    Args:
        factor: s is the learned number times this; 3 in Glow's released code, where it speeds s up.
    """

    floor = 1e-3

    def __init__(self, event_shape: Shape, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.shift: nn.Parameter = nn.Parameter(torch.zeros(event_shape[0]))
        self.log_scale: nn.Parameter = nn.Parameter(torch.zeros(event_shape[0]))
        self.register_buffer("initialized", torch.tensor(False))
        self.initialized: Tensor

    @property
    def s(self) -> Tensor:
        """The log-scale of each channel, nats."""
        return self.factor * self.log_scale

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (x - self._per_channel(self.shift, x)) * torch.exp(self._per_channel(-self.s, x)), -self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z * torch.exp(self._per_channel(self.s, z)) + self._per_channel(self.shift, z), self._log_det(z)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if not bool(self.initialized):
            with torch.no_grad():
                x = x if x.is_floating_point() else x.to(self.shift.dtype)
                axes = [0, *range(2, x.dim())]
                std, mean = torch.std_mean(x, axes, correction=0)
                self.shift.copy_(mean)
                if x.shape[0] > 1:
                    self.log_scale.copy_(std.clamp(min=self.floor).log() / self.factor)
                self.initialized.fill_(True)
        return self(x)[0]

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over_channels(event_shape, self.shift.numel())

    def _log_det(self, x: Tensor) -> Tensor:
        return (x.shape[2:].numel() * self.s.sum()).expand(x.shape[0])

    @staticmethod
    def _per_channel(values: Tensor, x: Tensor) -> Tensor:
        return values.view(-1, *[1] * (x.dim() - 2))


class BatchNorm(Transform):
    r"""z = exp(g) (x - m) / sqrt(v + eps) + b, one m and v per feature.

    In training m and v are the batch's; in evaluation they are the statistics of the *whole* training set, set
    by :func:`refresh_statistics` before each validation, never running averages, whose noise can make
    validation explode. log_det = sum(g - 0.5 log(v + eps)). The inverse exists in evaluation mode only.

    Dinh et al. 2016, arXiv 1605.08803, eq. 17-19; the statistics after Papamakarios et al. 2017, arXiv 1705.07057.
    """

    eps = 1e-5

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale: TanhScale = TanhScale(3.0)
        self.raw_gain: nn.Parameter = nn.Parameter(torch.zeros(features))
        self.shift: nn.Parameter = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.mean: Tensor
        self.variance: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = x if x.is_floating_point() else x.to(self.shift.dtype)
        mean, variance = self._of_batch(x) if self.training else (self.mean, self.variance)
        log_scale = self._log_scale(variance)
        return (x - mean) * torch.exp(log_scale) + self.shift, log_scale.sum().expand(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training:
            raise RuntimeError(_NO_INVERSE)
        log_scale = self._log_scale(self.variance)
        return (z - self.shift) * torch.exp(-log_scale) + self.mean, -log_scale.sum().expand(z.shape[0])

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.measure(x, context)

    def measure(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            x = x if x.is_floating_point() else x.to(self.shift.dtype)
            self.mean.copy_(x.mean(0))
            self.variance.copy_(x.var(0, correction=0))
            log_scale = self._log_scale(self.variance)
            return (x - self.mean) * torch.exp(log_scale) + self.shift

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over(event_shape, tuple(self.shift.shape))

    @staticmethod
    def _of_batch(x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the batch, of which other workers may hold parts."""
        if not workers().several:
            return x.mean(0), x.var(0, correction=0)
        mean = workers().mean(x.sum(0), len(x))
        return mean, workers().mean((x - mean).square().sum(0), len(x))

    def _log_scale(self, variance: Tensor) -> Tensor:
        return self.scale(self.raw_gain) - 0.5 * torch.log(variance + self.eps)


class ImageBatchNorm(Transform):
    r"""z = (x - m) / sqrt(v + eps) per channel, of the entries that the coupling before it moved: RealNVP's.

    log_det = -0.5 sum log(v + eps) over those entries. In training m and v are the batch's, and running averages
    of them, with a weight of ``decay`` on the newest, serve evaluation; ``measure`` (``refresh_statistics``) puts
    the statistics of all rows in their place. The inverse exists in evaluation mode only.

    Dinh et al. 2016, arXiv 1605.08803, section 3.7; eps and decay of the released code.

    Args:
        event_shape: (C, H, W).
        kept: bool, broadcasting over the event, True where entries pass unchanged; None to normalise all.
        zeros_count: the statistics run over all entries, the kept ones counted as zeros, as in the released code.
    """

    eps, decay = 1e-4, 0.1

    def __init__(self, event_shape: Shape, kept: Tensor | None = None, zeros_count: bool = False) -> None:
        super().__init__()
        channels = event_shape[0]
        moved = torch.ones(event_shape, device="cpu") if kept is None else (~kept).expand(event_shape).float()
        self.zeros_count = zeros_count
        constant(self, "moved", moved)
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("variance", torch.ones(channels, 1, 1))
        self.moved: Tensor
        self.mean: Tensor
        self.variance: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean, variance = self.mean, self.variance
        if self.training:
            mean, variance = self._statistics(x)
            with torch.no_grad():
                self.mean.lerp_(mean, self.decay)
                self.variance.lerp_(variance, self.decay)
        log_scale = -0.5 * torch.log(variance + self.eps)
        z = torch.where(self.moved > 0, (x - mean) * torch.exp(log_scale), x)
        return z, (log_scale * self.moved).sum().expand(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training:
            raise RuntimeError(_NO_INVERSE)
        log_scale = -0.5 * torch.log(self.variance + self.eps)
        x = torch.where(self.moved > 0, z * torch.exp(-log_scale) + self.mean, z)
        return x, -(log_scale * self.moved).sum().expand(z.shape[0])

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.measure(x, context)

    @torch.no_grad()
    def measure(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        mean, variance = self._statistics(x)
        self.mean.copy_(mean)
        self.variance.copy_(variance)
        return torch.where(self.moved > 0, (x - mean) * torch.rsqrt(variance + self.eps), x)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return doors.over(event_shape, tuple(self.moved.shape))

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance per channel; of a channel that is kept as a whole, 0 and 0."""
        each = torch.ones_like(self.moved) if self.zeros_count else self.moved
        places = each.sum((1, 2), keepdim=True).clamp(min=1)
        mean = self._mean((x * self.moved).sum((0, 2, 3), keepdim=True)[0], x.shape[0]) / places
        squares = ((x * self.moved - mean).square() * each).sum((0, 2, 3), keepdim=True)[0]
        return mean, self._mean(squares, x.shape[0]) / places

    def _mean(self, total: Tensor, rows: int) -> Tensor:
        """Over the rows of the batch, of which other workers may hold parts while training."""
        return workers().mean(total, rows) if self.training and workers().several else total / rows


def needs_statistics(density: nn.Module) -> bool:
    """Whether anything in ``density`` evaluates with statistics of the whole training set."""
    return any(isinstance(m, BatchNorm | ImageBatchNorm) for m in density.modules())


def refresh_statistics(density: Density, x: Tensor, context: Tensor | None = None) -> None:
    """Set every BatchNorm's evaluation statistics to those of all rows x, exactly; call before evaluating."""
    pool_statistics(density, [(x, context)])


@torch.no_grad()
def pool_statistics(density: Density, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
    r"""As :func:`refresh_statistics`, of rows that come in parts, each x and its context.

    Pooled are :math:`m = \sum w_k m_k` and :math:`v = \sum w_k (v_k + m_k^2) - m^2`, w_k the share of rows in part k.
    That is exact for the first BatchNorm; those behind it see each part normalised by its own statistics, whose error
    vanishes as parts grow, so choose parts as large as memory allows, and of equal size.
    """
    norms = [m for m in density.modules() if isinstance(m, BatchNorm | ImageBatchNorm)]
    training, rows = density.training, 0
    sums = [m.mean.new_zeros(2, *m.mean.shape, dtype=torch.float64) for m in norms]
    density.eval()
    for x, context in parts:
        density.measure(x, context)
        rows += x.shape[0]
        for m, total in zip(norms, sums):
            mean = m.mean.double()
            total += x.shape[0] * torch.stack((mean, m.variance.double() + mean.square()))
    for m, total in zip(norms, sums):
        mean, square = total / rows
        m.mean.copy_(mean)
        m.variance.copy_((square - mean.square()).clamp(min=0))
    density.train(training)
