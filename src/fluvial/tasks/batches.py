"""Both directions of a density over many rows: in bounded memory, seeded, without gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fluvial.core import Density, Flow
from fluvial.training import Data
from fluvial.training.objectives import chunk_rows

Chunk = Callable[[slice, torch.device], Tensor]


@torch.no_grad()
def by_chunk(density: Density, chunk: Chunk, rows: int, seed: int) -> Tensor:
    """The results of ``chunk(rows, device)`` one below the other, on the CPU.

    The density's mode and the caller's random state are left as they were; noise is that of ``seed``.
    """
    device = next(density.parameters(), torch.empty(0)).device
    devices = [device] if device.type == "cuda" else []
    size, training = chunk_rows(density.event_shape), density.training
    density.eval()
    try:
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            parts = [chunk(slice(i, min(i + size, rows)), device).cpu() for i in range(0, rows, size)]
    finally:
        density.train(training)
    return torch.cat(parts) if parts else torch.empty(0, *density.event_shape)


def encode(flow: Flow, x: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """Noise of each row of x, (N, D)."""
    return by_chunk(flow, lambda i, d: flow.encode(x[i].to(d), part(context, i, d)), x.shape[0], seed)


def decode(flow: Flow, z: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """The datum of each row of noise, (N, D)."""
    return by_chunk(flow, lambda i, d: flow.decode(z[i].to(d), part(context, i, d)), z.shape[0], seed)


def draw(density: Density, n: int, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """n samples, (n, D), one per row of the context if there is one."""
    return by_chunk(density, lambda i, d: density.sample(i.stop - i.start, part(context, i, d)), n, seed)


def behind_noise(flow: Flow, data: Data, seed: int = 0) -> tuple[Flow, Data]:
    """The part of the flow that is a bijection, and the rows that enter it: gridded columns with their noise."""
    inner, embed = flow.base, flow.embed
    if flow.transform.bijective or not isinstance(inner, Flow):
        return flow, data

    def embedded(i: slice, device: torch.device) -> Tensor | None:
        given = part(data.context, i, device)
        return given if given is None or embed is None else embed(given)

    n = len(data)
    x = by_chunk(flow, lambda i, d: flow.transform(data.x[i].to(d), embedded(i, d))[0], n, seed)
    if inner.context_shape is None:
        return inner, Data(x)
    return inner, Data(x, by_chunk(flow, embedded, n, seed))  # pyright: ignore[reportArgumentType]


def part(context: Tensor | None, rows: slice, device: torch.device) -> Tensor | None:
    """These rows of the context, on ``device``, if there is one."""
    return None if context is None else context[rows].to(device)
