"""Networks of notes that know intervals: what sounds so far above or below means the same wherever it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.conditioner import Conditioner, Step
from fluvial.conditioners.wavenet import WaveNet
from fluvial.core import randomness


class PastIntervals(Conditioner):
    r"""theta (B, size, T, N) from frames x (B, T, N) of values in a row, as the keys of a piano are.

    .. math:: \theta_{t,i} = A\,\mathrm{WaveNet}(x_{<t})_i + \sum_{l, |d| \le r} w_{l,d}\, x_{t-l,i+d} + b_i

    The WaveNet reads whole frames. The weights w of the windows about each value in some of the last frames are shared
    by all values, so what is learnt of an interval in one key holds in all (compare Johnson 2017, Generating polyphonic
    music using tied parallel networks, LNCS 10198). Beyond the ends, and where values are NaN, there is nothing.

    Args:
        outer: over the frames.
        size: numbers of theta per value.
        lags: how many frames ago windows are read.
        reach: r.
    """

    def __init__(self, outer: WaveNet, size: int, lags: Sequence[int] = (1, 2, 4, 8), reach: int = 12) -> None:
        super().__init__()
        if len(outer.rest) != 1:
            raise ValueError(f"outer: expected a network of frames of shape (N,), got {outer.rest}")
        if reach < 0 or not lags or min(lags) < 1:
            raise ValueError(f"lags and reach: expected at least 1 and 0, got {tuple(lags)} and {reach}")
        self.order, self.outer, self.size = None, outer, size
        self.rest, self.lags, self.reach = outer.rest, tuple(lags), reach
        self.event_shape, self.context_features = (None, *outer.rest), outer.context_features
        self.told: nn.Linear = nn.Linear(outer.size, size, bias=False)
        self.windows: nn.Linear = nn.Linear(len(self.lags) * (2 * reach + 1), size, bias=False)
        self.place: nn.Parameter = nn.Parameter(torch.zeros(outer.rest[0], size))

    @property
    def receptive_field(self) -> int:
        """Frames that theta of one reads."""
        return max(self.outer.receptive_field, *self.lags)

    def forward(self, x: Tensor, context: Tensor | None = None, last: int | None = None) -> Tensor:
        """theta (B, size, T, N); of the last ``last`` frames only where that is given."""
        last = x.shape[1] if last is None else last
        whole, frames = self.outer(x, context, last), F.pad(self._plain(x), (0, 0, max(self.lags), 0))
        end = frames.shape[1]
        ago = torch.stack([frames[:, end - lag - last : end - lag] for lag in self.lags], 2)
        return self._theta(whole.movedim(1, 3), ago).movedim(3, 1)

    def stepper(self, like: Tensor, context: Tensor | None = None) -> Step:
        outer = self.outer.stepper(like, context)
        past = [self._plain(torch.zeros_like(like[:, 0]))] * max(self.lags)

        def step(previous: Tensor | None) -> Tensor:
            if previous is not None:
                past.append(self._plain(previous))
                del past[0]
            ago = torch.stack([past[-lag] for lag in self.lags], 1)
            return self._theta(outer(previous).movedim(1, 2), ago).movedim(2, 1)

        return step

    def _theta(self, whole: Tensor, ago: Tensor) -> Tensor:
        """(..., N, size) from what the WaveNet says, (..., N, its size), and frames (..., lags, N)."""
        around = F.pad(ago, (self.reach, self.reach)).unfold(-1, 2 * self.reach + 1, 1)
        return self.told(whole) + self.windows(around.transpose(-3, -2).flatten(-2)) + self.place

    def _plain(self, x: Tensor) -> Tensor:
        return x.nan_to_num().to(self.place.dtype)


class ChordIntervals(Conditioner):
    r"""theta (B, size, N) from values x (B, N) in a row: each reads the ``reach`` ones below it, by shared weights.

    .. math:: h_i = \mathrm{relu}(c_i + \textstyle\sum_{d=1}^{r} w_d\, x_{i-d}), \qquad
        \theta_i = v \cdot (h_i + \mathrm{relu}(W h_i + b)) + a

    with ``hidden`` numbers c of the context for each value, as :class:`PastIntervals` gives them.

    Args:
        features: N.
        size: numbers of theta per value.
        hidden: of the network of each value, and of the context for each, (B, hidden N).
        reach: r.
        dropout: share of the hidden numbers that a training step leaves out, the same ones for all values of a row.
    """

    def __init__(self, features: int, size: int, hidden: int = 64, reach: int = 48, dropout: float = 0.2) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share below 1, got {dropout}")
        self.order, self.features, self.size = None, features, size
        self.context = self.context_features = hidden * features
        self.event_shape, self.reach, self.dropout = (features,), reach, dropout
        self.below: nn.Linear = nn.Linear(reach, hidden, bias=False)
        self.deeper: nn.Linear = nn.Linear(hidden, hidden)
        self.last: nn.Linear = nn.Linear(hidden, size)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        lower = F.pad(x.to(self.below.weight.dtype), (self.reach, -1)).unfold(1, self.reach, 1)
        return self._theta(lower, self._each(x, context), self.dropout if self.training else 0.0).movedim(2, 1)

    def stepper(self, like: Tensor, context: Tensor | None = None) -> Step:
        each, place = self._each(like, context).unbind(1), iter(range(self.features))
        lower = like.new_zeros(len(like), self.reach, dtype=self.below.weight.dtype)

        def step(previous: Tensor | None) -> Tensor:
            nonlocal lower
            if previous is not None:
                lower = torch.cat((lower[:, 1:], previous.unsqueeze(1).to(lower.dtype)), 1)
            return self._theta(lower, each[next(place)], 0.0)  # as MADE's: a walk leaves nothing out

        return step

    def _each(self, x: Tensor, context: Tensor | None) -> Tensor:
        """The context of each value, (B, N, hidden)."""
        if context is None:
            return self.below.weight.new_zeros(len(x), self.features, 1)
        return context.to(self.below.weight.dtype).unflatten(1, (-1, self.features)).transpose(1, 2)

    def _theta(self, lower: Tensor, each: Tensor, share: float) -> Tensor:
        h = _kept(F.relu(self.below(lower) + each), share)
        return self.last(h + _kept(F.relu(self.deeper(h)), share))


def _kept(h: Tensor, share: float) -> Tensor:
    """h (B, N, H) without a share of the H, which differs from row to row."""
    return h * randomness.dropout(torch.ones_like(h[:, :1]), share) if share else h
