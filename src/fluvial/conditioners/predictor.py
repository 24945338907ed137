"""Conditioners of discretised mixtures of logistics: of a pixel from those around it, and of a row of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.conv import ContextConv, ScaledConv
from fluvial.conditioners.masked import MaskedMLP
from fluvial.core.precision import float32_at_least, full_precision

_PATCHES = 20_000  # that the first linear prediction is fitted to


class PixelPredictor(nn.Module):
    r"""theta (B, 3 K, 1, H, W) of a mixture of K logistics for one channel, from the channels (B, C, H, W) before it.

    The means are a linear prediction from the 3x3 pixels around, by least squares once :meth:`fit` was called, plus
    what a residual network finds on top of it, in units of the prediction's error, so that a step of training moves
    them by little; weights and scales are the network's.

    Args:
        channels: C.
        components: K.
        width, blocks: hidden channels, and residual blocks of a 3x3 and a 1x1 convolution.
        context: as for :class:`ConvNet`.
        levels: pixels are 0, ..., levels - 1; the network and theta see them scaled to [-1, 1].
    """

    def __init__(
        self, channels: int, components: int, width: int, blocks: int, context: int = 0, levels: int = 256
    ) -> None:
        super().__init__()
        self.components, self.levels = components, levels
        self.linear = nn.Conv2d(channels, 1, 3, padding=1, bias=False)
        self.first = ScaledConv(channels, width, 3)
        self.context = ContextConv(context, width) if context else None
        self.blocks = nn.ModuleList(_Residual(width) for _ in range(blocks))
        self.last = nn.Conv2d(width, 3 * components, 1)
        for layer in (self.linear, self.last):
            nn.init.zeros_(layer.weight)
        self.last.bias = nn.Parameter(_start(components))
        self.register_buffer("weight", torch.zeros(1, channels, 3, 3))
        self.register_buffer("bias", torch.zeros(1))
        self.register_buffer("error", torch.tensor(0.5))
        self.register_buffer("fitted", torch.tensor(False))
        self.weight: Tensor
        self.bias: Tensor
        self.error: Tensor
        self.fitted: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self._scaled(x)
        h = self.first(x)
        if self.context is not None and context is not None:
            h = h + self.context(context)
        for block in self.blocks:
            h = block(h)
        logits, means, scales = float32_at_least(self.last(F.relu(h))).split(self.components, 1)
        with full_precision(x):
            predicted = F.conv2d(x, self.weight + self.error * self.linear.weight, self.bias, padding=1)
        return torch.cat((logits, self.error * means + predicted, torch.log(self.error) + scales), 1).unsqueeze(2)

    @torch.no_grad()
    def fit(self, x: Tensor, moved: Tensor) -> None:
        """Make the linear prediction of ``moved`` (B, 1, H, W) that of least squares, and note its mean error."""
        if bool(self.fitted):
            return
        channels = x.shape[1]
        patches = F.unfold(self._scaled(x), 3, padding=1).transpose(1, 2).reshape(-1, 9 * channels)
        step = -(-len(patches) // _PATCHES)
        patches = F.pad(patches, (0, 1), value=1.0)[::step].double()
        wanted = self._scaled(moved).flatten()[::step].double()
        ridge = 1e-4 * len(wanted) * torch.eye(9 * channels + 1, dtype=torch.float64, device=x.device)
        solution = torch.linalg.solve(patches.t() @ patches + ridge, patches.t() @ wanted)
        self.weight.copy_(solution[:-1].view_as(self.weight))
        self.bias.copy_(solution[-1:])
        self.error.copy_((patches @ solution - wanted).abs().mean().clamp(min=1 / self.levels))
        self.fitted.fill_(True)

    def _scaled(self, x: Tensor) -> Tensor:
        return x.to(self.linear.weight.dtype) * (2 / (self.levels - 1)) - 1


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
            self.last.bias.copy_(_start(components, 0.5).repeat_interleave(features))

    def encode(self, x: Tensor) -> Tensor:
        return x.to(self.last.weight.dtype) * (2 / (self.levels - 1)) - 1


class _Residual(nn.Module):
    """h plus ReLU, 3x3, ReLU, 1x1 of it, which start at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = ScaledConv(width, width, 3), ScaledConv(width, width, 1, zero=True)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(F.relu(self.first(F.relu(h)), inplace=True))


def _start(components: int, error: float = 1.0) -> Tensor:
    """theta (3 K,): logistics around 0 of several scales, whose mean absolute value is about ``error``."""
    places = torch.linspace(-1, 1, components) if components > 1 else torch.zeros(1)
    # E|x| of a standard logistic is 2 ln 2
    return torch.cat((torch.zeros_like(places), 0.5 * error * places, math.log(error / 1.386) + places))
