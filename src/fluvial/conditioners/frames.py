"""Sequences of frames: one network reads the frames before, another the values of this one."""

from __future__ import annotations

import torch
from torch import Tensor

from fluvial.conditioners.conditioner import Conditioner, Step
from fluvial.conditioners.intervals import ChordIntervals, PastIntervals
from fluvial.conditioners.masked import MaskedMLP
from fluvial.conditioners.wavenet import WaveNet
from fluvial.core.transform import EventShape


class Frames(Conditioner):
    r"""theta (B, size, T N) of T frames of N values each, x (B, T N), frame after frame and value after value.

    ``outer`` reads the frames before and gives F numbers for each value of the next one; ``inner`` reads these, and
    the values before it in the frame. The first of the F are added to theta too, which is then that of independent
    values where ``inner`` gives nothing: so a sequence of frames is one autoregressive density, whose N values at one
    moment depend on each other (compare RNN-RBM, Boulanger-Lewandowski et al. 2012, arXiv 1206.6392, section 4).

    Values that are not there, NaN, enter ``outer`` as nothing.

    Args:
        outer: of frames with ``rest`` (N,), F numbers a value.
        inner: of N values with F N features of context.
    """

    def __init__(self, outer: WaveNet | PastIntervals, inner: MaskedMLP | ChordIntervals) -> None:
        super().__init__()
        if outer.rest != (inner.features,):
            raise ValueError(f"frames of shape {outer.rest} do not fit a network of {inner.features} values")
        if outer.size < inner.size or inner.context != outer.size * inner.features:
            raise ValueError(
                f"{outer.size} numbers a value do not fit a network of {inner.size} numbers a value and "
                f"{inner.context} features of context"
            )
        self.order, self.outer, self.inner = None, outer, inner
        self.event_shape, self.context_features = (None,), outer.context_features

    def over(self, event_shape: EventShape) -> EventShape:
        if len(event_shape) == 1 and (event_shape[0] or 0) % self.values:
            raise ValueError(f"expected whole frames of {self.values} values, got {event_shape[0]} values")
        return super().over(event_shape)

    @property
    def values(self) -> int:
        """N."""
        return self.inner.features

    @property
    def receptive_field(self) -> int:
        """Values that theta of the first value of a frame reads; those behind it read their own frame too."""
        return self.values * self.outer.receptive_field

    def forward(self, x: Tensor, context: Tensor | None = None, last: int | None = None) -> Tensor:
        """theta (B, size, T N); of the last ``last`` values only, whole frames, where that is given."""
        n = self.values
        frames = x.reshape(x.shape[0], -1, n)
        last = frames.shape[1] if last is None else last // n
        seen = self.outer(frames, context, last).movedim(2, 1)  # (B, T, F, N)
        now = frames[:, frames.shape[1] - last :].nan_to_num().reshape(-1, n)
        theta = self.inner(now, seen.flatten(2).flatten(0, 1)).unflatten(0, (-1, last)) + seen[:, :, : self.inner.size]
        return theta.movedim(2, 1).flatten(2)

    def stepper(self, like: Tensor, context: Tensor | None = None) -> Step:
        frame = like.new_zeros(like.shape[0], self.values)
        outer = self.outer.stepper(frame.unsqueeze(1), context)
        known: list[Tensor] = []
        inner, base = self.inner.stepper(frame), frame

        def step(previous: Tensor | None) -> Tensor:
            nonlocal inner, base
            if previous is not None:
                known.append(previous)
            if previous is None or len(known) == self.values:
                seen = outer(torch.stack(known, 1) if known else None)
                known.clear()
                inner, base = self.inner.stepper(frame, seen.flatten(1)), seen[:, : self.inner.size]
                previous = None
            return inner(previous) + base[:, :, len(known)]

        return step
