"""The stepper of a masked network, which computes each hidden unit once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fluvial.conditioners.degrees import Order, take
from fluvial.core.tracing import transformed

if TYPE_CHECKING:
    from fluvial.conditioners.masked import MaskedMLP


class MaskedStepper:
    """Reads a MaskedMLP one position at a time, under one plan; rows are units, columns are the B samples.

    Units are sorted by degree within each layer, so what becomes computable when one more input is known is one
    block of rows, and what it reads is the leading block of the layer below: no masks are needed.
    ``ends[l][k]`` counts the units of layer l with degree <= k. The weights are sorted here, once; samples are
    columns so that the known units of a layer are one leading block.
    """

    def __init__(self, net: MaskedMLP, order: Order, like: Tensor, context: Tensor | None) -> None:
        self.net, self.activation, self.ends = net, net.activation, order.ends
        batch, n = like.shape[0], net.features
        below, self.weights, self.biases = order.inputs, list[Tensor](), list[Tensor]()
        for i, (layer, units) in enumerate(zip(net.layers, order.units)):
            weight, bias = take(layer.weight, units, 0), take(layer.bias, units, 0).unsqueeze(1)  # pyright: ignore
            if i == 0:
                weight, read = weight[:, : n * net.numbers], weight[:, n * net.numbers :]
                if context is not None:  # its part of the first layer is known from the start
                    bias = torch.addmm(bias, read, context.to(read.dtype).t())
            self.weights.append(take(weight, below, 1))
            self.biases.append(bias)
            below = units
        # (positions in their order, size, units or inputs)
        self.out: Tensor = self._sorted(net.last.weight, order, below)
        bias = net.last.bias.view(net.size, n)
        self.direct = None
        if net.direct is not None:
            self.direct: Tensor | None = self._sorted(net.direct.weight, order, order.inputs)
            bias = bias + net.direct.bias.view(net.size, n)
        if net.offset is not None:
            bias = bias + net.offset
        self.out_bias: Tensor = take(bias.t(), order.positions, 0).unsqueeze(2)
        first = self.weights[0]
        self.inputs = _Rows(first, batch, n * net.numbers)
        self.hidden = [_Rows(w, batch, w.shape[0]) for w in self.weights]
        # a residual network also keeps what its blocks read: the activated sums
        self.active = [_Rows(w, batch, w.shape[0]) for w in self.weights[::2]] if net.residual else []
        self.known = 0

    def __call__(self, previous: Tensor | None) -> Tensor:
        if previous is not None:
            self.inputs.append(self.net.encode(previous.unsqueeze(1)).t().to(self.inputs.dtype))
            self.known += 1
        last = self._residual() if self.net.residual else self._plain()
        at, units = self.known, self.ends[-1][self.known]
        theta = torch.addmm(self.out_bias[at], self.out[at, :, :units], last.rows(units))
        if self.direct is not None:
            reads = self.inputs.count
            theta = torch.addmm(theta, self.direct[at, :, :reads], self.inputs.rows(reads))
        return theta.t()

    def _sorted(self, weight: Tensor, order: Order, below: Tensor | None) -> Tensor:
        by_position = weight.view(self.net.size, self.net.features, -1).transpose(0, 1)
        return take(take(by_position, order.positions, 0), below, 2)

    def _plain(self) -> _Rows:
        below = self.inputs
        for layer, h in enumerate(self.hidden):
            new = self._new(layer, below)
            if new is not None:
                h.append(self.activation(new))
            below = h
        return below

    def _residual(self) -> _Rows:
        total = self._new(0, self.inputs)
        if total is not None:
            self.active[0].append(self.activation(total))
            self.hidden[0].append(total)
        for block, layer in enumerate(range(1, len(self.weights), 2)):
            new = self._new(layer, self.active[block])
            if new is not None:
                self.hidden[layer].append(self.activation(new))
            new = self._new(layer + 1, self.hidden[layer])
            if new is not None and total is not None:
                total = total + new
                self.active[block + 1].append(self.activation(total))
        return self.active[-1]

    def _new(self, layer: int, below: _Rows) -> Tensor | None:
        """Pre-activations of the units of ``layer`` that the latest input completes."""
        ends = self.ends[layer]
        start, stop = (ends[self.known - 1] if self.known else 0), ends[self.known]
        if start == stop:
            return None
        reads = below.count
        bias = self.biases[layer][start:stop]
        if reads == 0:
            return bias.expand(-1, self.inputs.batch)
        return torch.addmm(bias, self.weights[layer][start:stop, :reads], below.rows(reads))


class _Rows:
    """Rows that become known from the top. Written in place, unless something is to be derived from what is written."""

    def __init__(self, like: Tensor, batch: int, most: int) -> None:
        self.dtype, self.batch, self.count = like.dtype, batch, 0
        self.in_place: bool = not torch.is_grad_enabled() and not transformed()
        self.values = like.new_empty(most if self.in_place else 0, batch)

    def append(self, new: Tensor) -> None:
        if self.in_place:
            self.values[self.count : self.count + new.shape[0]] = new
        else:
            self.values: Tensor = torch.cat((self.values, new))
        self.count += new.shape[0]

    def rows(self, stop: int) -> Tensor:
        return self.values[:stop]
