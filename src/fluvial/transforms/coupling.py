"""Coupling transforms: one part of the event steers the map of the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fluvial.conditioners.mlp import MLP
from fluvial.core.transform import Shape, Transform, by_rows, sum_event
from fluvial.univariate.univariate import Univariate

Move = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Coupling(Transform):
    r"""z_kept = x_kept, z_moved = map(x_moved; theta(x_kept, context)); both directions cost one network pass.

    Dinh et al. 2014, arXiv 1410.8516, eq. 4-7 (NICE); 2016, arXiv 1605.08803, eq. 7-8 (RealNVP).

    Args:
        conditioner: any module (kept (B, \*kept), context) -> theta (B, size, \*moved).
        univariate: the map.
        mask: (D, ...) bool over the first axis of the event, True where entries are kept; any pattern, any
            uneven split with at least one entry on each side.

    Raises:
        ValueError: the mask keeps everything or nothing.
    """

    def __init__(self, conditioner: nn.Module, univariate: Univariate, mask: Tensor) -> None:
        super().__init__()
        if mask.dim() != 1 or mask.all() or not mask.any():
            raise ValueError(
                f"mask: expected one axis with entries to keep (True) and entries to move (False), got {mask.tolist()}"
            )
        self.conditioner, self.univariate = conditioner, univariate
        self.bijective = univariate.bijective
        kept, moved = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("moved", moved, persistent=False)
        self.register_buffer("back", torch.argsort(torch.cat((kept, moved))), persistent=False)
        self.kept: Tensor
        self.moved: Tensor
        self.back: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._move(self.univariate.forward, x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._move(self.univariate.inverse, z, context)

    def _move(self, univariate: Move, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        move = partial(self._move_rows, univariate)
        # a conditioner of another kind might look at the whole batch
        return by_rows(move, x, context) if isinstance(self.conditioner, MLP) else move(x, context)

    def _move_rows(self, univariate: Move, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        kept, moved = x.index_select(1, self.kept), x.index_select(1, self.moved)
        moved, log_det = univariate(moved, self.conditioner(kept, context))
        return torch.cat((kept, moved), 1).index_select(1, self.back), sum_event(log_det)

    def output_shape(self, event_shape: Shape) -> Shape:
        if not event_shape or event_shape[0] != self.back.numel():
            raise ValueError(f"the mask has {self.back.numel()} entries, but the event has shape {tuple(event_shape)}")
        return event_shape


def alternating_mask(features: int, layer: int) -> Tensor:
    """Keeps even entries in even layers and odd ones in odd layers: NICE's interleave, RealNVP's index parity."""
    return torch.arange(features) % 2 == layer % 2
