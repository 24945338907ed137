"""The yardstick that every fitted density stands beside: the simplest density of the same rows, in closed form."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from fluvial.conditioners import ContextEncoder
from fluvial.conditioners.columns import ColumnNets
from fluvial.core import Density, Flow, Normal, Uniform
from fluvial.core.density import sized
from fluvial.core.transform import EventShape
from fluvial.examine.scores import fit_closed_form
from fluvial.examine.two_sample import spread
from fluvial.models import AnyOrder, gaussian, laws_within
from fluvial.training import Data
from fluvial.transforms import Codes, ColumnMap, Columns, Elementwise
from fluvial.transforms.laws import Laws
from fluvial.univariate import Categorical

_ROWS = 4000  # that laws of columns alone are fitted to
COVARIANCE = 2000  # columns up to which the Gaussian has a full covariance; beyond, its columns are independent


@dataclass(frozen=True)
class Baseline:
    """A density of the training rows and what it is called: "a Gaussian", say."""

    name: str
    density: Density


def baseline(density: Density, train: Data) -> Baseline:
    """The yardstick for ``density``, which says of what kind the rows are, fitted to all rows of ``train``."""
    train = Data(train.x, None if train.context is None else train.context.double())
    if laws := laws_within(density):
        return Baseline("independent columns", _alone(laws, density.context_shape, train))
    if is_discrete(density):
        return Baseline("independent columns", _independent(density.transform, train))  # pyright: ignore
    return Baseline("a Gaussian of the columns as they are", _gaussian(density, train))


def is_discrete(density: Density) -> bool:
    """Whether ``log_prob`` is of probabilities rather than of densities."""
    return isinstance(density, Flow) and isinstance(density.transform, Codes)


def _independent(codes: Codes, train: Data) -> Density:
    """Each column's own frequencies, every class counted once more than it occurred (Laplace), whatever the context."""
    codes, widest = copy.deepcopy(codes).cpu(), max(2, *(m.classes for m in codes.maps))
    z = codes(train.x)[0].long()
    logits = torch.full((widest, len(codes.maps)), -torch.inf, dtype=torch.float64)
    for i, m in enumerate(codes.maps):
        logits[: m.classes, i] = (torch.bincount(z[:, i], minlength=m.classes) + 1.0).log()
    shape = (len(codes.maps),)
    columns = Elementwise(Categorical(widest), shape)
    columns.theta = nn.Parameter(logits)
    outer = None if train.context is None else tuple(train.context.shape[1:])
    return Flow(codes, Flow(columns, Uniform(shape), shape), shape, outer).double().eval()


def _alone(laws: Laws, context_shape: EventShape | None, train: Data) -> Density:
    """Each column's own law, whatever the others: a network that reads nothing, fitted to a few thousand rows."""
    alone = AnyOrder(copy.deepcopy(laws), ColumnNets(laws.features, laws.sizes, 1, 0), context_shape).float().cpu()
    with torch.no_grad():
        for weight in (alone.net.first.weight, alone.net.last.weight):
            weight.zero_()
    alone.initialize(train.x[:_ROWS], None if train.context is None else train.context[:_ROWS])
    if alone.net.alone is not None:  # which the density sets itself
        alone.net.start(alone.net.alone.detach())
    return alone.eval().requires_grad_(False)


def _gaussian(density: Density, train: Data) -> Density:
    """A Gaussian of the columns as they are, its mean linear in the context; grids are dequantised."""
    shape, outer = sized(density.event_shape), density.context_shape
    embed = copy.deepcopy(density.embed) if isinstance(density, Flow) else None
    x = train.x.double().cpu().numpy()
    steps: list[float | None] = [None] * x.shape[1]
    if isinstance(density, Flow) and isinstance(density.transform, Columns):
        steps = [m.step for m in density.transform.maps]
    maps = [ColumnMap(step, location=m, scale=s) for step, m, s in zip(steps, x.mean(0).tolist(), spread(x).tolist())]
    inner = (embed.features,) if isinstance(embed, ContextEncoder) else None if outer is None else sized(outer)
    base = gaussian(shape, context_shape=inner) if x.shape[1] <= COVARIANCE else Normal(shape)
    flow = Flow(Columns(maps), base, shape, outer, embed).cpu().double().eval()
    fit_closed_form(flow, train)
    return flow
