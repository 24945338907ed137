"""A density over many rows, both ways: in bounded memory, seeded, without gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fluvial.core.density import Density, Flow
from fluvial.core.randomness import drawing_from, draws_by_itself
from fluvial.core.transform import EventShape

Chunk = Callable[[slice, torch.device], Tensor]

_LONG = 8192
_ELEMENTS = 1 << 19  # numbers of x that are scored at once; networks need some dozens of times this


def chunk_rows(event_shape: EventShape) -> int:
    """Rows of this shape that can be scored at once in bounded memory; any length counts as a long one.

    >>> chunk_rows((8,)), chunk_rows((784,))
    (8192, 668)
    """
    return max(64, min(8192, _ELEMENTS // max(1, math.prod(n or _LONG for n in event_shape))))


def score(density: Density, x: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """log p of each row, (N,), chunk by chunk; any noise the density draws is the same on every call.

    The caller's random state is untouched, and so is the density's mode.
    """
    return evaluate(density, density.log_prob, x, context, seed)


def score_parts(density: Density, x: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor | None:
    """As :func:`score`, but log p(x_i | x_{<i}, context) of each position, (N, *event_shape), where it has them."""
    return evaluate(density, density.parts, x, context, seed) if _has_parts(density, x, context) else None  # pyright: ignore


def score_sums(density: Density, x: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """As :func:`score`, but the sum of the parts of :func:`score_parts` where there are any, to the last digit."""
    if not _has_parts(density, x, context):
        return score(density, x, context, seed)
    return evaluate(density, lambda x, context: density.parts(x, context).sum(1), x, context, seed)  # pyright: ignore


def _has_parts(density: Density, x: Tensor, context: Tensor | None) -> bool:
    with torch.no_grad():
        return x.shape[0] > 0 and density.parts(x[:1], None if context is None else context[:1]) is not None


def evaluate(
    density: Density,
    function: Callable[[Tensor, Tensor | None], Tensor],
    x: Tensor,
    context: Tensor | None,
    seed: int,
) -> Tensor:
    """``function`` of the rows, chunk by chunk, as :func:`score` does it."""
    n = x.shape[0]
    if n == 0:
        return torch.empty(0)
    return by_chunk(density, lambda i, d: function(x[i].to(d), part(context, i, d)), n, seed)


@torch.no_grad()
def by_chunk(density: Density, chunk: Chunk, rows: int, seed: int) -> Tensor:
    """The results of ``chunk(rows, device)`` one below the other, on the CPU.

    The density's mode and the caller's random state are left as they were; noise is that of ``seed``.
    """
    device = next(density.parameters(), torch.empty(0)).device
    size, training = chunk_rows(density.event_shape), density.training
    density.eval()
    try:
        with drawing_from(seed, draws_by_itself(density)):
            parts = [chunk(slice(i, min(i + size, rows)), device).cpu() for i in range(0, rows, size)]
    finally:
        density.train(training)
    return torch.cat(parts) if parts else torch.empty(0, *(n or 0 for n in density.event_shape))


def part(context: Tensor | None, rows: slice, device: torch.device) -> Tensor | None:
    """These rows of the context, on ``device``, if there is one."""
    return None if context is None else context[rows].to(device)


def encode(flow: Flow, x: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """Noise of each row of x, (N, D)."""
    return by_chunk(flow, lambda i, d: flow.encode(x[i].to(d), part(context, i, d)), x.shape[0], seed)


def decode(flow: Flow, z: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """The datum of each row of noise, (N, D)."""
    return by_chunk(flow, lambda i, d: flow.decode(z[i].to(d), part(context, i, d)), z.shape[0], seed)


def draw(density: Density, n: int, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """n samples, (n, D), one per row of the context if there is one."""
    return by_chunk(density, lambda i, d: density.sample(i.stop - i.start, part(context, i, d)), n, seed)
