"""Products with a masked weight matrix that skip its blocks of zeros.

With units sorted by degree the mask is a staircase: half of the matrix is zero. Cut into a few blocks of rows, each
of which reads leading columns only, up to half of the arithmetic of a wide layer falls away.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from fluvial.kernels import native

_BLOCKS = 4  # more of them skip more, but narrow products run slower
_FEWEST_ROWS, _FEWEST_UNITS = 128, 128  # where several products cost no more than one


class Block(NamedTuple):
    """Rows start..stop of the matrix, which read columns 0..reads."""

    start: int
    stop: int
    first: int
    """What the block before reads."""
    reads: int
    full: int
    """Columns 0..full are masked in none of the rows."""


def blocks_of(mask: Tensor, count: int = _BLOCKS) -> tuple[Block, ...]:
    """Row blocks of a mask (out, in) whose skipped zeros are worth it; none if it is narrow or not a staircase.

    >>> blocks_of(torch.ones(256, 256).tril())[0]
    Block(start=0, stop=64, first=0, reads=64, full=1)
    """
    rows, columns = mask.shape
    if min(rows, columns) < _FEWEST_UNITS:
        return ()
    blocks, first = list[Block](), 0
    for i in range(count):
        start, stop = rows * i // count, rows * (i + 1) // count
        used = mask[start:stop].any(0).nonzero()
        reads = max(first, int(used.max()) + 1 if used.numel() else 0)
        reads = min(columns, -(-reads // 16) * 16)  # whole vectors
        full = int(mask[start:stop].bool().all(0).long().cumprod(0).sum())
        blocks.append(Block(start, stop, first, reads, full))
        first = reads
    read = sum((b.stop - b.start) * b.reads for b in blocks)
    return tuple(blocks) if read < 0.8 * rows * columns else ()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor, blocks: tuple[Block, ...]) -> Tensor:
    """x (B, in) @ (weight * mask).T + bias, where the blocks apply, else in one product."""
    applies = (
        blocks
        and x.dim() == 2
        and x.device.type == "cpu"
        and x.dtype == weight.dtype
        and native.eager()
        and not torch.is_autocast_enabled("cpu")
        and x.shape[0] >= _FEWEST_ROWS
    )
    if not applies:
        return torch.nn.functional.linear(x, weight * mask, bias)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias)):
        return _Linear.apply(x, weight, bias, mask, blocks)  # pyright: ignore
    return _forward(x, _cut(weight, mask, blocks), bias, blocks)


def _cut(weight: Tensor, mask: Tensor, blocks: tuple[Block, ...]) -> Tensor:
    """weight * mask inside the blocks; what is outside is never read. Cut at each call, so it cannot be stale."""
    cut = torch.empty_like(weight)
    for b in blocks:
        rows, edge = slice(b.start, b.stop), slice(b.full, b.reads)
        cut[rows, : b.full] = weight[rows, : b.full]
        torch.mul(weight[rows, edge], mask[rows, edge], out=cut[rows, edge])
    return cut


def _forward(x: Tensor, cut: Tensor, bias: Tensor | None, blocks: tuple[Block, ...]) -> Tensor:
    y = x.new_empty(x.shape[0], cut.shape[0])
    for b in blocks:
        rows = slice(b.start, b.stop)
        operands = x[:, : b.reads], cut[rows, : b.reads].t()
        if bias is None:
            torch.mm(*operands, out=y[:, rows])
        else:
            torch.addmm(bias[rows], *operands, out=y[:, rows])
    return y


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        mask: Tensor,
        blocks: tuple[Block, ...],
    ) -> Tensor:
        cut = _cut(weight, mask, blocks)
        ctx.save_for_backward(x, weight, mask, cut)
        ctx.blocks = blocks
        return _forward(x, cut, bias, blocks)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (g,), (x, weight, mask, cut) = grad_outputs, ctx.saved_tensors
        g_bias = g.sum(0) if ctx.needs_input_grad[2] else None
        if torch.is_grad_enabled():  # a second derivative is wanted: plain products, which autograd knows
            return g @ (weight * mask), (g.t() @ x) * mask, g_bias, None, None
        g_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        g_weight = torch.zeros_like(weight)
        for b in ctx.blocks:
            rows, new, edge = slice(b.start, b.stop), slice(b.first, b.reads), slice(b.full, b.reads)
            if g_x is not None and b.reads > b.first:  # columns that this block and the later ones read
                torch.mm(g[:, b.start :], cut[b.start :, new], out=g_x[:, new])
            torch.mm(g[:, rows].t(), x[:, : b.reads], out=g_weight[rows, : b.reads])
            g_weight[rows, edge] *= mask[rows, edge]
        if g_x is not None:
            g_x[:, ctx.blocks[-1].reads :] = 0
        return g_x, g_weight, g_bias, None, None
