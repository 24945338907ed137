"""Coupling transforms: one part of the event steers the map of the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fluvial.conditioners.mlp import MLP
from fluvial.core import doors
from fluvial.core.constants import constant, on_cpu, with_values
from fluvial.core.doors import Contextual
from fluvial.core.precision import float32_at_least
from fluvial.core.transform import EventShape, Transform, by_rows, sum_event
from fluvial.univariate.univariate import Univariate

Move = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class _Coupling(Transform):
    """Both directions share one body; subclasses say how an event splits into what is kept and what is moved."""

    def __init__(self, conditioner: nn.Module, univariate: Univariate) -> None:
        super().__init__()
        self.conditioner, self.univariate = conditioner, univariate
        self.bijective: bool = univariate.bijective
        if isinstance(conditioner, Contextual):
            self.context_features: int | None = conditioner.context_features

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._move(self.univariate.forward, x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._move(self.univariate.inverse, z, context)

    def _move(self, univariate: Move, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        move = partial(self._move_rows, univariate)
        # a conditioner of another kind might look at the whole batch
        return by_rows(move, x, context) if isinstance(self.conditioner, MLP) else move(x, context)

    def _move_rows(self, univariate: Move, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        kept, moved = self.split(x)
        moved, log_det = univariate(moved, self.theta(kept, context))
        return self.merge(kept, moved), self.total(log_det)

    def theta(self, kept: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, size, \\*moved), in float32 at least: autocast stays inside the network."""
        return float32_at_least(self.conditioner(kept, context))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The kept and the moved entries of x, or of a gradient with respect to it."""
        raise NotImplementedError

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        """Undo :meth:`split`."""
        raise NotImplementedError

    def total(self, log_det: Tensor) -> Tensor:
        """(B,) from the log-dets of the moved entries."""
        return sum_event(log_det)


class Coupling(_Coupling):
    r"""z_kept = x_kept, z_moved = map(x_moved; theta(x_kept, context)); both directions cost one network pass.

    Dinh et al. 2014, arXiv 1410.8516, eq. 4-7 (NICE); 2016, arXiv 1605.08803, eq. 7-8 (RealNVP).

    Args:
        conditioner: any module (kept (B, \*kept), context) -> theta (B, size, \*moved).
        univariate: the map.
        mask: (D,) bool over the first axis of the event (the channels of an image), True where entries are kept;
            any pattern, any uneven split with at least one entry on each side.

    Raises:
        ValueError: the mask keeps everything or nothing.
    """

    def __init__(self, conditioner: nn.Module, univariate: Univariate, mask: Tensor) -> None:
        super().__init__(conditioner, univariate)
        mask = with_values("mask", mask)
        if mask.dim() != 1 or mask.all() or not mask.any():
            raise ValueError(
                f"mask: expected one axis with entries to keep (True) and entries to move (False), got {mask.tolist()}"
            )
        kept, moved = mask.nonzero().squeeze(1), (~mask).nonzero().squeeze(1)
        # contiguous parts are views: nothing is copied, and nothing more is held for the backward pass
        self.sizes: tuple[int, int] = (kept.numel(), moved.numel())
        self.kept_first: bool = bool(mask[: kept.numel()].all())
        self.kept_last: bool = bool(mask[moved.numel() :].all())
        constant(self, "kept", kept)
        constant(self, "moved", moved)
        constant(self, "back", torch.argsort(torch.cat((kept, moved))))
        self.kept: Tensor
        self.moved: Tensor
        self.back: Tensor

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.kept_first:
            kept, moved = x.split_with_sizes(self.sizes, 1)
        elif self.kept_last:
            moved, kept = x.split_with_sizes(self.sizes[::-1], 1)
        else:
            kept, moved = x.index_select(1, self.kept), x.index_select(1, self.moved)
        return kept, moved

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        if self.kept_last:
            return torch.cat((moved, kept), 1)
        both = torch.cat((kept, moved), 1)
        return both if self.kept_first else both.index_select(1, self.back)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if not event_shape or event_shape[0] != self.back.numel():
            raise ValueError(f"the mask has {self.back.numel()} entries, but the event has shape {tuple(event_shape)}")
        return event_shape


class MaskedCoupling(_Coupling):
    r"""A coupling over any pattern of entries that keeps the event's shape: RealNVP's checkerboard.

    The conditioner sees x with the moved entries set to 0 and gives theta for every entry; z is x where the mask
    keeps it, and the map's value elsewhere (Dinh et al. 2016, arXiv 1605.08803, eq. 9).

    Args:
        conditioner: any module (x * mask (B, \*event), context) -> theta (B, size, \*event).
        univariate: the map; what it does at theta = 0 does not matter.
        mask: bool, of the event's number of axes and broadcasting over it, True where entries are kept.

    Raises:
        ValueError: the mask keeps everything or nothing.
    """

    def __init__(self, conditioner: nn.Module, univariate: Univariate, mask: Tensor) -> None:
        super().__init__(conditioner, univariate)
        mask = with_values("mask", mask)
        if mask.all() or not mask.any():
            raise ValueError(
                f"mask: expected entries to keep (True) and entries to move (False), got only {bool(mask.any())} "
                f"in shape {tuple(mask.shape)}"
            )
        constant(self, "mask", mask)
        self.mask: Tensor

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(self.mask, x, 0), torch.where(self.mask, 0, x)

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.where(self.mask, kept, moved)

    def total(self, log_det: Tensor) -> Tensor:
        return sum_event(torch.where(self.mask, 0, log_det))

    def output_shape(self, event_shape: EventShape) -> EventShape:
        mask = tuple(self.mask.shape)
        if len(mask) != len(event_shape) or any(m not in (1, n) for m, n in zip(mask, event_shape)):
            raise ValueError(f"a mask of shape {mask} does not fit an event of shape {tuple(event_shape)}")
        if isinstance(self.conditioner, Contextual) and self.conditioner.in_channels is not None:
            doors.over_channels(event_shape, self.conditioner.in_channels)
        return event_shape


def alternating_mask(features: int, layer: int) -> Tensor:
    """Keeps even entries in even layers and odd ones in odd layers: NICE's interleave, RealNVP's index parity."""
    return torch.arange(features, device="cpu") % 2 == layer % 2


def checkerboard_mask(height: int, width: int, layer: int) -> Tensor:
    """(1, height, width): keeps the positions with (row + column) even in even layers, the others in odd ones."""
    with on_cpu():
        parity = (torch.arange(height).unsqueeze(1) + torch.arange(width)) % 2
    return (parity == layer % 2).unsqueeze(0)
