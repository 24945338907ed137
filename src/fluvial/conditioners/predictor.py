"""Conditioners of discretised mixtures of logistics: of a pixel from those around it, and of a row of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.conv import ContextConv, ScaledConv
from fluvial.conditioners.masked import MaskedMLP
from fluvial.core.constants import constant, on_cpu
from fluvial.core.doors import Contextual
from fluvial.core.precision import float32_at_least, full_precision

_PATCHES = 20_000  # that the first linear prediction is fitted to


class PixelPredictor(Contextual):
    r"""theta (B, 3 K, C, H, W) of mixtures of K logistics for C channels, one after the other, given N known ones.

    Each channel has a residual network of its own, which reads the known channels and those before it; the networks
    run side by side. The means are a linear prediction from the 3x3 pixels around, by least squares once :meth:`fit`
    was called, plus what the network finds on top of it, in units of the prediction's error, so that a step of
    training moves them by little; weights and scales are the network's.

    Args:
        known: N.
        channels: C.
        components: K.
        width, blocks: of each network, hidden channels, and residual blocks of a 3x3 and a 1x1 convolution.
        context: as for :class:`ConvNet`.
        levels: pixels are 0, ..., levels - 1; the network and theta see them scaled to [-1, 1].
    """

    def __init__(
        self,
        known: int,
        channels: int,
        components: int,
        width: int,
        blocks: int,
        context: int = 0,
        levels: int = 256,
    ) -> None:
        super().__init__()
        self.channels, self.components, self.levels = channels, components, levels
        self.context_features: int | None = context or None
        with on_cpu():
            before = torch.ones(channels, channels).tril(-1)  # channel c reads those before it
            mask = torch.cat((torch.ones(channels, known), before), 1)[:, :, None, None]
        self.first = _Masked(mask, width)
        self.context: ContextConv | None = ContextConv(context, channels * width) if context else None
        self.blocks: nn.ModuleList = nn.ModuleList(_Residual(channels, width) for _ in range(blocks))
        self.last = _SideBySide(channels, width, 3 * components, 1, factor=0.0, zero=True)
        self.last.bias = nn.Parameter(start_of_logistics(components).repeat(channels))
        self.linear: nn.Parameter = nn.Parameter(torch.zeros(channels, known + channels, 3, 3))
        constant(self, "mask", mask)
        self.register_buffer("weight", torch.zeros_like(self.linear))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("error", torch.full((channels,), 0.5))
        self.register_buffer("fitted", torch.tensor(False))
        self.mask: Tensor
        self.weight: Tensor
        self.bias: Tensor
        self.error: Tensor
        self.fitted: Tensor

    def forward(self, known: Tensor, own: Tensor, context: Tensor | None = None, channel: int | None = None) -> Tensor:
        """theta, of which that of channel c reads own[:, :c] alone; only that of one ``channel`` (B, 3 K, 1, H, W)."""
        x = self._scaled(torch.cat((known, own), 1))
        h = self.first(x, channel)
        if self.context is not None and context is not None:
            h = h + _part(self.context(context), 1, self.channels, channel)
        for block in self.blocks:
            h = block(h, channel)
        theta = float32_at_least(self.last(F.relu(h), channel))
        theta = theta.unflatten(1, (-1, 3 * self.components)).transpose(1, 2)
        logits, means, scales = theta.split(self.components, 1)
        weight, bias, error = (
            _part(t, 0, self.channels, channel) for t in (self._prediction(), self.bias, self.error.view(-1, 1, 1))
        )
        with full_precision(x):
            predicted = F.conv2d(x, weight, bias, padding=1).unsqueeze(1)
        return torch.cat((logits, error * means + predicted, torch.log(error) + scales), 1)

    @torch.no_grad()
    def fit(self, known: Tensor, own: Tensor) -> None:
        """Make the linear predictions of the channels ``own`` those of least squares, and note their mean errors."""
        if bool(self.fitted):
            return
        patches = F.unfold(self._scaled(torch.cat((known, own), 1)), 3, padding=1).transpose(1, 2).flatten(0, 1)
        step = -(-len(patches) // _PATCHES)
        patches = F.pad(patches[::step], (0, 1), value=1.0).double()
        wanted = self._scaled(own).movedim(1, -1).flatten(0, -2)[::step].double()
        for c, b in enumerate(wanted.unbind(1)):
            n = 9 * (known.shape[1] + c)
            a = torch.cat((patches[:, :n], patches[:, -1:]), 1)
            ridge = 1e-4 * len(b) * torch.eye(n + 1, dtype=torch.float64, device=b.device)
            solution = torch.linalg.solve(a.t() @ a + ridge, a.t() @ b)
            self.weight[c, : n // 9] = solution[:-1].view(-1, 3, 3)
            self.bias[c] = solution[-1]
            self.error[c] = (a @ solution - b).abs().mean().clamp(min=1 / self.levels)
        self.fitted.fill_(True)

    def _prediction(self) -> Tensor:
        return self.weight + self.error.view(-1, 1, 1, 1) * self.linear * self.mask

    def _scaled(self, x: Tensor) -> Tensor:
        return _centred(x, self.levels, self.linear.dtype)


class PixelMLP(MaskedMLP):
    """A masked network of pixels 0, ..., levels - 1, (B, D), that sees them scaled to [-1, 1]; theta as above.

    Args: as for :class:`MaskedMLP`.
    """

    def __init__(
        self, features: int, components: int, hidden: Sequence[int], context: int = 0, levels: int = 256
    ) -> None:
        super().__init__(features, 3 * components, hidden, context)
        self.levels = levels
        with torch.no_grad():
            self.last.bias.copy_(start_of_logistics(components, 0.5).repeat_interleave(features))

    def encode(self, x: Tensor) -> Tensor:
        return _centred(x, self.levels, self.last.weight.dtype)


class _SideBySide(ScaledConv):
    """``count`` convolutions beside each other, from (B, count * channels, H, W) to (B, count * out, H, W), or one."""

    def __init__(
        self, count: int, channels: int, out: int, kernel: int, factor: float = 1.0, zero: bool = False
    ) -> None:
        super().__init__(channels, count * out, kernel, factor, zero)
        self.count = count

    def forward(self, x: Tensor, only: int | None = None) -> Tensor:
        self.listen(x)
        weight, bias = (_part(t, 0, self.count, only) for t in self.folded())
        return F.conv2d(x, weight, bias, padding=self.padding, groups=x.shape[1] // weight.shape[1])


class _Masked(_SideBySide):
    """3x3 convolutions to ``out`` channels each, over the channels in a row of ``mask`` (count, channels, 1, 1)."""

    def __init__(self, mask: Tensor, out: int) -> None:
        super().__init__(mask.shape[0], mask.shape[1], out, 3)
        constant(self, "mask", mask.repeat_interleave(out, 0))
        self.mask: Tensor

    def folded(self) -> tuple[Tensor, Tensor]:
        weight, bias = super().folded()
        return weight * self.mask, bias


class _Residual(nn.Module):
    """h plus ReLU, 3x3, ReLU, 1x1 of it, which start at zero, for each of ``count`` networks."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.first = _SideBySide(count, width, width, 3)
        self.second = _SideBySide(count, width, width, 1, zero=True)

    def forward(self, h: Tensor, only: int | None = None) -> Tensor:
        return h + self.second(F.relu(self.first(F.relu(h), only), inplace=True), only)


def _centred(x: Tensor, levels: int, dtype: torch.dtype) -> Tensor:
    """Pixels 0, ..., levels - 1 as numbers in [-1, 1]."""
    return x.to(dtype) * (2 / (levels - 1)) - 1


def _part(t: Tensor, dim: int, count: int, only: int | None) -> Tensor:
    """One of ``count`` equal parts, or the whole."""
    return t if only is None else t.tensor_split(count, dim)[only]


def start_of_logistics(components: int, error: float = 1.0) -> Tensor:
    """theta (3 K,): logistics around 0 of several scales, whose mean absolute value is about ``error``."""
    places = torch.linspace(-1, 1, components) if components > 1 else torch.zeros(1)
    # E|x| of a standard logistic is 2 ln 2
    return torch.cat((torch.zeros_like(places), 0.5 * error * places, math.log(error / 1.386) + places))
