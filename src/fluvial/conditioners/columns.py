"""A small network for each column of a table, which reads whichever other columns are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core import randomness
from fluvial.core.constants import constant, on_cpu
from fluvial.kernels import blocks as staircase


class ColumnNets(nn.Module):
    r"""theta (B, sum of ``outputs``) from features (B, sum of ``inputs``), each column's by a network of its own.

    Column i brings ``inputs[i]`` features and asks for ``outputs[i]`` numbers. Which columns a network reads is up to
    the call: those before its own as they stand, or any others. What is masked are the weights of its first layer, so
    no unit is kept from anything that is known, and no column's network learns at the cost of another's. No value of a
    column should have all zeros for features: that is how a mask hides the column.

    One layer, then residual blocks of two. :meth:`steps` computes the network of one column alone. What a column gets
    that reads nothing at all is a vector of its own, ``alone``, which no other set moves: shares of a column by itself
    are asked for most and drawn for learning rarely.

    Args:
        inputs, outputs: numbers of features and of outputs of each column.
        hidden: units of each layer of each network.
        blocks: residual blocks.
        context: features of the context, read by every network.
        dropout: share of the units inside a block that a training step leaves out.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        hidden: int = 64,
        blocks: int = 1,
        context: int = 0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_sizes(inputs, outputs, hidden, blocks, dropout)
        self.columns, self.hidden, self.context, self.dropout = len(inputs), hidden, context, dropout
        self.first: nn.Linear = nn.Linear(context + sum(inputs), self.columns * hidden)
        self.blocks: nn.ModuleList = nn.ModuleList(
            nn.ModuleList([Layers(self.columns, hidden), Layers(self.columns, hidden)]) for _ in range(blocks)
        )
        self.last: nn.Linear = nn.Linear(hidden, sum(outputs))
        self.alone: nn.Parameter | None = None if context else nn.Parameter(torch.zeros(sum(outputs)))
        # theta starts where :meth:`start` sets it
        for layer in (self.last, *(block[1] for block in self.blocks)):  # pyright: ignore
            nn.init.zeros_(layer.weight)
        self.inputs, self._outputs = _slices(inputs), _slices(outputs)
        with on_cpu():
            columns = torch.arange(self.columns)
            owner = columns.repeat_interleave(torch.tensor(inputs))
            standing = self._mask(columns.unsqueeze(1) > columns, owner)
            self._blocks = staircase.blocks_of(standing)
            writer = columns.repeat_interleave(torch.tensor(outputs))
        constant(self, "owner", owner)
        constant(self, "standing", standing)
        constant(self, "writer", writer)
        constant(self, "first_alone", columns == 0)
        self.owner: Tensor
        self.standing: Tensor
        self.writer: Tensor
        self.first_alone: Tensor

    def start(self, theta: Tensor) -> None:
        """Begin with this theta (sum of ``outputs``,), whatever is read."""
        with torch.no_grad():
            self.last.bias.copy_(theta)
            if self.alone is not None:
                self.alone.copy_(theta)

    def forward(self, features: Tensor, context: Tensor | None = None, reads: Tensor | None = None) -> Tensor:
        """theta of all columns.

        Args:
            reads: (D, D) bool, whether the network of column i reads column j; those before it as they stand, where
                there is none.
        """
        mask, blocks = self.standing, self._blocks
        if reads is not None:
            mask, blocks = self._mask(reads, self.owner).to(self.first.weight.dtype), ()
        x = features if context is None else torch.cat((context.to(features.dtype), features), 1)
        h = staircase.linear(x, self.first.weight, self.first.bias, mask, blocks)
        h = h.unflatten(1, (self.columns, self.hidden)).transpose(0, 1)
        for one, two in self.blocks:  # pyright: ignore
            t = F.relu(one(F.relu(h)))
            h = h + two(randomness.dropout(t, self.dropout) if self.training else t)
        weight, bias = self.last.weight, self.last.bias
        theta = torch.cat([F.linear(r, weight[own], bias[own]) for r, own in zip(F.relu(h), self._outputs)], 1)
        if self.alone is None:
            return theta
        first = self.first_alone if reads is None else ~reads.any(1)
        return torch.where(first.index_select(0, self.writer), self.alone, theta)

    def _mask(self, reads: Tensor, owner: Tensor) -> Tensor:
        """Which weights of the first layer are kept, (out, in); ``owner`` is the column of each feature."""
        kept = reads.index_select(1, owner).float().repeat_interleave(self.hidden, 0)
        return F.pad(kept, (self.context, 0), value=1.0)

    def steps(self, order: Tensor, features: Tensor, context: Tensor | None = None) -> Callable[[int], Tensor]:
        """A function of k: theta of column ``order[k]``, (B, its outputs), of which any may be asked for.

        Args:
            features: (B, sum of inputs), zeros; the caller writes those of order[0], ..., order[k - 1] before it asks.
        """
        places, weight = order.tolist(), self.first.weight[:, self.context :]
        standing, given = places == sorted(places), None
        if context is not None:
            given = F.linear(context.to(features.dtype), self.first.weight[:, : self.context])

        def step(k: int) -> Tensor:
            i = places[k]
            if k == 0 and self.alone is not None:
                return self.alone[self._outputs[i]].expand(len(features), -1)
            own = slice(i * self.hidden, (i + 1) * self.hidden)
            before = slice(self.inputs[i].start if standing else None)  # features that are not all zeros
            h = F.linear(features[:, before], weight[own, before], self.first.bias[own])
            if given is not None:
                h = h + given[:, own]
            for one, two in self.blocks:  # pyright: ignore
                h = h + two.of(i, F.relu(one.of(i, F.relu(h))))
            return F.linear(F.relu(h), self.last.weight[self._outputs[i]], self.last.bias[self._outputs[i]])

        return step


class Layers(nn.Module):
    """A linear layer (D, B, width) -> (D, B, width) for each of D networks, of their own weights (D, in, out)."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight: nn.Parameter = nn.Parameter(torch.empty(count, width, width))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(count, 1, width))
        given, reach = randomness.generator(self.weight.device), width**-0.5  # as nn.Linear starts
        for each in (self.weight, self.bias):
            nn.init.uniform_(each, -reach, reach, generator=given)

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)

    def of(self, i: int, x: Tensor) -> Tensor:
        """That of network i alone, (B, width)."""
        return torch.addmm(self.bias[i], x, self.weight[i])


def check_sizes(inputs: Sequence[int], outputs: Sequence[int], hidden: int, blocks: int, dropout: float) -> None:
    """ValueError, a sentence, unless these make a network over columns."""
    if len(inputs) != len(outputs) or not inputs:
        raise ValueError(f"inputs and outputs: expected one number a column, got {len(inputs)} and {len(outputs)}")
    if hidden < 1 or blocks < 0:
        raise ValueError(f"a network needs at least one hidden unit and no fewer than 0 blocks: {hidden}, {blocks}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout: expected a share of at least 0 and less than 1, got {dropout}")


def _slices(sizes: Sequence[int]) -> list[slice]:
    return [slice(start, end) for start, end in pairwise(accumulate(sizes, initial=0))]
