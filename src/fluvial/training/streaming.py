"""Rows that do not fit on the device: the next batch travels while the device works on this one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fluvial.core import Density

if TYPE_CHECKING:
    from fluvial.training.trainer import Data


class Streamed:
    """``Data`` in main memory, picked there and copied through pinned memory on a stream of their own."""

    def __init__(self, data: Data, device: torch.device) -> None:
        self.data, self.side = data, torch.cuda.Stream(device) if device.type == "cuda" else None
        self.parts: Sequence[Tensor] = ()
        self.following: dict[int, Tensor] = {}  # by the identity of a part, which ``parts`` keeps alive
        self.ahead: tuple[Tensor, _Sent] | None = None

    def __len__(self) -> int:
        return len(self.data)

    @property
    def size(self) -> tuple[int, int]:
        return self.data.size

    @property
    def batch_size(self) -> int:
        return self.data.batch_size

    @property
    def initial(self) -> int:
        return self.data.initial

    @property
    def measured(self) -> int:
        """As many rows as the data say, at most so many that they fill an eighth of the device's memory."""
        most = self.data.measured
        if self.side is None:
            return most
        room = torch.cuda.get_device_properties(self.side.device).total_memory // 8
        return max(1, min(most, room * len(self) // max(1, self.data.x.nbytes)))

    def count(self, index: Tensor | None = None) -> int:
        return self.data.count(index)

    def score(self, density: Density, seed: int) -> float:
        return self.data.score(density, seed)

    def digest(self) -> str:
        return self.data.digest()

    def to(self, device: torch.device) -> Streamed:
        return Streamed(self.data, device)

    def batches(self, order: Tensor, size: int) -> Sequence[Tensor]:
        self.parts = self.data.batches(order, size)
        self.following = {id(a): b for a, b in pairwise(self.parts)}
        return self.parts

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The rows with these numbers, sent already if they are the part behind the last one that was asked for."""
        sent = self.ahead[1] if self.ahead is not None and self.ahead[0] is index else _Sent(self, index, device)
        rows, after = sent.received(), self.following.get(id(index))
        self.ahead = None if after is None else (after, _Sent(self, after, device))
        return rows


class _Sent:
    """One batch on its way."""

    def __init__(self, stream: Streamed, index: Tensor, device: torch.device) -> None:
        data, self.side = stream.data, stream.side
        picked = [None if t is None else _picked(t, index, self.side is not None) for t in (data.x, data.context)]
        with torch.cuda.stream(self.side):  # of None: nothing
            self.x, self.context = (None if t is None else t.to(device, non_blocking=True) for t in picked)
            self.there = None if self.side is None else self.side.record_event()

    def received(self) -> tuple[Tensor, Tensor | None]:
        """The batch, for work that is started from now on."""
        if self.there is not None:
            now = torch.cuda.current_stream(self.x.device)  # pyright: ignore
            now.wait_event(self.there)
            for tensor in (self.x, self.context):
                if tensor is not None:
                    tensor.record_stream(now)  # its memory must not be given away before that work is done
        return self.x, self.context  # pyright: ignore


def _picked(rows: Tensor, index: Tensor, pinned: bool) -> Tensor:
    out = torch.empty((len(index), *rows.shape[1:]), dtype=rows.dtype, pin_memory=pinned)
    return torch.index_select(rows, 0, index, out=out)
