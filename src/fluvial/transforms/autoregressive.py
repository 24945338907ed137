"""Autoregressive transforms: theta at each position reads the positions before it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fluvial.conditioners.conditioner import Conditioner
from fluvial.core.transform import Transform, by_rows, sum_event
from fluvial.univariate.compiled import compiled
from fluvial.univariate.discrete import Staircase
from fluvial.univariate.univariate import Univariate


class Autoregressive(Transform):
    r"""z_i = map(x_i; theta_i(x_{<i}, context)): MAF, NSF, MADE, by the map and the conditioner.

    ``forward`` (scoring) reads every position at once; ``inverse`` (sampling) walks them one by one. IAF is
    ``Inverse`` of this (Papamakarios et al. 2017, arXiv 1705.07057; Kingma et al. 2016, arXiv 1606.04934).
    """

    def __init__(self, conditioner: Conditioner, univariate: Univariate) -> None:
        super().__init__()
        self.conditioner, self.univariate = conditioner, univariate
        self.bijective = univariate.bijective

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return by_rows(self._at_once, x, context)

    def _at_once(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        z, log_det = self.univariate.forward(x, self.conditioner(x, context))
        return z, sum_event(log_det)

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        order = self.conditioner.order
        if not torch.equal(order, torch.arange(order.numel(), device=order.device)):
            return None
        return self.univariate.forward(x, self.conditioner(x, context))

    def log_mass(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        if not isinstance(self.univariate, Staircase):
            return None
        return sum_event(self.univariate.log_prob(x, self.conditioner(x, context)))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        found = self.conditioner.invert(z, context, compiled(self.univariate), self._walked)
        return self._walked(z, context) if found is None else found

    def _walked(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        xs, log_dets = zip(*self.walk(z, context))
        back = torch.argsort(self.conditioner.order).tolist()
        return torch.stack([xs[i] for i in back], 1), torch.stack(log_dets).sum(0)

    def walk(self, z: Tensor, context: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions in the conditioner's order, one at a time: x_i (B, \\*rest) and its log_det (B,)."""
        step, x = self.conditioner.stepper(z, context), None
        for column in z.transpose(0, 1)[self.conditioner.order]:
            x, log_det = self.univariate.inverse(column, step(x))
            yield x, sum_event(log_det)
