"""What an autoregressive conditioner offers: one network, two readings of the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fluvial.core import doors
from fluvial.core.doors import Contextual
from fluvial.core.transform import EventShape
from fluvial.kernels.maps import Map

Step = Callable[[Tensor | None], Tensor]
Pair = tuple[Tensor, Tensor]
Invert = Callable[[Tensor, Tensor | None], Pair]
Draw = Callable[[Tensor, Tensor | None], Pair]


class Conditioner(Contextual):
    r"""Predicts theta at every position from the positions before it and the context.

    ``forward(x, context)``: x (B, T, \*rest) -> theta (B, size, T, \*rest), where theta[:, :, i] reads only
    positions that come before i in ``order``.
    """

    order: Tensor | None
    """(T,): the positions in the order in which they become known, a buffer; None for the natural one."""
    event_shape: EventShape | None = None
    """Shape of one x, None in the first place for any length; None where only the network itself knows."""

    def over(self, event_shape: EventShape) -> EventShape:
        """``event_shape``; ValueError, a sentence, unless x may have it."""
        return event_shape if self.event_shape is None else doors.over(event_shape, self.event_shape)

    @property
    def places(self) -> list[int] | None:
        """The same order as numbers; None for the natural one."""
        return None if self.order is None else self.order.tolist()

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def stepper(self, like: Tensor, context: Tensor | None = None) -> Step:
        """A function step(previous value, (B, \\*rest); None at first) -> theta of the next position in ``order``.

        ``like`` is a tensor of x's batch, \\*rest, device and dtype. All memory lives in the returned closure. This
        version re-reads the whole prefix at every step: slow, always right; the oracle of faster ones.
        """
        x, i, places = torch.zeros_like(like), 0, self.places

        def step(previous: Tensor | None) -> Tensor:
            nonlocal x, i
            if previous is not None:
                at = i - 1 if places is None else places[i - 1]
                x = torch.cat((x[:, :at], previous.unsqueeze(1), x[:, at + 1 :]), 1)
            if i == x.shape[1]:  # ``like`` was shorter: there is one more step than its length
                x = torch.cat((x, torch.zeros_like(x[:, :1])), 1)
            i += 1
            return self(x, context)[:, :, i - 1 if places is None else places[i - 1]]

        return step

    def invert(self, z: Tensor, context: Tensor | None, univariate: Map | None, walk: Invert) -> Pair | None:
        """x and log_det of the inverse, every position at once, where a compiled kernel knows how; else None.

        Args:
            univariate: how the kernels call the one-dimensional map, if they know it.
            walk: the same inverse by steps, which is right for any derivative.
        """
        return None

    def drawer(self, like: Tensor, context: Tensor | None, univariate: Map | None) -> Draw | None:
        """The stepper and the map's inverse in one, where a compiled kernel knows how; else None.

        A function draw(z, known) of the noise (B, n, \\*rest) of the next n positions, and perhaps of values known
        there (NaN: not known), to x and its log-det (B, n) position by position. Arguments as in ``stepper`` and
        ``invert``.
        """
        return None
