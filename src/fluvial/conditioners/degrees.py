"""Who reads whom in a masked network: the degrees of its inputs and hidden units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fluvial.core import randomness
from fluvial.core.constants import on_cpu
from fluvial.kernels import sweep


class Plan(NamedTuple):
    """One way to read D positions in turn (Germain et al. 2015, arXiv 1502.03509, sections 3 and 4).

    A hidden unit reads what has at most its own degree; the outputs of position i read units of degrees below
    rank[i].
    """

    rank: Tensor
    """(D,): 1..D, the place of each position in the order."""
    hidden: tuple[Tensor, ...]
    """The degrees of the units of each hidden layer, (width,)."""


class Order:
    """Inputs and units sorted as a plan makes them known; None stands for the order in which they are."""

    def __init__(self, plan: Plan, numbers: int) -> None:
        """``numbers`` of inputs make one position."""
        with on_cpu():
            n, hidden = plan.rank.numel(), [degrees.cpu() for degrees in plan.hidden]
            order, positions = plan.rank.cpu().argsort(), torch.arange(n + 1)
            self.places: list[int] = order.tolist()
            natural = self.places == list(range(n))
            blocks = torch.arange(n * numbers).view(n, -1)
            self.positions: Tensor | None = None if natural else order
            self.inputs: Tensor | None = None if natural else blocks[order].flatten()
            self.units = [None if bool((d.diff() >= 0).all()) else d.argsort(stable=True) for d in hidden]
            ends = [torch.searchsorted(d.sort()[0], positions, right=True, out_int32=True) for d in hidden]
            self.layout = sweep.Layout(order.int(), torch.stack(ends), natural)
            self.ends: list[list[int]] = self.layout.ends.tolist()


def take(tensor: Tensor, index: Tensor | None, dim: int) -> Tensor:
    """Entries along an axis, in the order of ``index``; None leaves them as they are."""
    return tensor if index is None else tensor.index_select(dim, index.to(tensor.device))


def make_plan(
    order: Tensor,
    widths: Sequence[int],
    lowest: int,
    residual: bool = False,
    drawn: bool = False,
) -> Plan:
    """Degrees for hidden layers of these widths.

    Args:
        order: (D,), the positions as they become known.
        lowest: 0 where some units are to read nothing but the context, else 1.
        residual: every second layer adds to the first, and so shares its degrees.
        drawn: degrees at random; else spread evenly and sorted.
    """
    highest = order.numel() - 1
    hidden: list[Tensor] = []
    for layer, width in enumerate(widths):
        if residual and layer > 0 and layer % 2 == 0:
            hidden.append(hidden[0])
        elif drawn:
            hidden.append(draw_degrees(lowest, highest, width))
            lowest = int(hidden[-1].min())  # a unit of a lower degree would read nothing
        else:
            hidden.append(spread_degrees(lowest, highest, width))
    return Plan(order.argsort() + 1, tuple(hidden))


def spread_degrees(lowest: int, highest: int, width: int) -> Tensor:
    """Sorted degrees lowest..highest, each on about width / count units.

    >>> spread_degrees(1, 3, 7)
    tensor([1, 1, 1, 2, 2, 3, 3])
    """
    count = max(highest - lowest + 1, 1)
    return lowest + torch.arange(width) * count // width


def draw_degrees(lowest: int, highest: int, width: int) -> Tensor:
    """Degrees drawn uniformly from lowest..highest, each of them at least once where there is room.

    A degree that is missing cuts dependencies.

    >>> sorted(draw_degrees(1, 3, 3).tolist())
    [1, 2, 3]
    """
    count = max(highest - lowest + 1, 1)
    each = randomness.permutation(count)[:width]
    others = randomness.integers(count, (width - each.numel(),))
    return lowest + torch.cat((each, others))
