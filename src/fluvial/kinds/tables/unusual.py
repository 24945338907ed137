"""How unusual rows are: one number a row, larger for rows that the model finds stranger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fluvial.kinds.tables.model import Model


@dataclass(frozen=True)
class Unusual:
    model: Model

    @classmethod
    def of(cls, model: Model, x: np.ndarray, context: np.ndarray | None) -> Unusual:
        return cls(model)

    def scores(self, x: np.ndarray, context: np.ndarray | None) -> np.ndarray:
        return -self.model.log_prob_rows(x, context)
