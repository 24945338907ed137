"""Heaps: values of a column that the ones around them are rounded to, as whole years are among ages in months."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core.constants import constant
from fluvial.transforms.columns import ColumnMap, Numbers, unbound

_STEPS = 100
_LEAST = 1e-6  # of the mass around a heap: below it, what single precision knows of a difference


class Heaps(nn.Module):
    r"""How much more likely the rounded values of columns are, by what is expected around them.

    Who rounds, rounds to the nearest: the mass F_j that the column's mixture has between the middles of the gaps to
    the heaps on either side goes to heap j, or a share of it does. So the logit of a heap is its own number plus
    log F_j, and a heap is as far from impossible, or as near, as the values about it (heaping: Heitjan and Rubin
    1990, JASA 85). The probabilities stay exact, since they are normalised behind that.

    Args:
        places: where the logit of each heap is among all, (A,).
        columns: which of the mixtures it belongs to, (A,), heaps of one together and ascending.
        values: the heaps, (A,), units of the columns.
        maps: of the mixtures' columns.
    """

    places: Tensor
    _edges: Tensor
    _cells: Tensor

    def __init__(
        self, places: Sequence[int], columns: Sequence[int], values: Sequence[float], maps: Sequence[ColumnMap]
    ) -> None:
        super().__init__()
        edges: list[Tensor] = []
        cells: list[Tensor] = []
        self._columns: tuple[int, ...] = tuple(dict.fromkeys(columns))
        for c in self._columns:
            own = torch.tensor([v for v, column in zip(values, columns) if column == c], dtype=torch.float64)
            around = _edges(own)
            cells.append((maps[c].step or 0.0) / around.diff())
            edges.append(_standardised(around, maps[c]))
        self._sizes: tuple[int, ...] = tuple(len(e) for e in edges)  # the heaps of each column, and one more
        constant(self, "places", torch.tensor(places))
        constant(self, "_edges", torch.cat(edges).to(torch.get_default_dtype()).unsqueeze(1))
        constant(self, "_cells", torch.cat(cells))

    def forward(self, weights: Tensor, means: Tensor, scales: Tensor) -> Tensor:
        """log F of each heap, (B, A), from the mixtures' log-weights, means and log-scales, (B, R, K) each."""
        rate, found = torch.exp(-scales), list[Tensor]()
        shift, shares = -means * rate, weights.exp()
        for c, edges in zip(self._columns, self._edges.to(means.dtype).split(self._sizes)):
            z = torch.addcmul(shift[:, c].unsqueeze(1), edges, rate[:, c].unsqueeze(1))
            below = torch.sigmoid(z) @ shares[:, c].unsqueeze(2)
            found.append(below.squeeze(2).diff(dim=1))
        return torch.cat(found, 1).clamp(min=_LEAST).log()

    def taken(self, masses: Tensor, rest: Tensor, odds: Tensor, mixture: Sequence[Tensor]) -> Tensor:
        """Log-probabilities (B, D, W) in which the heaps have their part of the rests'.

        Args:
            rest: which of the W the rest of each column is, (D,); W or more where it has none.
            odds: logarithms of how much likelier than the rest a heap is where all is expected around it, (A,).
            mixture: log-weights, means and log-scales, (B, R, K) each.
        """
        more = self(*mixture).to(masses.dtype) + odds.to(masses.dtype)
        columns, rest = self.places // masses.shape[2], rest.clamp(max=masses.shape[2] - 1)
        rest = rest.expand(masses.shape[0], -1).unsqueeze(2)
        shared = masses.new_zeros(masses.shape[:2]).index_add(1, columns, more.exp()).log1p()
        left = masses.gather(2, rest) - shared.unsqueeze(2)
        masses = masses.scatter(2, rest, left).flatten(1)
        return masses.index_copy(1, self.places, left[:, columns, 0] + more).view(*shared.shape, -1).log_softmax(2)

    def odds(self, expected: Tensor, counts: Tensor, rows: Tensor) -> Tensor:
        """What :meth:`taken` asks for, (A,), by the likelihood of rows, up to how the mass around a heap is spread.

        Args:
            expected: log F of each heap in each row, (B, A).
            counts: rows that hold each heap, (A,).
            rows: which rows hold a number of the heap's column, (B, A).
        """
        around, found = expected.double().exp(), torch.ones_like(counts)
        counted = torch.tensor([size - 1 for size in self._sizes], device=around.device)
        columns = F.one_hot(torch.arange(len(counted), device=around.device).repeat_interleave(counted)).to(
            around.dtype
        )
        for _ in range(_STEPS):  # each of which makes the rows likelier
            all_heaps = 1 + (around * found) @ columns @ columns.t()
            found = counts * found / (found + self._cells) / (rows * around / all_heaps).sum(0).clamp(min=1e-9)
        return found.clamp(1e-6, 1e6).log()


def _edges(values: Tensor) -> Tensor:
    """The edges of what is rounded to each of the ascending values, one more than these."""
    middles = (values[1:] + values[:-1]) / 2
    return torch.cat((2 * values[:1] - middles[:1], middles, 2 * values[-1:] - middles[-1:]))


def _standardised(edges: Tensor, of: ColumnMap) -> Tensor:
    """Edges of cells as the mixture of the column has them; values stand for the cells that begin with them."""
    n = Numbers.of([of])
    inside = torch.minimum(torch.maximum(edges + (of.step or 0.0) / 2, n.lower), n.upper + n.step)
    return ((unbound(inside.unsqueeze(1), n)[0] - n.location) / n.scale).squeeze(1)
