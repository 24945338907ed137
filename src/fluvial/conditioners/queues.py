"""WaveNet one step at a time: what each layer has to remember stands in a ring of fixed size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fluvial.core.tracing import transformed

if TYPE_CHECKING:
    from fluvial.conditioners.wavenet import WaveNet


class Queues:
    """Reads a WaveNet step by step, each layer once (fast generation, Le Paine et al. 2016, arXiv 1611.09482).

    The rings of all layers lie in one tensor, (slots, channels, rows): rows side by side, so that what is gathered is
    multiplied as it lies, and the halves of a gate are whole pieces of memory. At each step the taps of all layers that
    read the past are multiplied together; what remains one after the other is four small operators a layer.
    """

    def __init__(self, net: WaveNet, like: Tensor, context: Tensor | None) -> None:
        self.net, self.context, self.step, self.batch = net, context, 0, like.shape[0]
        device, older = net.inlet.device, net.taps.shape[1] - 1
        signs = torch.ones_like(net.bias[0])  # tanh(u / 2) = 1 - 2 sigmoid(-u), which takes a third of tanh's time
        signs[: len(signs) // 2] = -1
        taps = (net.taps * signs).movedim(3, 1)  # (layers, 2 gates, kernel, channels)
        self.now: tuple[Tensor, ...] = taps[:, :, -1].contiguous().unbind()
        self.past: Tensor = taps[:, :, :-1].flatten(2)
        self.mix: tuple[Tensor, ...] = net.mix.transpose(1, 2).contiguous().unbind()
        self.bias: Tensor = (net.bias * signs).flatten().unsqueeze(1)
        self.given = None if net.given is None else (net.given * signs).flatten(1).t().contiguous()
        self.table = net.table()
        self.gates = self._gates(None if context is None or net.upsample else context)
        spans, lags = torch.tensor(net.spans), torch.arange(older, 0, -1)
        self.lag: Tensor = (lags * torch.tensor(net.dilations)[:, None]).to(device)
        self.span: Tensor = spans[:, None].to(device)
        self.start: Tensor = (spans.cumsum(0) - spans)[:, None].to(device)
        rest = [r.t().expand(s, -1, self.batch) for r, s in zip(net.resting(context), net.spans)]
        self.ring = torch.cat(rest)
        self.values = torch.full(
            (self.batch, math.prod(net.rest), net.first), math.nan, device=device, dtype=like.dtype
        )

    def __call__(self, previous: Tensor | None, given: Tensor | None = None) -> Tensor:
        """theta of the next step; ``given`` is its row of the context, (B, C), where there is no series of all."""
        if previous is not None:
            self.values: Tensor = torch.cat((self.values[:, :, 1:], previous.reshape(*self.values.shape[:2], 1)), 2)
        if self.net.upsample and self.context is not None and self.step % self.net.upsample == 0:
            self.gates: Tensor = self._gates(self._row(self.context))
        if given is not None:
            self.gates = self._gates(given)
        slots = (self.step - self.lag) % self.span + self.start
        begun = torch.baddbmm(self.gates, self.past, self.ring[slots].flatten(1, 2)).unbind()
        h, half = self.net.embed(self.values, self.table).t(), self.past.shape[1] // 2
        inputs: list[Tensor] = [h]
        read: list[Tensor] = []
        for i, (opened, now) in enumerate(zip(begun, self.now)):
            against, gate = torch.addmm(opened, now, h).sigmoid_().split(half)
            y = torch.addcmul(gate, against, gate, value=-2)
            read.append(y)
            if i < len(self.mix):
                h = torch.addmm(h, self.mix[i], y)
                inputs.append(h)
        self._remember(slots[:, 0], torch.stack(inputs))
        self.step += 1
        return self.net.leave(torch.cat(read).t()).view(self.batch, self.net.size, *self.net.rest)

    def spread(self, copies: int) -> None:
        """Go on with so many rows in the place of each one."""
        self.ring = self.ring.repeat_interleave(copies, 2)
        self.values = self.values.repeat_interleave(copies, 0)
        self.gates = self.gates.repeat_interleave(copies, 2)
        self.batch *= copies

    def _remember(self, slots: Tensor, inputs: Tensor) -> None:
        """In the place of the oldest; in a new tensor where a gradient may still ask for the old one."""
        inputs = inputs.to(self.ring.dtype)  # under autocast products are narrower than what they are kept in
        if torch.is_grad_enabled() or transformed():
            self.ring: Tensor = self.ring.index_copy(0, slots, inputs)
        else:
            self.ring.index_copy_(0, slots, inputs)

    def _row(self, series: Tensor) -> Tensor:
        row = self.step // self.net.upsample
        if row >= series.shape[1]:
            raise ValueError(
                f"context: step {self.step} needs row {row} of the series, {self.net.upsample} steps each, "
                f"but it has {series.shape[1]} rows"
            )
        return series[:, row]

    def _gates(self, context: Tensor | None) -> Tensor:
        """(layers, 2 gates, B)."""
        if context is None or self.given is None:
            gates = self.bias.expand(-1, self.batch)
        else:
            gates = torch.addmm(self.bias, self.given, context.to(self.given.dtype).t())
        return gates.expand(-1, self.batch).unflatten(0, self.past.shape[:2])
