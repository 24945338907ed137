"""Context encoders: what the caller gives -> the numbers that conditioners read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core.constants import constant


@dataclass(frozen=True)
class ContextMap:
    """How one context column enters: standardised, or as one of ``categories`` classes.

    Args:
        categories: number of classes, coded 0..K-1; 0 for a numeric column.
        location, scale: of a numeric column, in its own units.
    """

    categories: int = 0
    location: float = 0.0
    scale: float = 1.0


class ContextEncoder(nn.Module):
    """(B, C) columns -> (B, ``features``) numbers: one-hot classes and standardised values, side by side.

    >>> import torch
    >>> encode = ContextEncoder([ContextMap(categories=3), ContextMap(location=10.0, scale=2.0)])
    >>> encode(torch.tensor([[2.0, 14.0]]))
    tensor([[0., 0., 1., 2.]])
    """

    def __init__(self, maps: Sequence[ContextMap]) -> None:
        super().__init__()
        self.maps: tuple[ContextMap, ...] = tuple(maps)
        self.features: int = sum(m.categories or 1 for m in self.maps)
        constant(self, "like", torch.zeros((), device="cpu"))
        self.like: Tensor

    def forward(self, context: Tensor) -> Tensor:
        return torch.cat([self._encode(context[:, i], m) for i, m in enumerate(self.maps)], 1)

    def _encode(self, column: Tensor, m: ContextMap) -> Tensor:
        if m.categories:
            return F.one_hot(column.long(), m.categories).to(self.like.dtype)
        return ((column - m.location) / m.scale).to(self.like.dtype).unsqueeze(1)
