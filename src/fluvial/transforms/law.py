"""The law of one column: atoms with probabilities of their own beside a continuous or gridded part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fluvial.transforms.columns import ColumnMap


@dataclass(frozen=True)
class Law:
    r"""What the cells of one column can be: :math:`P(x) = \sum_j \pi_j [x = a_j] + \pi_\ast f(x)`.

    Of a column without a grid, log p of an atom is its log-probability and log p of any other value a log-density,
    nats per unit of x. With a grid f is the probability of x's cell, and both are divided by the step, which changes
    nothing for whole numbers.

    Args:
        atoms: the values a_j, ascending: codes of labels, or numbers that many rows share.
        missing: NaN is one more atom, the last.
        labels: the atoms are codes, whose order and distance mean nothing. (Where an order means something, they are
            as good as numbers to a network.)
        rest: how all other values are standardised before f, a mixture of logistics, sees them; with a step they lie
            on a grid. None where every value is an atom.
        periods: after which what depends on the column may repeat, as a week and a year, in the column's unit.
        rounded: the atoms that values about them are rounded to, as whole years are among ages in months: their
            probabilities follow what is expected around them (:class:`~fluvial.transforms.heaps.Heaps`).
        other: of labels, the probability set aside for those that are none of the atoms, whatever the other columns
            hold. It is never drawn.

    Raises:
        ValueError: a cell could be nothing, the atoms do not ascend, or a period or the probability is none.
    """

    atoms: tuple[float, ...] = ()
    missing: bool = False
    labels: bool = False
    rest: ColumnMap | None = None
    periods: tuple[float, ...] = ()
    other: float = 0.0
    rounded: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.atoms and self.rest is None:
            raise ValueError("a law needs atoms or a rest, else its column is always missing")
        if not all(map(math.isfinite, self.atoms)) or any(a >= b for a, b in zip(self.atoms, self.atoms[1:])):
            raise ValueError(f"atoms: expected finite numbers in ascending order, got {self.atoms}")
        if not all(0 < p < math.inf for p in self.periods) or (self.labels and self.periods):
            raise ValueError(f"periods: expected finite numbers above 0, of numbers alone, got {self.periods}")
        if self.rounded and (self.rest is None or len(self.rounded) < 2 or not set(self.rounded) <= set(self.atoms)):
            raise ValueError(f"rounded: expected at least two of the atoms beside a rest, got {self.rounded}")
        if not 0 <= self.other < 1 or (self.other and self.rest is not None):
            raise ValueError(f"other: expected a probability below 1, of labels alone, got {self.other}")

    @property
    def masses(self) -> int:
        """How many atoms there are, the missing cell among them."""
        return len(self.atoms) + self.missing

    @property
    def step(self) -> float | None:
        """Of the grid that the values lie on."""
        return None if self.rest is None else self.rest.step

    def scale(self) -> ColumnMap:
        """How the column's values enter a network."""
        if self.rest is not None:
            return self.rest
        values = torch.tensor(self.atoms, dtype=torch.float64)
        spread = float(values.std(correction=0)) if len(self.atoms) > 1 else 0.0
        return ColumnMap(location=float(values.mean()), scale=spread or 1.0)


class Reading(NamedTuple):
    """Rows as their laws see them, each (B, D)."""

    x: Tensor
    """The values, on their grids, float64."""
    atom: Tensor
    """Number of the atom, -1 where the value is none."""
    value: Tensor
    """Standardised; 0 where a cell is missing."""
    low: Tensor
    """The standardised edges of the value's cell; the value itself where there is no grid."""
    high: Tensor
    width: Tensor
    """high - low, taken where digits are plenty; 1 where there is no grid."""
    log_det: Tensor
    """From x to the standardised value, or -log(step); -inf where the law has no such value but for its atoms."""

    def to(self, dtype: torch.dtype) -> Reading:
        """With everything behind the atoms in this dtype."""
        return Reading(self.x, self.atom, *(t.to(dtype) for t in self[2:]))


Around = tuple[Tensor, Tensor]
"""A location and a scale of each cell, (B, D) each, float64, in units of the standardised values."""


class Terms(NamedTuple):
    """What theta says of B rows."""

    masses: Tensor
    """Log-probabilities of the atoms and, behind them, of the rest: (B, D, the most of a column), -inf beyond."""
    weights: Tensor
    """Log-weights of the components of the R columns that have a rest, (B, R, K)."""
    means: Tensor
    scales: Tensor
    """Logarithms of the scales."""
