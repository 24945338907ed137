"""How far apart rounding alone may put two programs that compute the same: measured, not guessed.

Whatever the order of its terms, a sound program returns nearly what exact arithmetic gives for inputs changed in their
last digits. So the room of a result is how much the reference itself changes under such changes: wide where the result
is ill-conditioned (in a steep bin, beside a knot, at the end of a long walk), and narrow everywhere else. No machine,
compiler or instruction set can leave it by rounding, and a wrong formula leaves it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

ULPS, PROBES = 512, 4


class Room(NamedTuple):
    """A result of the reference, and how far from it another program may be."""

    want: Tensor
    most: Tensor


def rooms(
    reference: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor], dtype: torch.dtype = torch.float64
) -> list[Room]:
    """The room of each result of ``reference(*inputs)`` in float64, for a program that computes in ``dtype``."""
    near = ULPS * torch.finfo(dtype).eps
    g = torch.Generator().manual_seed(0)

    def nudged(value: Tensor) -> Tensor:
        signs = torch.randint(0, 2, value.shape, generator=g).to(value) * 2 - 1
        return value + near * (1 + value.abs()) * signs

    want = reference(*inputs)
    probes = [reference(*map(nudged, inputs)) for _ in range(PROBES)]
    changes = [torch.stack([(p - w).abs() for p in ps]).amax(0) for w, ps in zip(want, zip(*probes))]
    return [Room(w, change + near * (1 + w.abs())) for w, change in zip(want, changes)]


def inside(got: Tensor, room: Room) -> bool:
    """Whether the result has the right shape and is nowhere out of its room."""
    return got.shape == room.want.shape and bool(((got.double() - room.want).abs() <= room.most).all())
