"""Convolutional conditioners of image couplings: Glow's and RealNVP's, as published."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.frugal import two_convolutions
from fluvial.core import randomness
from fluvial.core.constants import constant
from fluvial.core.doors import Contextual
from fluvial.core.initialization import DataDependent
from fluvial.core.tracing import transformed


class ScaledConv(DataDependent):
    r"""y = exp(f l) (w * x + b): a convolution and the ActNorm behind it, folded into one.

    One pass over the image, and one activation for the backward pass instead of two. ``initializing`` sets b and
    l so that y has mean 0 and variance 1 per channel. A layer that starts at zero has w = 0 and is not set so.

    Kingma and Dhariwal 2018, arXiv 1807.03039, section 3.3 and the released code.

    Args:
        kernel: an odd width; borders are padded with zeros.
        factor: f, 3 in the released code, where it speeds l up; 0 for a plain convolution, w * x + b.
        zero: start at zero, for the last layer of a network.
        border: the network sees one channel more, which is 1 outside the image and 0 inside, as in the released code.
    """

    floor = 1e-3

    def __init__(
        self, channels: int, out: int, kernel: int, factor: float = 1.0, zero: bool = False, border: bool = False
    ) -> None:
        super().__init__()
        self.factor, self.zero, self.padding = factor, zero, kernel // 2
        self.weight: nn.Parameter = nn.Parameter(0.05 * randomness.normal((out, channels, kernel, kernel)))
        edge = (out, 1, kernel, kernel)
        self.border = nn.Parameter(0.05 * randomness.normal(edge)) if border and kernel > 1 else None
        self.bias: nn.Parameter = nn.Parameter(torch.zeros(out))
        self.log_gain: nn.Parameter | None = nn.Parameter(torch.zeros(out)) if factor else None
        if zero:
            for p in (self.weight, self.border):
                if p is not None:
                    nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        self.listen(x)
        weight, bias = self.folded()
        y = F.conv2d(x, weight, bias, padding=self.padding)
        if self.border is None:
            return y
        gain = None if self.log_gain is None else torch.exp(self.factor * self.log_gain)
        # the extra channel is the same for every image: its part of the sum is found once
        outside = F.pad(torch.zeros_like(x[:1, :1]), [self.padding] * 4, value=1.0)
        return y + F.conv2d(outside, _scaled(self.border, gain))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that this is, but for the border."""
        gain = None if self.log_gain is None else torch.exp(self.factor * self.log_gain)
        return _scaled(self.weight, gain), _scaled(self.bias, gain)

    def set_from(self, x: Tensor) -> None:
        if self.zero or self.log_gain is None:
            return
        self.bias.zero_()
        self.log_gain.zero_()
        self.listening = False  # so that the next line gives the plain convolution
        y = self(x)
        std, mean = torch.std_mean(y, (0, 2, 3), correction=0)
        self.bias.copy_(-mean)
        if y[:, 0].numel() > 1:
            self.log_gain.copy_(-std.clamp(min=self.floor).log() / self.factor)


class ConvNet(Contextual):
    r"""theta (B, size, C_moved, H, W) from the kept channels: Glow's three convolutions, the last one starting at zero.

    3x3, ActNorm, ReLU, 1x1, ActNorm, ReLU, 3x3 with a learned gain (Kingma and Dhariwal 2018, arXiv 1807.03039,
    section 3.3).

    Args:
        channels: of what is kept.
        out: (size, C_moved) of theta.
        width: channels of the hidden layers.
        context: number of context features (B, F), or of channels of a context image (B, F, H, W); 0 for none.
        factor, border: as in :class:`ScaledConv`; 3 and True in the released code; with factor 0 no ActNorm.
    """

    def __init__(
        self,
        channels: int,
        out: tuple[int, int],
        width: int = 512,
        context: int = 0,
        factor: float = 1.0,
        border: bool = False,
    ) -> None:
        super().__init__()
        self.out, self.context_features = out, context or None
        self.first: ScaledConv = ScaledConv(channels, width, 3, factor, border=border)
        self.middle: ScaledConv = ScaledConv(width, width, 1, factor)
        self.last: ScaledConv = ScaledConv(width, out[0] * out[1], 3, factor, zero=True, border=border)
        self.context: ContextConv | None = ContextConv(context, width) if context else None
        self._plain = not context and not border

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = channels_last(x.to(self.first.weight.dtype))
        if self._plain and not self.first.listening:
            h = two_convolutions(x, self.first.folded(), self.middle.folded())
        else:
            h = _plus(self.first(x), self.context, context)
            h = self.middle(F.relu(h, inplace=True))
        return self.last(F.relu(h, inplace=True)).unflatten(1, self.out)


class PriorConv(nn.Module):
    """theta (B, 2, C_moved, H, W) of a factored-out half: one 3x3 convolution of the other half that starts at zero.

    Kingma and Dhariwal 2018, arXiv 1807.03039, released code. Arguments as for :class:`ConvNet`.
    """

    def __init__(self, channels: int, moved: int, factor: float = 1.0, border: bool = False) -> None:
        super().__init__()
        self.conv: ScaledConv = ScaledConv(channels, 2 * moved, 3, factor, zero=True, border=border)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.conv(x.to(self.conv.weight.dtype)).unflatten(1, (2, -1))


