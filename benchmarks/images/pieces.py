"""Training data whose epochs are short: a random part of the rows, so that long runs draw a curve."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fluvial.training import Data


@dataclass(frozen=True)
class Pieces(Data):
    """Rows of which each epoch takes ``piece`` at random, none of them twice within one."""

    piece: int = 10_000

    def count(self, index: Tensor | None = None) -> int:
        """Rows; of an epoch where no index is given."""
        return self.piece if index is None else len(index)

    def batches(self, order: Tensor, size: int) -> list[Tensor]:
        """Parts of the first ``piece`` numbers of ``order``."""
        return super().batches(order[: self.piece], size)
