"""A masked network over columns of different sizes, read in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners.columns import check_sizes
from fluvial.core import randomness
from fluvial.core.constants import constant, on_cpu
from fluvial.kernels import blocks as staircase

_BLOCKS = 3  # that a mask's rows are cut into: with 256 units a training step takes 1.2 ms less than with four
_BETWEEN = "inner"  # the masks between units, the same in every order


class RaggedMLP(nn.Module):
    r"""theta (B, sum of ``outputs``) from features (B, sum of ``inputs``): MADE's masks over columns, in any order.

    Column i brings ``inputs[i]`` features and asks for ``outputs[i]`` numbers. Under an order, the outputs of a column
    read the features of the columns before it alone. One set of weights serves every order: a unit of degree d reads
    the first d columns of whichever order is asked for (Germain et al. 2015, arXiv 1502.03509, sections 3 and 4.2).
    No value of a column should have all zeros for features: that is how a mask hides the column.

    One layer, then residual blocks of two. :meth:`steps` computes each hidden unit once, as the columns become known,
    so a whole walk costs about one pass.

    Args:
        inputs, outputs: numbers of features and of outputs of each column.
        hidden: units of each layer.
        blocks: residual blocks.
        context: features of the context, read by every unit.
        dropout: share of the units inside a block that a training step leaves out.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        hidden: int = 256,
        blocks: int = 1,
        context: int = 0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_sizes(inputs, outputs, hidden, blocks, dropout)
        self.columns, self.context, self.dropout = len(inputs), context, dropout
        self.outputs: tuple[int, ...] = tuple(outputs)
        self.first: nn.Linear = nn.Linear(sum(inputs) + context, hidden)
        self.blocks: nn.ModuleList = nn.ModuleList(
            nn.ModuleList([nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)]) for _ in range(blocks)
        )
        self.last: nn.Linear = nn.Linear(hidden, sum(outputs))
        self.direct: nn.Linear = nn.Linear(sum(inputs), sum(outputs), bias=False)
        # theta starts at the last layer's bias, which the caller sets: the columns' own laws
        for layer in (self.last, self.direct, *(block[1] for block in self.blocks)):  # pyright: ignore
            nn.init.zeros_(layer.weight)
        with on_cpu():
            columns = torch.arange(self.columns)
            reads, writes = (columns.repeat_interleave(torch.tensor(counts)) for counts in (inputs, outputs))
            degrees = torch.arange(hidden) * self.columns // hidden
            places = {"reads": reads, "writes": writes, "degrees": degrees}
            masks = {_BETWEEN: (degrees.unsqueeze(1) >= degrees).float(), **self._masks(columns, **places)}
        for name, value in {**places, **masks}.items():
            constant(self, name, value)
        # units are sorted by degree, so masks are staircases, of whose products the empty half can be skipped: of those
        # between units in every order, of the others while columns are read as they stand
        self._blocks = {name: staircase.blocks_of(mask, _BLOCKS) for name, mask in masks.items()}
        self.reads: Tensor
        self.writes: Tensor
        self.degrees: Tensor

    def forward(self, features: Tensor, context: Tensor | None = None, order: Tensor | None = None) -> Tensor:
        """theta under ``order``, (D,), the columns as they become known; as they stand, where there is none."""
        masks, blocks = {name: self.get_buffer(name) for name in self._blocks}, self._blocks
        if order is not None:
            rank = torch.empty_like(order).scatter_(0, order, torch.arange(self.columns, device=order.device))
            others = self._masks(rank, self.reads, self.writes, self.degrees)
            masks |= {name: mask.to(self.first.weight.dtype) for name, mask in others.items()}
            blocks = {**dict.fromkeys(masks, ()), _BETWEEN: blocks[_BETWEEN]}

        def linear(x: Tensor, layer: nn.Linear, mask: str) -> Tensor:
            return staircase.linear(x, layer.weight, layer.bias, masks[mask], blocks[mask])

        x = features if context is None else torch.cat((features, context.to(features.dtype)), 1)
        h = linear(x, self.first, "into")
        for one, two in self.blocks:  # pyright: ignore
            t = F.relu(linear(F.relu(h), one, _BETWEEN))
            h = h + linear(randomness.dropout(t, self.dropout) if self.training else t, two, _BETWEEN)
        return linear(F.relu(h), self.last, "out") + linear(features, self.direct, "across")

    def _masks(self, rank: Tensor, reads: Tensor, writes: Tensor, degrees: Tensor) -> dict[str, Tensor]:
        """Which weights are kept, (out, in), where column i is the rank[i]-th to become known, from 0 on.

        Units of one degree have equal rows, and so have the outputs of one column: each is made once, then copied.
        """
        known = torch.arange(self.columns, device=rank.device).unsqueeze(1)
        before = (known > rank[reads]).float()
        return {
            "into": F.pad(before.index_select(0, degrees), (0, self.context), value=1.0),
            "out": (known >= degrees).float().index_select(0, rank[writes]),
            "across": before.index_select(0, rank[writes]),
        }

    def steps(self, order: Tensor, features: Tensor, context: Tensor | None = None) -> Callable[[int], Tensor]:
        """A function of k, called with 0, 1, ..., D - 1: theta of column ``order[k]``, (B, its outputs).

        Args:
            features: (B, sum of inputs), zeros; the caller writes those of column order[k] before it asks for k + 1.
        """
        ends = torch.bincount(self.degrees, minlength=self.columns).cumsum(0).tolist()
        wide, rows = self.first.weight.shape[0], features.shape[0]
        # units lie along the first axis, so that those of a step are one piece of memory
        h, ts = features.new_empty(wide, rows), [features.new_empty(wide, rows) for _ in self.blocks]
        active = [features.new_empty(wide, rows) for _ in range(len(self.blocks) + 1)]
        bounds = [0, *torch.tensor(self.outputs).cumsum(0).tolist()]
        places = order.tolist()
        natural = places == sorted(places)
        starts = [0, *torch.bincount(self.reads, minlength=self.columns).cumsum(0).tolist()]

        def step(k: int) -> Tensor:
            new, end = slice(ends[k - 1] if k else 0, ends[k]), ends[k]
            before = slice(starts[k] if natural else None)  # features that are not all zeros
            seen = features[:, before]

            def units(layer: nn.Linear, x: Tensor, read: slice) -> Tensor:
                return torch.addmm(layer.bias[new].unsqueeze(1), layer.weight[new, read], x)

            if end > new.start:
                x = seen if context is None else torch.cat((features, context.to(features.dtype)), 1)
                h[new] = units(self.first, x.t(), before if context is None else slice(None))
                for block, ((one, two), t) in enumerate(zip(self.blocks, ts)):  # pyright: ignore
                    active[block][new] = F.relu(h[new])
                    t[new] = F.relu(units(one, active[block][:end], slice(end)))
                    h[new] += units(two, t[:end], slice(end))
                active[-1][new] = F.relu(h[new])
            i = places[k]
            own = slice(bounds[i], bounds[i + 1])
            theta = F.linear(active[-1][:end].t(), self.last.weight[own, :end], self.last.bias[own])
            return theta + F.linear(seen, self.direct.weight[own, before])

        return step
