"""The noise behind rows, where values are steps of a staircase or enter with noise of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from fluvial.core import Flow, Uniform
from fluvial.core.batched import by_chunk, part, score_parts
from fluvial.training import Data


def widths(flow: Flow, x: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor | None:
    """P(x_i | x_{<i}, context), (N, D): the widths of the steps that discrete values stand for; None for points."""
    inner = flow.base if isinstance(flow.base, Flow) else flow
    if inner.transform.bijective or not inner.exact or not isinstance(flow.noise, Uniform):
        return None
    parts = score_parts(flow, x, context, seed)
    return None if parts is None else parts.double().exp()


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
