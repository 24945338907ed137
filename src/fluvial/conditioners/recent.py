"""What the last steps of series say about the next one: where it lies, how far it moves, what came a season ago."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WEIGHT = 0.5  # steps that the typical move counts for among those seen
_TINY = 1e-12  # a move, below which roots are flat
_FARTHEST = 20.0  # moves; what lies beyond enters a network as this


class Outlook(NamedTuple):
    """What is expected of a step, of each of N values: (B, T, N), float64."""

    location: Tensor
    """The last value seen; 0 where there is none."""
    scale: Tensor
    """How far it moves."""
    features: Tensor
    """What a network reads besides, (B, T, N, F); zeros where nothing has come yet."""


class Recent(nn.Module):
    r"""An :class:`Outlook` on each step of N series side by side, from the steps before it alone.

    The location is the last value that is not missing, and the scale

    .. math:: \sqrt{s_t} = \frac{w \sqrt{s_0} + \sum_{i} \sqrt{|v_i - \mathrm{location}_i|}}{w + n},

    over the n values there among the last W, i from t - W to t - 1, with :math:`s_0` the ``typical`` move. Roots keep
    one wild move from making all that follow wild, as a mean of the moves would. Features are the values so many steps
    ago, the mean of the last W and 0, all counted in scales from the location, and what is known of the scale.

    Args:
        values: N.
        lags: how many steps ago.
        window: W.
    """

    typical: Tensor

    def __init__(self, values: int, lags: Sequence[int] = (), window: int = 64) -> None:
        super().__init__()
        if window < 1 or any(lag < 1 for lag in lags):
            raise ValueError(f"window and lags: expected at least 1, got {window} and {tuple(lags)}")
        self.values, self.lags, self.window = values, tuple(lags), window
        self.features = len(self.lags) + 5
        self.register_buffer("typical", torch.ones(values))

    @property
    def reads(self) -> int:
        """Steps before it that an outlook depends on."""
        return max(2 * self.window, *self.lags, 1)

    def forward(self, v: Tensor, last: int | None = None) -> Outlook:
        """The outlook on the ``last`` steps of v (B, T, N), float64, NaN where missing; on all where that is open."""
        steps = v.shape[1]
        last = steps if last is None else last
        location, known = self._located(v)
        moves = torch.where(known, _root(v - location), math.nan)
        sums = [*_before(moves, self.window), *_before(v, self.window)]
        ago = [_ago(v, lag) for lag in self.lags]
        location, known, moved, moves, total, there, *ago = (
            t[:, steps - last :] for t in (location, known, *sums, *ago)
        )
        return self.outlook(location, known, moved, moves, total, there, ago)

    def _located(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """The last value before each step, 0 where the window holds none, and whether it holds one."""
        at = torch.arange(v.shape[1], device=v.device).unsqueeze(1)
        seen = torch.where(v.isnan(), -1, at).cummax(1).values
        seen = F.pad(seen, (0, 0, 1, 0), value=-1)[:, :-1]
        known = seen >= (at - self.window).clamp(min=0)
        location = torch.where(known, v.nan_to_num().gather(1, seen.clamp(min=0)), 0.0)
        return location, known

    def outlook(
        self,
        location: Tensor,
        known: Tensor,
        moved: Tensor,
        moves: Tensor,
        total: Tensor,
        there: Tensor,
        ago: Sequence[Tensor],
    ) -> Outlook:
        """From sums over the window: of the moves and how many, of the values and how many; and from values ago."""
        typical = self.typical.to(location.dtype)
        scale = ((_WEIGHT * typical.sqrt() + moved.clamp(min=0)) / (_WEIGHT + moves)).square()
        zero = torch.zeros_like(location)
        mean = torch.where(there > 0, total / there.clamp(min=1), location)
        # what is missing lies where the last value does, before anything divides it: NaN has NaN for a gradient
        values = (*(torch.where(t.isnan(), location, t) for t in ago), mean, zero)
        near = [((t - location) / scale).nan_to_num(0.0).clamp(-_FARTHEST, _FARTHEST) for t in values]
        known = known.to(location.dtype)
        told = [(scale / typical).log().clamp(-8, 8), torch.log1p(moves) / math.log1p(self.window), known]
        return Outlook(location, scale, torch.stack([*(known * t for t in near), *told], -1))

    def initialize(self, v: Tensor) -> None:
        """Set the typical moves from series (B, T, N): the median of their means, of which half lie above."""
        location, known = self._located(v)
        known = known & ~v.isnan()
        moves, counts = torch.where(known, _root(v - location), 0.0).sum(1), known.sum(1)
        each = torch.where((v != location).logical_and(known).any(1), (moves / counts.clamp(min=1)).square(), math.nan)
        middle = each.nanmedian(0).values
        self.typical.copy_(torch.where(middle > 0, middle, 1.0))


class Memory:
    """The outlooks of a :class:`Recent` one step at a time, in memory that does not grow: rings of the last steps.

    Args:
        recent: whose outlooks.
        v: (B, P, N), float64, the steps before, NaN where missing; P may be 0.
    """

    def __init__(self, recent: Recent, v: Tensor) -> None:
        self.recent, self.step = recent, 0
        self.ring = v.new_full((v.shape[0], max(recent.window, *recent.lags, 1), recent.values), math.nan)
        self.moves = v.new_full((v.shape[0], recent.window, recent.values), math.nan)
        self.location, self.age = torch.zeros_like(self.ring[:, 0]), torch.full_like(self.ring[:, 0], math.inf)
        self.sums = [torch.zeros_like(self.location) for _ in range(4)]
        for t in range(max(0, v.shape[1] - recent.reads), v.shape[1]):
            self.push(v[:, t])

    def push(self, v: Tensor) -> None:
        """One more step, (B, N), has come."""
        there, known = ~v.isnan(), self.age <= self.recent.window
        move = torch.where(there & known, _root(v - self.location), math.nan)
        for i, (ring, new) in enumerate(((self.moves, move), (self.ring, v))):
            old = ring[:, (self.step - self.recent.window) % ring.shape[1]]
            self.sums[2 * i] = self.sums[2 * i] + new.nan_to_num() - old.nan_to_num()
            self.sums[2 * i + 1] = self.sums[2 * i + 1] + (~new.isnan()).double() - (~old.isnan()).double()
            ring[:, self.step % ring.shape[1]] = new
        self.location = torch.where(there, v.nan_to_num(), self.location)
        self.age = torch.where(there, 1.0, self.age + 1)
        self.step += 1

    def outlook(self) -> Outlook:
        """On the next step, (B, 1, N)."""
        known = self.age <= self.recent.window
        ago = [self.ring[:, (self.step - lag) % self.ring.shape[1]] for lag in self.recent.lags]
        parts = [p.unsqueeze(1) for p in (torch.where(known, self.location, 0.0), known, *self.sums)]
        location, known, moved, moves, total, there = parts
        return self.recent.outlook(location, known, moved, moves, total, there, [a.unsqueeze(1) for a in ago])

    def spread(self, copies: int) -> None:
        """Go on with so many rows in the place of each one."""
        self.ring, self.moves = (t.repeat_interleave(copies, 0) for t in (self.ring, self.moves))
        self.location, self.age = (t.repeat_interleave(copies, 0) for t in (self.location, self.age))
        self.sums = [t.repeat_interleave(copies, 0) for t in self.sums]


def _root(move: Tensor) -> Tensor:
    """The root of a move's size, whose derivative at 0 is 0."""
    return (move.abs() + _TINY).sqrt()


def _before(t: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Sums over the ``window`` steps before each, and over how many that are not NaN."""
    sums: list[Tensor] = []
    for values in (t.nan_to_num(), (~t.isnan()).to(t.dtype)):
        run = F.pad(values.cumsum(1), (0, 0, 1, 0))[:, :-1]
        sums.append(run - F.pad(run, (0, 0, window, 0))[:, : run.shape[1]])
    return sums[0], sums[1]


def _ago(v: Tensor, lag: int) -> Tensor:
    """The values so many steps before each, NaN before the first."""
    return F.pad(v, (0, 0, lag, 0), value=math.nan)[:, : v.shape[1]]
