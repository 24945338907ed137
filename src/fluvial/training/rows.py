"""What the training loop asks of its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from fluvial.core import Density


class Rows(Protocol):
    """What the loop asks of its data. A row may stand for many units, such as the samples of a sound.

    Scores are means over units, so they do not depend on how units are put together in rows.
    """

    def __len__(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]:
        """Independent units and the numbers in each, which decide on the weight decay."""
        ...

    @property
    def batch_size(self) -> int:
        """Rows a step, where the settings leave it open."""
        ...

    @property
    def initial(self) -> int:
        """Rows that data-dependent initialisation reads."""
        ...

    @property
    def measured(self) -> int:
        """Rows that BatchNorm's statistics for evaluation are taken over at once, of all of them."""
        ...

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The rows with these numbers and their context, on ``device``; any noise from ``core.randomness``."""
        ...

    def count(self, index: Tensor | None = None) -> int:
        """Units in these rows, or in all."""
        ...

    def batches(self, order: Tensor, size: int) -> Sequence[Tensor]:
        """All rows in batches, in an order that is a function of ``order``."""
        ...

    def score(self, density: Density, seed: int) -> float:
        """Mean of log p over all units, nats."""
        ...

    def digest(self) -> str:
        """A fingerprint, which shows whether a run goes on with the rows that it began with."""
        ...

    def to(self, device: torch.device) -> Rows:
        """The same rows, where ``rows`` gets them quickest."""
        ...


class Single:
    """What rows have in common of which each is one unit, and all are in memory."""

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def measured(self) -> int:
        """All rows: the statistics are exact."""
        return len(self)

    def count(self, index: Tensor | None = None) -> int:
        """Rows."""
        return len(self) if index is None else len(index)

    def batches(self, order: Tensor, size: int) -> Sequence[Tensor]:
        """Parts of ``order``; a last one smaller than half joins the one before, so that none is of a single row."""
        return split(order, size)


def split(order: Tensor, size: int) -> list[Tensor]:
    """Parts of ``size``; a last one smaller than half joins the one before.

    >>> [len(part) for part in split(torch.arange(10), 4)], [len(part) for part in split(torch.arange(9), 4)]
    ([4, 4, 2], [4, 5])
    """
    return list(order.split(sizes_of(len(order), size)))


def sizes_of(rows: int, size: int) -> list[int]:
    """Rows of each part.

    >>> sizes_of(20, 8), sizes_of(19, 8), sizes_of(1, 8)
    ([8, 8, 4], [8, 11], [1])
    """
    whole, rest = divmod(rows, size)
    parts = [size] * whole + [rest] * (rest > 0)
    if len(parts) > 1 and parts[-1] < max(2, size / 2):
        parts[-2:] = [parts[-2] + parts[-1]]
    return parts
