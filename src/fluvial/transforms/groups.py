"""Columns of zeros and ones that exclude each other, put together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fluvial.core import doors
from fluvial.core.constants import constant, on_cpu
from fluvial.core.supports import Constraint, constraints
from fluvial.core.transform import EventShape, Transform


class Groups(Transform):
    """Neighbouring columns of which at most one is 1, (B, D), to one class for each group, (B, G).

    Class 0 is a group of zeros, class k one whose k-th column is 1. Rows keep their probability: log_det is 0, and
    -inf for rows with two ones in a group, or with a value that is neither 0 nor 1, which are impossible.

    Args:
        sizes: columns of each group, D in all; a group of one is a column as it is.

    >>> groups = Groups((3, 1))
    >>> groups(torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]))
    (tensor([[2., 1.],
            [0., 0.],
            [3., 0.]]), tensor([0., 0., -inf]))
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        if not sizes or min(sizes) < 1:
            raise ValueError(f"groups: expected at least one, each of at least one column, got {tuple(sizes)}")
        self.sizes: tuple[int, ...] = tuple(sizes)
        with on_cpu():
            group = torch.arange(len(self.sizes)).repeat_interleave(torch.tensor(self.sizes))
            column = torch.cat([torch.arange(1.0, n + 1) for n in self.sizes])
        constant(self, "group", group)
        constant(self, "column", column)
        self.group: Tensor
        self.column: Tensor

    @property
    def reparameterized(self) -> bool:
        return False

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return constraints.boolean

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        bits, x = ((x == 0) | (x == 1)).all(1), x.to(self.column.dtype)
        known = bits & (self._summed(x) <= 1).all(1)
        return self._summed(x * self.column), torch.where(known, 0.0, -math.inf).to(x.dtype)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (z[:, self.group] == self.column).to(z.dtype), z.new_zeros(z.shape[0])

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if tuple(event_shape) != (sum(self.sizes),):
            raise ValueError(f"groups of {sum(self.sizes)} columns do not fit an event of shape {tuple(event_shape)}")
        return (len(self.sizes),)

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        doors.over(noise_shape, (len(self.sizes),))
        return (sum(self.sizes),)

    def _summed(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape[0], len(self.sizes)).index_add(1, self.group, x)
