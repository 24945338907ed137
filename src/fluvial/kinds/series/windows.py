"""Training and scoring on long series by windows: each step counts once, and is given all that it may read."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fluvial.core import Density
from fluvial.core.batched import evaluate
from fluvial.models.wavenet_mixed import SeriesLaws
from fluvial.training.rows import split

_STEP = 768  # steps of series in one step of training: many small ones learn faster than few large ones
_FEWEST = 20  # steps of training in an epoch, at least, where the data allow it


@dataclass(frozen=True)
class SeriesWindows:
    """Series cut into windows of at most ``longest`` steps, each with the ``reads`` steps before it, if there are any.

    Args:
        values: of all series end to end, (S, N), float64, NaN where missing.
        lengths: steps of each, (M,).
        first: the first step of each that counts, (M,); those before it are past alone.
        given: what is known of each step beforehand, (S, C), or None.
        reads: steps that the model reads back.
        longest: steps of a window.
    """

    values: Tensor
    lengths: Tensor
    first: Tensor
    given: Tensor | None = None
    reads: int = 0
    longest: int = 96

    @cached_property
    def table(self) -> Tensor:
        """(windows, 4): the series, where it begins, and the window's first and last + 1 step in it."""
        ends, scored = self.lengths.cumsum(0), self.lengths - self.first
        cuts = -(-scored // self.longest)
        which = torch.repeat_interleave(cuts)
        number = torch.arange(len(which)) - (cuts.cumsum(0) - cuts)[which]
        edges = [self.first[which] + scored[which] * (number + i) // cuts[which] for i in (0, 1)]
        return torch.stack((which, (ends - self.lengths)[which], *edges), 1)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def size(self) -> tuple[int, int]:
        """Steps, and numbers in each, which decide on the weight decay."""
        return self.count(), self.values.shape[1]

    @property
    def batch_size(self) -> int:
        """Windows a step."""
        return max(2, round(min(_STEP, self.count() / _FEWEST) * len(self) / self.count()))

    initial = 256
    """Windows to initialise from."""

    @property
    def measured(self) -> int:
        """All: the model has no BatchNorm."""
        return len(self)

    def count(self, index: Tensor | None = None) -> int:
        """Steps that count."""
        table = self.table if index is None else self.table[index]
        return int((table[:, 3] - table[:, 2]).sum())

    def batches(self, order: Tensor, size: int) -> list[Tensor]:
        """As :func:`~fluvial.training.rows.split`."""
        return split(order, size)

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Windows as (B, 2, T N): values, and 1 where they count; and what is known of their steps, (B, T, C).

        All end together; before a series begins there are NaN in both.
        """
        _, begin, first, end = self.table[index].unsqueeze(2).unbind(1)
        scored = end - first
        before = torch.minimum(first, torch.tensor(self.reads))
        at = torch.arange(-int((before + scored).max()), 0)
        there = at >= -(before + scored)
        where = torch.where(there, begin + end + at, 0)
        values = torch.where(there.unsqueeze(2), self.values[where], math.nan)
        counts = (there & (at >= -scored)).unsqueeze(2).expand_as(values)
        x = torch.stack((values.flatten(1), counts.flatten(1).to(values.dtype)), 1).to(device)
        if self.given is None:
            return x, None
        return x, torch.where(there.unsqueeze(2), self.given[where], math.nan).to(device)

    def to(self, device: torch.device) -> SeriesWindows:
        """The same windows: series stay in main memory."""
        return self

    def digest(self) -> str:
        """A fingerprint of all that decides on the rows."""
        hashed = hashlib.blake2b(f"{self.reads} {self.longest}".encode(), digest_size=16)
        for tensor in (self.values, self.lengths, self.first, self.given):
            if tensor is not None:
                hashed.update(tensor.contiguous().numpy().data)
        return hashed.hexdigest()

    def score(self, density: Density, seed: int) -> float:
        """Mean of log p over the steps, nats; ``density`` is :class:`Scored`."""
        total = 0.0
        for index in torch.arange(len(self)).split(self.batch_size):
            x, given = self.rows(index, torch.device("cpu"))
            total += evaluate(density, density.log_prob, x, given, seed).double().sum().item()
        return total / self.count()


class Scored(Density):
    """log p of the steps that count, given those before them: what :class:`SeriesWindows` train and score.

    Events are (2, T N): values, and 1 where they count, which they do up to the end.
    """

    event_shape = (2, None)
    static = False
    gaps = True

    def __init__(self, model: SeriesLaws) -> None:
        super().__init__()
        self.model = model
        shape = model.context_shape
        self.context_shape = shape if shape is None else (None, shape[-1])

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        values, counts = x.unbind(1)
        counts = counts.unflatten(1, (-1, self.model.values)) > 0
        last = counts.shape[1] - int(counts.flatten(2).any(2).any(0).int().argmax())
        log_p = self.model.scored(values, context, last)
        return torch.where(counts[:, -last:], log_p, 0.0).flatten(1).sum(1)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        counts = x[:, 1].unflatten(1, (-1, self.model.values)) > 0
        self.model.start(x[:, 0], context, counts.any(2))
