"""NSF: splines, autoregressive or by couplings."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fluvial.core import Chain, Density, Flow, Normal, Transform, randomness
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe
from fluvial.models.shapes import features_of
from fluvial.models.steps import coupling, depth, masked
from fluvial.transforms import Autoregressive, LULinear, Permute, Reverse
from fluvial.univariate import RQSpline


def nsf(
    event_shape: Shape,
    *,
    transforms: int = 5,
    hidden: Sequence[int] = (128, 128),
    bins: int = 8,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = True,
    context_shape: Shape | None = None,
) -> Density:
    """NSF, autoregressive: rational-quadratic splines, masked networks (Durkan et al. 2019, arXiv 1906.04032).

    Args:
        bound: the splines act on [-bound, bound], in standard deviations, and are the identity outside; networks read
            no number as larger than that, so that rows far out come back from deep stacks too.
        linear: a learned LU-factored map and a permutation between steps, as in the paper; else a reversal.
    """
    features = features_of(event_shape)
    spline = RQSpline(bins, bound)
    steps: list[Transform] = []
    for i in range(depth(transforms)):
        net = masked(features, spline.size, hidden, activation, residual, context_shape, bound)
        steps += [*_mixing(features, linear, first=i == 0), Autoregressive(net, spline)]
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


def nsf_coupling(
    event_shape: Shape,
    *,
    transforms: int = 8,
    hidden: Sequence[int] = (128, 128),
    bins: int = 8,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = True,
    context_shape: Shape | None = None,
) -> Density:
    """NSF with couplings: splines of one half steered by the other, both directions fast (arXiv 1906.04032).

    Args: as :func:`nsf`.
    """
    features = features_of(event_shape)
    steps: list[Transform] = []
    for i in range(depth(transforms)):
        steps += _mixing(features, linear, first=i == 0)
        spline = RQSpline(bins, bound)
        steps.append(coupling(event_shape, spline, i, hidden, activation, residual, context_shape, bound))
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


def _mixing(features: int, linear: bool, first: bool) -> list[Transform]:
    """What stands between two steps: it decides which dependencies the next one sees."""
    if features == 1:
        return []
    if not linear:
        return [] if first else [Reverse()]
    return [Permute(randomness.permutation(features, torch.device("cpu"))), LULinear(features)]


_PAPER = "Durkan et al. 2019, arXiv 1906.04032"
# its appendix B.1
_PRESET = {"transforms": 10, "hidden": (256, 256), "residual": True, "bound": 3.0}

RECIPES = (
    Recipe(
        nsf,
        default=True,  # chosen by measurement (benchmarks/tables/fidelity.py)
        presets={"paper": _PRESET},
        says="autoregressive splines: the best all-rounder on tables of numbers",
        paper=_PAPER,
        score="one pass",
        draw="D short steps",
        steps="Permute, LULinear, Autoregressive(MaskedMLP, RQSpline)",
        base="Normal",
    ),
    Recipe(
        nsf_coupling,
        presets={"paper": _PRESET},
        says="splines of one half of the columns steered by the other: fast in both directions",
        paper=_PAPER,
        score="one pass",
        draw="one pass",
        steps="Permute, LULinear, Coupling(MLP, RQSpline)",
        base="Normal",
    ),
)
