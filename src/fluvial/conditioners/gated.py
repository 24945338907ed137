"""A gated convolution and attention network: the stronger conditioner of image couplings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.conv import ContextConv, channels_last
from fluvial.core import randomness
from fluvial.core.doors import Contextual
from fluvial.core.tracing import functional


class GatedConvNet(Contextual):
    r"""theta (B, size, C_moved, H, W) from the kept channels: gated convolutions and self-attention over pixels.

    h = LN(h + gate(conv)), h = LN(h + gate(attention(h + position))), block by block, where gate(a, b) is
    a sigmoid(b) and LN normalises the channels of each pixel. The last convolution starts at zero.

    Ho et al. 2019, arXiv 1902.00275, section 3.3 (Flow++).

    Args:
        event_shape: (C, H, W) of what is kept.
        out: (size, C_moved) of theta.
        width: channels of the hidden layers, a multiple of ``heads``.
        blocks: of one convolution and one attention each.
        heads: of the attention; 0 for convolutions alone.
        context: as for :class:`ConvNet`.
        dropout: of the hidden features inside a gated convolution.
    """

    def __init__(
        self,
        event_shape: tuple[int, int, int],
        out: tuple[int, int],
        width: int = 96,
        blocks: int = 10,
        heads: int = 4,
        context: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if heads and width % heads:
            raise ValueError(f"width: expected a multiple of the {heads} heads, got {width}")
        channels, *size = event_shape
        self.out, self.context_features, self.in_channels = out, context or None, channels
        self.first: nn.Conv2d = nn.Conv2d(channels, width, 3, padding=1)
        self.context: ContextConv | None = ContextConv(context, width) if context else None
        self.position: nn.Parameter | None = nn.Parameter(0.01 * randomness.normal((width, *size))) if heads else None
        self.convolutions: nn.ModuleList = nn.ModuleList(_GatedConv(width, dropout) for _ in range(blocks))
        self.attentions = nn.ModuleList(_GatedAttention(width, heads) for _ in range(blocks if heads else 0))
        self.norms: nn.ModuleList = nn.ModuleList(_PixelNorm(width) for _ in range(2 * blocks if heads else blocks))
        self.last: nn.Conv2d = nn.Conv2d(width, out[0] * out[1], 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # pyright: ignore

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.first(channels_last(x.to(self.first.weight.dtype)))
        if self.context is not None and context is not None:
            h = h + self.context(context)
        norms = iter(self.norms)
        for i, convolution in enumerate(self.convolutions):
            h = next(norms)(h + convolution(h))
            if self.position is not None:
                h = next(norms)(h + self.attentions[i](h + self.position))
        return self.last(h).unflatten(1, self.out)


class _GatedConv(nn.Module):
    """ELU of h and of -h, 3x3, ELU and dropout, 1x1 to a value and its gate."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(2 * width, width, 3, padding=1)
        self.dropout = randomness.Dropout(dropout)
        self.second = nn.Conv2d(2 * width, 2 * width, 1)

    def forward(self, h: Tensor) -> Tensor:
        h = self.dropout(_both_signs(self.first(_both_signs(h))))
        return F.glu(self.second(h), 1)


class _GatedAttention(nn.Module):
    """Multi-head attention of every pixel to every pixel, 1x1 to a value and its gate."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Conv2d(width, 3 * width, 1)
        self.last = nn.Conv2d(width, 2 * width, 1)

    def forward(self, h: Tensor) -> Tensor:
        # (B, 3 heads w, H, W) -> three of (B, heads, H W, w)
        split = self.queries_keys_values(h).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(-1, -2)
        q, k, v = split.unbind(1)
        if functional():  # whose derivatives the fused operator does not know
            mixed = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return F.glu(self.last(mixed.transpose(-1, -2).reshape(h.shape)), 1)


class _PixelNorm(nn.Module):
    """Layer normalisation of the channels of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, h: Tensor) -> Tensor:
        return self.norm(h.movedim(1, -1)).movedim(-1, 1)


def _both_signs(h: Tensor) -> Tensor:
    return F.elu(torch.cat((h, -h), 1))
