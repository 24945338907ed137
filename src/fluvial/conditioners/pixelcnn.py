"""PixelCNN: convolutions that read the pixels above and to the left."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.conditioner import Conditioner
from fluvial.core import randomness
from fluvial.core.constants import constant


class PixelCNN(Conditioner):
    r"""theta (B, size, H W) from pictures x (B, H W), row by row from the top.

    Two stacks of gated layers, tanh(a) sigmoid(b), with residuals: one reads the rows above, the other the pixels to
    the left in its own row and the first stack, so that no earlier pixel is blind (van den Oord et al. 2016,
    arXiv 1606.05328, section 2). Kernels are cut to what they may read: nothing is multiplied by zero. Every pixel
    has biases of its own in the first layer, since where a pixel lies says much about it; the context is added to
    every gate.

    Args:
        height, width: H and W.
        size: numbers of theta per pixel.
        channels: of each stack.
        layers: gated layers behind the first; each reaches one pixel further.
        reach: pixels that the first layer sees to each side.
        context: number of context features, 0 for none.
        classes: K, if pixels are classes 0..K-1: with K > 2 they enter one-hot, else as -1 and 1. 0: numbers.
        dropout: share of the features of a layer that a training step leaves out.
    """

    def __init__(
        self,
        height: int,
        width: int,
        size: int,
        channels: int = 32,
        layers: int = 5,
        reach: int = 5,
        context: int = 0,
        classes: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape, self.classes, self.dropout = (height, width), classes, dropout
        constant(self, "order", torch.arange(height * width, device="cpu"))
        self.event_shape, self.context_features = (height * width,), context
        inputs = classes if classes > 2 else 1
        self.reach = reach
        self.above: nn.Conv2d = nn.Conv2d(inputs, 2 * channels, (reach, 2 * reach + 1), bias=False)
        self.left: nn.Conv2d = nn.Conv2d(inputs, 2 * channels, (1, reach), bias=False)
        self.place: nn.Parameter = nn.Parameter(torch.zeros(2, 2 * channels, height, width))
        self.context = nn.Linear(context, 2 * channels, bias=False) if context else None
        self.layers: nn.ModuleList = nn.ModuleList(_Gated(channels, context) for _ in range(layers))
        self.head: nn.Sequential = nn.Sequential(
            nn.ELU(), nn.Conv2d(channels, 2 * channels, 1), nn.ELU(), nn.Conv2d(2 * channels, size, 1)
        )
        nn.init.zeros_(self.head[-1].weight)  # pyright: ignore
        nn.init.zeros_(self.head[-1].bias)  # pyright: ignore

    @property
    def places(self) -> list[int] | None:
        return None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        r, pixels = self.reach, self._pixels(x)
        context = None if context is None else context.to(self.place.dtype)
        above = gate(self.above(F.pad(pixels, (r, r, r, -1))) + self.place[0])
        left = self.left(F.pad(pixels, (r, -1, 0, 0))) + self.place[1]
        if self.context is not None:
            left = left + self.context(context)[:, :, None, None]
        left = gate(left)
        for layer in self.layers:
            above, left = layer(above, left, context)
            left = randomness.dropout(left, self.dropout) if self.training else left
        return self.head(left).flatten(2)

    def _pixels(self, x: Tensor) -> Tensor:
        """(B, numbers per pixel, H, W); what lies outside the picture is 0, which no class is."""
        x = x.unflatten(1, self.shape).unsqueeze(1)
        if self.classes > 2:
            x = x == torch.arange(self.classes, device=x.device).view(-1, 1, 1)
        elif self.classes:
            x = 2 * x.clamp(0, 1).to(self.place.dtype) - 1  # bytes have no -1
        return x.to(self.place.dtype)


class _Gated(nn.Module):
    """One layer of both stacks."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.above = nn.Conv2d(channels, 2 * channels, (2, 3))
        self.left = nn.Conv2d(channels, 2 * channels, (1, 2))
        self.down = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)
        self.context = nn.Linear(context, 2 * channels, bias=False) if context else None

    def forward(self, above: Tensor, left: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        above = above + gate(self.above(F.pad(above, (1, 1, 1, 0))))
        mixed = self.left(F.pad(left, (1, 0, 0, 0))) + self.down(above)
        if self.context is not None:
            mixed = mixed + self.context(context)[:, :, None, None]
        return above, left + self.out(gate(mixed))


def gate(x: Tensor) -> Tensor:
    """tanh(a) sigmoid(b), a and b the two halves of the channels."""
    a, b = x.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)
