"""The masked network of MADE, and its stepper that computes each hidden unit once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.conditioner import Conditioner, Step
from fluvial.conditioners.mlp import activation_named, layer_sizes, run_hidden


class MaskedLinear(nn.Linear):
    """A linear layer whose weights are zero where ``mask`` (out, in) is."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float(), persistent=False)
        self.mask: Tensor

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        return F.linear(input, self.weight * self.mask, self.bias)


class MaskedMLP(Conditioner):
    r"""MADE's network (Germain et al. 2015, arXiv 1502.03509, section 3): theta (B, size, D) from x (B, D).

    Input i carries the degree r(i) = 1..D, its rank in ``order``; a hidden unit carries a degree d and reads
    units of degree <= d; the outputs of position i read units of degree < r(i). Degrees are spread evenly and
    sorted within each layer, so what becomes computable when one more input is known is a block of rows: the
    stepper computes every hidden unit once, and inverting costs about one forward pass of arithmetic.

    Context enters the first layer unmasked, and units of degree 0, which read nothing else, carry it to every
    output, the first one too.

    Args:
        features: D.
        size: numbers of theta per position.
        hidden: widths of the hidden layers.
        context: number of context features, 0 for none.
        order: the positions in the order in which they become known; natural by default.
        activation: a key of ``ACTIVATIONS``.
        residual: residual blocks of two masked layers (ResMADE, arXiv 1906.04032); ``hidden`` repeats one width.
        direct: also connect inputs to outputs directly. By default only where a layer is too narrow to hold
            every degree, since dependencies would be lost otherwise.
    """

    def __init__(
        self,
        features: int,
        size: int,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
        order: Sequence[int] | None = None,
        activation: str = "relu",
        residual: bool = False,
        direct: bool | None = None,
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden: a masked network needs hidden layers of at least one unit, got {tuple(hidden)}")
        self.features, self.size = features, size
        self.activation, self.residual = activation_named(activation), residual
        order = list(range(features)) if order is None else list(order)
        if sorted(order) != list(range(features)):
            raise ValueError(f"order: expected a permutation of 0..{features - 1}, got {order}")
        self.register_buffer("order", torch.tensor(order), persistent=False)
        rank = torch.empty(features, dtype=torch.long)
        rank[order] = torch.arange(1, features + 1)
        lowest = 0 if context or features == 1 else 1
        # input degrees; context features have degree 0, so that everything may read them
        degrees = torch.cat((rank, torch.zeros(context, dtype=torch.long)))
        self.layers = nn.ModuleList()
        self.degrees: list[list[int]] = []
        for _, width in layer_sizes(features + context, hidden, residual):
            inner = spread_degrees(lowest, features - 1, width)
            self.layers.append(MaskedLinear(inner[:, None] >= degrees))
            self.degrees.append(inner.tolist())
            degrees = inner
        self.last = MaskedLinear((rank[:, None] > degrees).repeat(size, 1))
        if direct is None:
            direct = min(hidden) < features - lowest
        self.direct = MaskedLinear((rank[:, None] > rank).repeat(size, 1)) if direct else None
        for layer in filter(None, (self.last, self.direct)):  # theta = 0: a flow starts at the identity
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = x if context is None else torch.cat((x, context), 1)
        theta = self.last(run_hidden(self.layers, h, self.activation, self.residual))
        if self.direct is not None:
            theta = theta + self.direct(x)
        return theta.unflatten(1, (self.size, self.features))

    def stepper(self, like: Tensor, context: Tensor | None = None) -> Step:
        return _Stepper(self, like, context)


def spread_degrees(lowest: int, highest: int, width: int) -> Tensor:
    """Sorted degrees lowest..highest, each on about width / count units.

    >>> spread_degrees(1, 3, 7)
    tensor([1, 1, 1, 2, 2, 3, 3])
    """
    count = max(highest - lowest + 1, 1)
    return lowest + torch.arange(width) * count // width


class _Stepper:
    """Reads a MaskedMLP one position at a time; rows are units, columns are the B samples.

    ``ends[l][k]`` counts the units of layer l with degree <= k: what is known of it once k inputs are. The
    weights are cut here, once; samples are columns so that the known units of a layer are one leading block.
    """

    def __init__(self, net: MaskedMLP, like: Tensor, context: Tensor | None) -> None:
        self.net, self.activation = net, net.activation
        batch, n = like.shape[0], net.features
        first, *rest = (layer.weight * layer.mask for layer in net.layers)  # pyright: ignore
        self.weights = [first[:, :n][:, net.order], *rest]
        self.biases = [layer.bias.unsqueeze(1) for layer in net.layers]  # pyright: ignore
        if context is not None:  # the context's part of the first layer is known from the start
            self.biases[0] = torch.addmm(self.biases[0], first[:, n:], context.t())
        self.ends = [[bisect_right(degrees, k) for k in range(n + 1)] for degrees in net.degrees]  # degrees are sorted
        by_position = (net.size, n, -1)
        self.out = (net.last.weight * net.last.mask).view(by_position).transpose(0, 1)[net.order]
        self.out_bias = net.last.bias.view(net.size, n).t()[net.order].unsqueeze(2)
        self.direct = None
        if net.direct is not None:
            direct = (net.direct.weight * net.direct.mask).view(by_position).transpose(0, 1)
            self.direct = direct[net.order][:, :, net.order]
            self.out_bias = self.out_bias + net.direct.bias.view(net.size, n).t()[net.order].unsqueeze(2)
        self.inputs = _Rows(first, batch, n)
        self.hidden = [_Rows(w, batch, w.shape[0]) for w in self.weights]
        # a residual network also keeps what its blocks read: the activated sums
        self.active = [_Rows(w, batch, w.shape[0]) for w in self.weights[::2]] if net.residual else []
        self.known = 0

    def __call__(self, previous: Tensor | None) -> Tensor:
        if previous is not None:
            self.inputs.append(previous.unsqueeze(0).to(self.inputs.dtype))
            self.known += 1
        last = self._residual() if self.net.residual else self._plain()
        at, units = self.known, self.ends[-1][self.known]
        theta = torch.addmm(self.out_bias[at], self.out[at, :, :units], last.rows(units))
        if self.direct is not None:
            theta = torch.addmm(theta, self.direct[at, :, :at], self.inputs.rows(at))
        return theta.t()

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
    """Rows that become known from the top. Written in place, unless a gradient is asked for."""

    def __init__(self, like: Tensor, batch: int, most: int) -> None:
        self.dtype, self.batch, self.count = like.dtype, batch, 0
        self.in_place = not torch.is_grad_enabled()
        self.values = like.new_empty(most if self.in_place else 0, batch)

    def append(self, new: Tensor) -> None:
        if self.in_place:
            self.values[self.count : self.count + new.shape[0]] = new
        else:
            self.values = torch.cat((self.values, new))
        self.count += new.shape[0]

    def rows(self, stop: int) -> Tensor:
        return self.values[:stop]
