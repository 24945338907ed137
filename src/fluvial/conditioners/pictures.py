"""Convolutional networks between images and vectors: an encoder, and a decoder that is a conditioner of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.conv import ContextConv, channels_last
from fluvial.core.doors import Contextual

Image = tuple[int, int, int]


def sizes_of(shape: Image, stages: int) -> list[tuple[int, int]]:
    """Height and width of an image and of each stage, each half of the one before, rounded up.

    >>> sizes_of((1, 28, 20), 3)
    [(28, 20), (14, 10), (7, 5), (4, 3)]
    """
    sizes = [shape[1:]]
    for _ in range(stages):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


class ImageEncoder(Contextual):
    """(images, context) -> (B, outputs): stages of half the size each, a residual block in each, then a linear layer.

    Args:
        shape: (C, H, W) of the images.
        channels: of each stage.
        outputs: features that come out, behind a SiLU if ``hidden``.
        context: features of the context (B, F), 0 for none.
        levels: pixels are 0, ..., levels - 1 and are scaled to [-1, 1]; 0 for pixels that are so scaled already.
    """

    def __init__(
        self,
        shape: Image,
        channels: Sequence[int],
        outputs: int,
        context: int = 0,
        levels: int = 256,
        hidden: bool = True,
    ) -> None:
        super().__init__()
        if not channels:
            raise ValueError("channels: expected those of one stage at least, got none")
        self.context_features, self.levels, self.hidden = context or None, levels, hidden
        before = (shape[0], *channels[:-1])
        self.halves = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(before, channels))
        self.blocks = nn.ModuleList(Residual(n) for n in channels)
        self.context = ContextConv(context, channels[0]) if context else None
        height, width = sizes_of(shape, len(channels))[-1]
        self.last = nn.Linear(channels[-1] * height * width, outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = x.to(self.last.weight.dtype)
        h = channels_last(h * (2 / (self.levels - 1)) - 1 if self.levels else h)
        for i, (half, block) in enumerate(zip(self.halves, self.blocks)):
            h = half(h)
            if i == 0 and self.context is not None and context is not None:
                h = h + self.context(context)
            h = block(h)
        h = self.last(F.silu(h).flatten(1))
        return F.silu(h) if self.hidden else h


class ImageDecoder(Contextual):
    """(B, inputs) -> theta (B, size, C, H, W): the encoder's way back, whose last step puts pixels side by side.

    Args:
        inputs: numbers that it reads.
        out: (size, C, H, W) of theta.
        channels: of each stage, in the encoder's order.
        hidden: units of the layer before the smallest image.
    """

    def __init__(self, inputs: int, out: tuple[int, int, int, int], channels: Sequence[int], hidden: int) -> None:
        super().__init__()
        if not channels:
            raise ValueError("channels: expected those of one stage at least, got none")
        self.context_features, self.out = inputs, out
        self.sizes = sizes_of(out[1:], len(channels))[:-1]
        self.smallest = (channels[-1], *sizes_of(out[1:], len(channels))[-1])
        self.first = nn.Linear(inputs, hidden)
        self.second = nn.Linear(hidden, torch.Size(self.smallest).numel())
        self.blocks = nn.ModuleList(Residual(n) for n in reversed(channels))
        after = [*reversed(channels[:-1]), out[0] * out[1]]
        self.doubles = nn.ModuleList(nn.Conv2d(a, 4 * b, 3, padding=1) for a, b in zip(reversed(channels), after))

    def start(self, theta: Tensor) -> None:
        """Let theta be about this one, (size,), for all pixels."""
        last, channels = self.doubles[-1], self.out[1]
        with torch.no_grad():
            last.bias.copy_(theta.repeat_interleave(4 * channels))  # pyright: ignore

    def forward(self, context: Tensor) -> Tensor:
        h = F.silu(self.first(context.to(self.first.weight.dtype)))
        h = channels_last(self.second(h).unflatten(1, self.smallest))
        for block, double, (height, width) in zip(self.blocks, self.doubles, reversed(self.sizes)):
            h = F.pixel_shuffle(double(F.silu(block(h))), 2)[:, :, :height, :width]
        return h.unflatten(1, self.out[:2])


class Residual(nn.Module):
    """h plus SiLU, 3x3, SiLU, 3x3 of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(F.silu(self.first(F.silu(h))))
