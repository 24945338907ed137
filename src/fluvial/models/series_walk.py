"""A density of series one frame after the other, in memory that does not grow with the steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fluvial.conditioners.queues import Queues
from fluvial.conditioners.recent import Memory, Outlook
from fluvial.core import randomness
from fluvial.transforms.law import Around
from fluvial.transforms.laws import Laws

if TYPE_CHECKING:
    from fluvial.models.wavenet_mixed import SeriesLaws

_SPREAD = 3.0  # largest logarithm by which a network can change the scale

Choose = Callable[[Laws, Tensor, Around, int], Tensor]
"""The law of a value, its theta, where it lies, and which value of the frame it is -> the value, (B, 1)."""


def moved(by: Tensor, location: Tensor, scale: Tensor) -> Around:
    """Where the network puts laws: ``by`` (R, 2, N), scales away, and the logarithm of a stretch, which is bounded."""
    move, stretch = by.double().unbind(1)
    return location + scale * move, scale * (_SPREAD * torch.tanh(stretch / _SPREAD)).exp()


def drawn(law: Laws, theta: Tensor, around: Around, i: int) -> Tensor:
    """A value from its law."""
    return law.draw(theta, randomness.uniform((len(theta), 1), torch.float64, theta.device), around)


class Walk:
    """A density of series one frame at a time, in memory that does not grow with the steps.

    Args:
        model: the density.
        past: (B, P, N), float64, the frames before, of which the last ``model.reads`` are read.
        context: (B, P, C), of these.
    """

    def __init__(self, model: SeriesLaws, past: Tensor, context: Tensor | None) -> None:
        self.model, self.order = model, torch.arange(model.values, device=past.device)
        v, _ = model.placed(past.flatten(1))
        self.memory = Memory(model.recent, v)
        steps = min(past.shape[1], model.outer.receptive_field)
        like = past.new_zeros(model.values * len(past), 1, 1, dtype=model.direct.dtype)
        self.queues, self.before = Queues(model.outer, like, None), None
        if steps:
            outlook = model.recent(v, steps)
            context = None if context is None else context[:, context.shape[1] - steps :]
            known = model.known(model.told(outlook, context), context).flatten(0, 1)
            moves = model.moves(v[:, v.shape[1] - steps :], outlook).flatten(0, 1)
            for t in range(steps):
                self.queues(self.before, known[:, t])
                self.before: Tensor | None = moves[:, t]

    def spread(self, copies: int) -> None:
        """Go on with so many paths in the place of each one."""
        self.memory.spread(copies)
        self.queues.spread(copies)
        self.before = None if self.before is None else self.before.repeat_interleave(copies, 0)

    def step(self, choose: Choose, given: Tensor | None = None) -> Tensor:
        """The next frame, (B, N), float64, each value as ``choose`` says, given its context (B, C)."""
        model = self.model
        outlook = self.memory.outlook()
        given = given if given is None else given.unsqueeze(1)
        told = model.told(outlook, given)
        hidden = self.queues(self.before, model.known(told, given).flatten(0, 2)).view(model.values, len(told[0]), -1)
        near = Outlook(*(t[:, 0] for t in model.line(outlook, told)))
        shapes, base = model.alone(hidden, told[:, :, 0], near)
        features = hidden.new_zeros(hidden.shape[1], sum(model.laws.features))
        inner = model.inner.steps(self.order, features)
        starts, ends = ([0, *accumulate(sizes)] for sizes in (model.laws.features, model.laws.sizes))
        chosen: list[Tensor] = []
        for i in range(model.values):
            law, place = model.laws.column(i), (base[0][:, i : i + 1], base[1][:, i : i + 1])
            theta = inner(i)
            around = moved(theta[:, -2:].unsqueeze(2), *place)
            x = choose(law, theta[:, :-2] + shapes[:, ends[i] : ends[i + 1]], around, i)
            chosen.append(x)
            read = law.around(law.place(x), *place).to(hidden.dtype)
            features[:, starts[i] : starts[i + 1]] = law.describe(read)
        frame = torch.cat(chosen, 1)
        v = model.placed(frame)[0][:, 0]
        self.before = model.moves(v.unsqueeze(1), outlook).flatten(0, 1)[:, 0]
        self.memory.push(v)
        return frame
