"""Training rows of which a sample is in memory: the others are read anew in each epoch, shuffled in windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, overload

import numpy as np
import torch
from torch import Tensor

from fluvial.core.randomness import Source, drawing_from, permutation
from fluvial.training.rows import sizes_of
from fluvial.training.trainer import Data

_LANES = 4  # groups that are read at once
_KEY = 64  # places of an order that tell it from others


class Groups(Protocol):
    """Rows on a disk, in groups that can be read one by one, from the front to the end, slice by slice."""

    @property
    def counts(self) -> Sequence[Sequence[int]]:
        """Rows that each slice of each group has to train on."""
        ...

    @property
    def marks(self) -> str:
        """What tells these rows from others."""
        ...

    def slices(self, group: int, start: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The rows of a group, slice by slice, from the slice with the number ``start`` on, and their context."""
        ...


@dataclass(frozen=True)
class Passes(Data):
    """The rows x, and those on a disk: an epoch reads each once, and no more of them are in memory than a window has.

    An epoch reads the groups in a random order, four at a time. A window is one slice of each of these and a part of
    x, in random order; a batch comes from one window. All is a function of the order that the loop gives, so a
    resumed run reads what it would have read.
    """

    groups: Groups = field(kw_only=True)
    now: _Now = field(default_factory=lambda: _Now(), kw_only=True, repr=False, compare=False)

    def count(self, index: Tensor | None = None) -> int:
        return len(self) + sum(map(sum, self.groups.counts)) if index is None else len(index)

    def digest(self) -> str:
        return hashlib.blake2b(f"{super().digest()} {self.groups.marks}".encode(), digest_size=16).hexdigest()

    def to(self, device: torch.device) -> Passes:
        """The same: batches travel one by one."""
        return self

    def batches(self, order: Tensor, size: int) -> Sequence[Tensor]:
        """Places in the order of an epoch, which stand behind the numbers of the rows x."""
        plan = self._planned(order)
        return _Cuts(plan.ends + len(self), size, len(self))

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Rows x by their numbers, or what the last plan has at places that stand behind these."""
        if not len(index) or int(index[0]) < len(self):
            return super().rows(index, device)
        first = int(index[0]) - len(self)
        window = int(np.searchsorted(self.now.plan.ends, first, side="right"))
        start = int(self.now.plan.ends[window - 1]) if window else 0
        self._go_to(window)
        return self.now.rows.rows(index - len(self) - start, device)

    def _planned(self, order: Tensor) -> _Plan:
        seed = int.from_bytes(hashlib.blake2b(order[:_KEY].numpy().tobytes(), digest_size=7).digest())
        if self.now.plan.seed != seed:
            self.now.plan = _Plan.of(self.groups.counts, order, seed)
            self.now.window, self.now.lanes = -1, [_Lane(self.groups, lane) for lane in self.now.plan.lanes]
        return self.now.plan

    def _go_to(self, window: int) -> None:
        """Have the rows of this window; those before it are passed over."""
        now, plan = self.now, self.now.plan
        if now.window == window:
            return
        if window < now.window:
            now.lanes = [_Lane(self.groups, lane) for lane in plan.lanes]
        parts = [lane.at(window) for lane in now.lanes if window < len(lane.places)]
        mine = plan.own[window]
        parts.append((self.x[mine], None if self.context is None else self.context[mine]))
        xs, contexts = zip(*parts)
        joined = Data(torch.cat(xs), None if self.context is None else torch.cat(contexts))
        with drawing_from(Source((plan.seed + window) % (1 << 62))):
            mixed = permutation(len(joined))
        now.window, now.rows = window, Data(joined.x[mixed], None if joined.context is None else joined.context[mixed])


@dataclass(frozen=True)
class _Plan:
    """What an epoch reads when.

    Args:
        lanes: slices, as numbers of their group and in it, that are read one after the other, four lists of them.
        own: rows x of each window.
        ends: rows of all windows up to each, itself included.
    """

    seed: int
    lanes: list[list[tuple[int, int]]]
    own: tuple[Tensor, ...]
    ends: np.ndarray

    @classmethod
    def of(cls, counts: Sequence[Sequence[int]], order: Tensor, seed: int) -> _Plan:
        lanes: list[list[tuple[int, int]]] = [[] for _ in range(_LANES)]
        with drawing_from(Source(seed)):
            groups = permutation(len(counts)).tolist()
        for group in groups:
            min(lanes, key=len).extend((group, i) for i in range(len(counts[group])))
        windows = max(map(len, lanes))
        own = order.tensor_split(windows)
        rows = [
            len(own[w]) + sum(counts[lane[w][0]][lane[w][1]] for lane in lanes if w < len(lane)) for w in range(windows)
        ]
        return cls(seed, lanes, own, np.cumsum(rows))


class _Lane:
    """Slices in their order, of which each is read once."""

    def __init__(self, groups: Groups, places: list[tuple[int, int]]) -> None:
        self.places, self._groups = places, groups
        self._next, self._slices = 0, iter(())  # pyright: ignore

    def at(self, place: int) -> tuple[Tensor, Tensor | None]:
        """The rows of the slice in this place, none of which was read yet."""
        group, number = self.places[place]
        if place != self._next or number == 0:
            self._slices: Iterator[tuple[Tensor, Tensor | None]] = self._groups.slices(group, number)
        self._next = place + 1
        return next(self._slices)


class _Cuts(Sequence[Tensor]):
    """Batches of the places from ``first`` on, none of which goes over one of the ``ends``; made when asked for."""

    def __init__(self, ends: np.ndarray, size: int, first: int) -> None:
        self._starts, self._stops = list[int](), list[int]()
        for start, end in zip([first, *ends[:-1].tolist()], ends.tolist()):
            edges = np.cumsum([start, *sizes_of(end - start, size)]).tolist()
            self._starts += edges[:-1]
            self._stops += edges[1:]

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, i: int) -> Tensor: ...
    @overload
    def __getitem__(self, i: slice) -> list[Tensor]: ...
    def __getitem__(self, i: int | slice) -> Tensor | list[Tensor]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        return torch.arange(self._starts[i], self._stops[i])


@dataclass
class _Now:
    """Where an epoch is: its plan, and the rows of one window."""

    plan: _Plan = field(default_factory=lambda: _Plan(-1, [], (), np.zeros(0, dtype=np.int64)))
    lanes: list[_Lane] = field(default_factory=list)  # pyright: ignore
    window: int = -1
    rows: Data = field(default_factory=lambda: Data(torch.empty(0)))