class ContextConv(nn.Module):
    """What a context adds to hidden features (B, width, H, W): a linear map of (B, F) or of each pixel of (B, F, H, W).

    It starts at zero.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(features, width, 1)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # pyright: ignore

    def forward(self, context: Tensor) -> Tensor:
        context = context.to(self.conv.weight.dtype)
        return self.conv(context if context.dim() == 4 else context[:, :, None, None])


class WeightNormConv(nn.Module):
    """y = g (v / |v|) * x + b, one g and |v| per output channel (Salimans and Kingma 2016, arXiv 1602.07868, eq. 2)."""

    def __init__(self, channels: int, out: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.padding: int = kernel // 2
        self.direction: nn.Parameter = nn.Parameter(randomness.normal((out, channels, kernel, kernel)))
        self.gain: nn.Parameter = nn.Parameter(torch.ones(out))
        self.bias: nn.Parameter | None = nn.Parameter(torch.zeros(out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        norm = self.direction.flatten(1).norm(dim=1)
        return F.conv2d(x, self.direction * (self.gain / norm).view(-1, 1, 1, 1), self.bias, padding=self.padding)


class ResidualConvNet(Contextual):
    r"""theta = (t, c tanh(raw)) from RealNVP's residual network: the shift, and a log-scale with a learned bound c.

    The input, batch-normed, enters with its negative (and with the mask of a checkerboard, then doubled), through
    ReLU and a 3x3 convolution; the blocks are BN, ReLU, 3x3, BN, ReLU, 3x3; 1x1 convolutions sum every block's
    output into the last layer; all convolutions are weight-normalised. c is one number: it starts at 0 for a
    checkerboard, which makes the coupling volume-preserving at first, and at 1 for channels.

    Dinh et al. 2016, arXiv 1605.08803, section 4.1 and the released code.

    Args:
        channels: of the input.
        moved: C_moved, of theta (B, 2, C_moved, H, W).
        width: channels of the hidden layers; the paper doubles it for channel couplings.
        blocks: residual blocks.
        mask: bool (1, H, W), of a checkerboard, True where entries are kept; None for channels.
        context: as for :class:`ConvNet`.
    """

    eps = 1e-4

    def __init__(
        self, channels: int, moved: int, width: int = 32, blocks: int = 4, mask: Tensor | None = None, context: int = 0
    ) -> None:
        super().__init__()
        constant(self, "mask", None if mask is None else mask.float())
        self.mask: Tensor | None
        self.context_features, self.in_channels = context or None, channels
        self.norm = nn.BatchNorm2d(channels, self.eps, affine=False)
        self.first: WeightNormConv = WeightNormConv(2 * channels + (mask is not None), width, 3)
        self.context: ContextConv | None = ContextConv(context, width) if context else None
        self.blocks: nn.ModuleList = nn.ModuleList(self._block(width) for _ in range(blocks))
        self.skips: nn.ModuleList = nn.ModuleList(WeightNormConv(width, width, 1) for _ in range(blocks + 1))
        self.last: nn.Sequential = nn.Sequential(self._norm(width), nn.ReLU(), WeightNormConv(width, 2 * moved, 1))
        self.bound: nn.Parameter = nn.Parameter(torch.tensor(1.0 if mask is None else 0.0))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.norm(x.to(self.bound.dtype))
        parts = [h, -h] if self.mask is None else [2 * h, -2 * h, self.mask.expand(x.shape[0], 1, *x.shape[2:])]
        h = _plus(self.first(F.relu(torch.cat(parts, 1))), self.context, context)
        skipped = self.skips[0](h)
        for block, skip in zip(self.blocks, self.skips[1:]):  # pyright: ignore
            h = h + block(h)
            skipped = skipped + skip(h)
        t, raw = self.last(skipped).chunk(2, 1)
        return torch.stack((t, self.bound * torch.tanh(raw)), 1)

    def _block(self, width: int) -> nn.Module:
        return nn.Sequential(
            self._norm(width),
            nn.ReLU(),
            WeightNormConv(width, width, 3, bias=False),
            self._norm(width),
            nn.ReLU(),
            WeightNormConv(width, width, 3),
        )

    def _norm(self, width: int) -> nn.Module:
        return nn.BatchNorm2d(width, self.eps)


def channels_last(x: Tensor) -> Tensor:
    """x (B, C, H, W) with the channels of a pixel side by side on a CPU: convolutions then copy nothing.

    A network's first convolutions have few channels to rearrange; the layout stays until its end.
    """
    if x.device.type != "cpu" or transformed():  # vmap knows no layouts
        return x
    return x.contiguous(memory_format=torch.channels_last)


def _scaled(weight: Tensor, gain: Tensor | None) -> Tensor:
    return weight if gain is None else weight * gain.view(-1, *[1] * (weight.dim() - 1))


def _plus(h: Tensor, embed: nn.Module | None, context: Tensor | None) -> Tensor:
    return h if embed is None or context is None else h + embed(context)
