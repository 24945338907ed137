"""WaveNet: a stack of dilated causal convolutions, and its stepper that keeps one queue for each layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners import generating
from fluvial.conditioners.conditioner import Conditioner, Draw, Invert, Pair, Step
from fluvial.core import randomness
from fluvial.core.tracing import functional
from fluvial.core.transform import Shape
from fluvial.kernels import gated
from fluvial.kernels.maps import Map

_QUEUES = 1 << 26  # numbers that the queues of one walk may hold: a quarter of a GiB


class WaveNet(Conditioner):
    r"""theta (B, size, T, \*rest) from x (B, T, \*rest), T of any length (van den Oord et al. 2016, arXiv 1609.03499).

    A causal first convolution over the values one step back, then gated layers (eq. 2 and 3 of the paper),

    .. math:: y = \tanh(W_f * h + V_f c) \odot \sigma(W_g * h + V_g c), \qquad h' = h + R\,y,

    with dilations 1, 2, 4, ... in each stack; the y of all layers are summed through 1x1 convolutions into the
    skip channels, which pass ReLU, 1x1, ReLU, 1x1 on to theta.

    Values that are not there, NaN (or negative, for classes), enter as the zero vector, and so does all that lies
    before the first step: hidden layers start in the state that an endless silence of that kind leaves behind, so
    theta does not depend on how much of it is spelt out.

    Context is one vector (B, C) in every gate, or with ``upsample`` a series (B, rows, C) of which row i speaks for
    the steps i * upsample, ..., (i + 1) * upsample - 1. What is the same for all steps is repeated in each row.

    Args:
        size: numbers of theta per value.
        classes: x is one of so many classes, which enter one-hot; 0 for plain numbers.
        rest: shape of one step.
        context: number of context features C, 0 for none.
        upsample: steps per row of a context series; 0 for one vector.
        stacks, layers: stacks of so many layers.
        kernel: width of the dilated convolutions.
        first: width of the first convolution.
        channels, gates, skips: of the residual stream, of y, and of the output network.
        centre, spread: plain numbers enter as (x - centre) / spread.
    """

    def __init__(
        self,
        size: int,
        classes: int = 0,
        rest: Shape = (),
        context: int = 0,
        upsample: int = 0,
        stacks: int = 2,
        layers: int = 9,
        kernel: int = 2,
        first: int = 1,
        channels: int = 64,
        gates: int = 64,
        skips: int = 128,
        centre: float = 0.0,
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        least = {"stacks": stacks, "layers": layers, "first": first, "channels": channels, "gates": gates}
        for name, value in {**least, "skips": skips, "kernel": kernel - 1}.items():
            if value < 1:
                at = (value + 1, 2) if name == "kernel" else (value, 1)
                raise ValueError(f"{name}: expected at least {at[1]}, got {at[0]}")
        if not spread > 0:
            raise ValueError(f"spread: expected a positive number, got {spread}")
        reach = first + stacks * (kernel - 1) * (2 ** min(layers, 64) - 1)
        if reach * channels > _QUEUES:
            raise ValueError(
                f"{stacks} stacks of {layers} layers of {channels} channels read {reach:,} steps back, for which "
                f"generation would keep more than {_QUEUES:,} numbers: take fewer layers"
            )
        self.order, self.size, self.classes, self.rest = None, size, classes, tuple(rest)
        self.upsample, self.first, self.centre, self.spread = upsample, first, centre, spread
        self.dilations = [2**i for i in range(layers)] * stacks
        self.spans = [(kernel - 1) * d for d in self.dilations]
        self.event_shape, self.context_features = (None, *self.rest), context
        values, depth = math.prod(self.rest), len(self.dilations)
        # every layer's output has variance of about one; y has a ninth, and the residual sum grows by one in all
        self.inlet: nn.Parameter = _weight(1, first * values * (classes or 2), channels, fan_in=first * values)
        # the filter half is read as tanh(u / 2), hence twice the scale
        halves = torch.tensor([2.0, 1.0]).repeat_interleave(gates)
        self.taps = nn.Parameter(_weight(1, depth, kernel, channels, 2 * gates, fan_in=kernel * channels).data * halves)
        self.bias: nn.Parameter = nn.Parameter(torch.zeros(depth, 2 * gates))
        self.given: nn.Parameter | None = _weight(1, context, depth, 2 * gates, fan_in=context) if context else None
        self.mix: nn.Parameter = _weight(9 / depth, depth - 1, gates, channels, fan_in=gates)
        self.skip, self.hidden = nn.Linear(depth * gates, skips), nn.Linear(skips, skips)
        self.last: nn.Linear = nn.Linear(skips, size * values)
        with torch.no_grad():
            self.skip.weight.copy_(_weight(9, skips, depth * gates, fan_in=depth * gates))
            self.hidden.weight.copy_(_weight(2, skips, skips, fan_in=skips))
            self.skip.bias.zero_()
            self.hidden.bias.zero_()
        nn.init.zeros_(self.last.weight)  # theta = 0: a flow starts at the identity
        nn.init.zeros_(self.last.bias)

    @property
    def receptive_field(self) -> int:
        """R: theta of step t reads the values of the steps t - R, ..., t - 1, and no others.

        R = first + (kernel - 1) * (sum of the dilations): with ``first`` = 1 and kernel 2, one stack of L layers
        reads 2^L values.
        """
        return self.first + sum(self.spans)

    def forward(self, x: Tensor, context: Tensor | None = None, last: int | None = None) -> Tensor:
        """theta (B, size, T, \\*rest); of the last ``last`` steps only where that is given, which costs less."""
        batch, steps = x.shape[:2]
        last = steps if last is None else last
        # how many steps each layer has to give for those above it
        want = [min(steps, last + sum(self.spans[i:])) for i in range(len(self.spans) + 1)]
        given = self._spoken(context, steps)
        h, rest = self._enter(x, want[0]), None
        read: list[Tensor] = []
        for i, (dilation, span) in enumerate(zip(self.dilations, self.spans)):
            short = want[i + 1] + span - want[i]
            if short > 0:
                rest = self.resting(context) if rest is None else rest
                h = torch.cat((_repeated(rest[i], short, batch), h))
            gate = self.gate(i, given if given is None else given[-want[i + 1] :])
            h, y = gated.layer(h, self.taps[i], gate, self.mixing(i), dilation, batch, last)
            read.append(y)
        theta = self.leave(torch.cat(read, 1)).to(self.last.weight.dtype)  # under autocast too
        return theta.view(last, batch, self.size, *self.rest).movedim(0, 2)

    def stepper(self, like: Tensor, context: Tensor | None = None) -> Step:
        return generating.stepper(self, like, context)

    def drawer(self, like: Tensor, context: Tensor | None, univariate: Map | None) -> Draw | None:
        return generating.drawer(self, like, context, univariate)

    def invert(self, z: Tensor, context: Tensor | None, univariate: Map | None, walk: Invert) -> Pair | None:
        draw = self.drawer(z, context, univariate)
        if draw is None:
            return None
        x, log_det = draw(z, None)
        return x, log_det.sum(1)

    def _enter(self, x: Tensor, want: int) -> Tensor:
        """The first convolution at the last ``want`` steps, which read the values one step back: rows (want B, C)."""
        reads, steps = want + self.first - 1, x.shape[1]
        x = x[:, max(0, steps - 1 - reads) : steps - 1]
        x = x if x.is_floating_point() else x.to(self.inlet.dtype)  # integers have no NaN
        x = F.pad(x.flatten(2) if self.rest else x.unsqueeze(2), (0, 0, reads - x.shape[1], 0), value=math.nan)
        return self.embed(x.movedim(0, 1).unfold(0, self.first, 1).flatten(0, 1), self.table())

    def table(self) -> Tensor:
        """The first convolution's weights; for classes, behind a row for what is not there."""
        return F.pad(self.inlet, (0, 0, 1, 0)) if self.classes else self.inlet

    def embed(self, x: Tensor, table: Tensor) -> Tensor:
        """The values that one step of the first convolution reads, (N, values, first), to (N, channels)."""
        x = x.flatten(1)
        if self.classes:
            row = self.classes * torch.arange(x.shape[1], device=x.device) + 1
            there = (x >= 0) & (x < self.classes)
            index = torch.where(there, x + row, 0).long()
            if functional():  # which embedding_bag does not know
                return F.embedding(index, table, padding_idx=0).sum(1)
            return F.embedding_bag(index, table, mode="sum", padding_idx=0)
        there = ~x.isnan()
        values = torch.where(there, (x - self.centre) / self.spread, 0.0)
        return torch.cat((values, there), 1).to(table.dtype) @ table

    def leave(self, read: Tensor) -> Tensor:
        """The y of all layers, (N, layers gates), to theta, (N, size values)."""
        return self.last(self.hidden(self.skip(read).relu()).relu())

    def mixing(self, i: int) -> Tensor | None:
        """The residual 1x1 convolution of a layer; nobody reads the last one's."""
        return self.mix[i] if i < len(self.mix) else None

    def gate(self, i: int, given: Tensor | None) -> Tensor:
        """What layer i adds inside its gates, to broadcast over (steps, B, 2 gates)."""
        return self.bias[i] if self.given is None or given is None else given @ self.given[:, i] + self.bias[i]

    def _spoken(self, context: Tensor | None, steps: int) -> Tensor | None:
        """The context of each step, (steps, B, C), or of all, (1, B, C)."""
        if context is None or not self.upsample:
            return context if context is None else context.to(self.inlet.dtype).unsqueeze(0)
        rows = -(-steps // self.upsample)
        if context.shape[1] < rows:
            raise ValueError(
                f"context: {steps} steps need a series of {rows} rows, {self.upsample} steps each, "
                f"got {context.shape[1]} rows"
            )
        return context[:, :rows].to(self.inlet.dtype).movedim(0, 1).repeat_interleave(self.upsample, 0)[:steps]

    def resting(self, context: Tensor | None) -> list[Tensor]:
        """The state of each layer's input where nothing has come yet, (B or 1, channels)."""
        given = None if context is None or self.upsample else context.to(self.inlet.dtype).unsqueeze(0)
        h = self.inlet.new_zeros(1 if given is None else given.shape[1], self.inlet.shape[1])
        states = [h]
        for i, mix in enumerate(self.mix):
            taps = self.taps[i]
            h = gated.layer(h.repeat(len(taps), 1), taps, self.gate(i, given), mix, 1, h.shape[0], 1)[0]
            states.append(h)
        return states


def _repeated(rest: Tensor, steps: int, batch: int) -> Tensor:
    if rest.shape[0] == 1:
        rest = rest.expand(batch, -1)
    return rest.repeat(steps, 1)


def _weight(gain: float, *shape: int, fan_in: int) -> nn.Parameter:
    """Uniform weights of variance gain / fan_in."""
    bound = math.sqrt(3 * gain / fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=randomness.generator()))
