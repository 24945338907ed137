"""ActNorm and BatchNorm: normalisation layers that are part of the density."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fluvial.core.density import Density
from fluvial.core.transform import Shape, Transform, sum_event
from fluvial.univariate.affine import TanhScale


class ActNorm(Transform):
    r"""z = (x - t) exp(-s), one t and s per channel (dim 1), set from one batch so that z has mean 0 and variance 1.

    Kingma and Dhariwal 2018, arXiv 1807.03039, section 3.1. The first batch is given by ``initialize``, called
    once and explicitly; whether that happened is saved with the weights. A channel that does not vary gets the
    standard deviation ``floor``; one row, which has no variance, only sets t.
    """

    floor = 1e-3

    def __init__(self, event_shape: Shape) -> None:
        super().__init__()
        shape = (event_shape[0], *[1] * (len(event_shape) - 1))
        self.shift = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))
        self.register_buffer("initialized", torch.tensor(False))
        self.initialized: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (x - self.shift) * torch.exp(-self.log_scale), -self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z * torch.exp(self.log_scale) + self.shift, self._log_det(z)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if not bool(self.initialized):
            with torch.no_grad():
                axes = [0, *range(2, x.dim())]
                std, mean = torch.std_mean(x, axes, keepdim=True, correction=0)
                self.shift.copy_(mean[0])
                if x.shape[0] > 1:
                    self.log_scale.copy_(std[0].clamp(min=self.floor).log())
                self.initialized.fill_(True)
        return self(x)[0]

    def _log_det(self, x: Tensor) -> Tensor:
        return sum_event(self.log_scale.expand_as(x))


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
        self.scale = TanhScale(3.0)
        self.raw_gain = nn.Parameter(torch.zeros(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.mean: Tensor
        self.variance: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean, variance = (x.mean(0), x.var(0, correction=0)) if self.training else (self.mean, self.variance)
        log_scale = self._log_scale(variance)
        return (x - mean) * torch.exp(log_scale) + self.shift, sum_event(log_scale.expand_as(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training:
            raise RuntimeError(
                "BatchNorm has no inverse in training mode, where its statistics depend on the batch: "
                "call density.eval() before sampling"
            )
        log_scale = self._log_scale(self.variance)
        return (z - self.shift) * torch.exp(-log_scale) + self.mean, -sum_event(log_scale.expand_as(z))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.measure(x, context)

    def measure(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            self.mean.copy_(x.mean(0))
            self.variance.copy_(x.var(0, correction=0))
            log_scale = self._log_scale(self.variance)
            return (x - self.mean) * torch.exp(log_scale) + self.shift

    def _log_scale(self, variance: Tensor) -> Tensor:
        return self.scale(self.raw_gain) - 0.5 * torch.log(variance + self.eps)


def needs_statistics(density: nn.Module) -> bool:
    """Whether anything in ``density`` evaluates with statistics of the whole training set."""
    return any(isinstance(m, BatchNorm) for m in density.modules())


@torch.no_grad()
def refresh_statistics(density: Density, x: Tensor, context: Tensor | None = None) -> None:
    """Set every BatchNorm's evaluation statistics to those of all rows x, exactly; call before evaluating."""
    training = density.training
    density.eval()
    density.measure(x, context)
    density.train(training)
