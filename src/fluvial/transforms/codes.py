"""The head of every density of discrete rows: each column's values as classes 0, 1, 2, ..."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fluvial.core.constants import constant
from fluvial.core.precision import Double
from fluvial.core.supports import Constraint, side_by_side
from fluvial.core.transform import EventShape, Transform


@dataclass(frozen=True)
class CodeMap:
    """The values of one column: the ``classes`` whole numbers lower, lower + 1, ..."""

    lower: int = 0
    classes: int = 2


class Codes(Double, Transform):
    """Whole numbers (B, D) to classes counted from 0, column by column; rows keep their probability.

    log_det is 0, and -inf for rows with a value that its column does not have, which are impossible: 0.5 is not one of
    the classes 0 and 1, nor nearly one.

    Args:
        maps: one for each column.

    >>> codes = Codes([CodeMap(), CodeMap(lower=3, classes=4)])
    >>> codes(torch.tensor([[1.0, 5.0], [0.0, 7.0]]))
    (tensor([[1., 2.],
            [0., 3.]]), tensor([0., -inf]))
    """

    def __init__(self, maps: Sequence[CodeMap]) -> None:
        super().__init__()
        if not maps:
            raise ValueError("maps: expected one for each column, got none")
        self.maps: tuple[CodeMap, ...] = tuple(maps)
        constant(self, "like", torch.zeros((), device="cpu"))
        constant(self, "lower", torch.tensor([m.lower for m in maps], dtype=torch.float64, device="cpu"))
        constant(self, "last", torch.tensor([m.classes - 1 for m in maps], dtype=torch.float64, device="cpu"))
        self.like: Tensor
        self.lower: Tensor
        self.last: Tensor

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return side_by_side([(m.lower, m.lower + m.classes - 1, 1.0) for m in self.maps])

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = self.parts(x)
        return z, log_det.sum(1)

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        code = x.double() - self.lower
        known = torch.minimum(code.nan_to_num().round().clamp(min=0), self.last)  # the nearest class
        log_det = torch.where(code == known, 0.0, -math.inf)
        return known.to(self.like.dtype), log_det.to(self.like.dtype)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.double() + self.lower, z.new_zeros(z.shape[0])

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if tuple(event_shape) != (len(self.maps),):
            raise ValueError(f"{len(self.maps)} code maps do not fit an event of shape {tuple(event_shape)}")
        return event_shape
