"""Which values the elements of an event may have, as constraints of ``torch.distributions``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

_ROUNDING = 1e-4  # of a step: how far from the grid float32 may put a value


class Grid(Constraint):
    """Whole multiples of ``step`` from ``lower`` to ``upper``."""

    is_discrete = True

    def __init__(self, step: float = 1.0, lower: float = -math.inf, upper: float = math.inf) -> None:
        self.step: float = step
        self.lower: float = lower
        self.upper: float = upper
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        cells, slack = value / self.step, _ROUNDING * self.step
        on_grid = (cells - cells.round()).abs() <= _ROUNDING * (1 + cells.abs() * 1e-3)
        return on_grid & (value >= self.lower - slack) & (value <= self.upper + slack)


def bounded(lower: float | None = None, upper: float | None = None, step: float | None = None) -> Constraint:
    """Numbers between bounds, either of which may be missing; with a ``step``, those on a grid.

    >>> bounded(), bounded(0.0, 2.0)
    (Real(), Interval(lower_bound=0.0, upper_bound=2.0))
    """
    if step is not None:
        return Grid(step, -math.inf if lower is None else lower, math.inf if upper is None else upper)
    if lower is None:
        return constraints.real if upper is None else constraints.less_than(upper)
    return constraints.greater_than_eq(lower) if upper is None else constraints.interval(lower, upper)


def classes(count: int) -> Constraint:
    """The classes 0, ..., count - 1."""
    return constraints.boolean if count == 2 else constraints.integer_interval(0, count - 1)


def side_by_side(described: Sequence[tuple[Any, ...]]) -> Constraint:
    """Along the last axis, one element each: what :func:`bounded` makes of these arguments."""
    runs = [(bounded(*of), len(list(same))) for of, same in groupby(described)]
    if len(runs) == 1:
        return runs[0][0]
    return constraints.cat([c for c, _ in runs], -1, [n for _, n in runs])


def over_events(elements: Constraint, axes: int) -> Constraint:
    """The constraint on whole events of so many axes."""
    return constraints.independent(elements, axes) if axes else elements


def real_if_real(noise: Constraint | None) -> Constraint | None:
    """What is behind a map of all numbers onto all numbers; None, not known, where the noise is anything else."""
    return noise if noise is constraints.real else None
