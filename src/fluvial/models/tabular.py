"""Recipes for tables: each a function from sizes to a Density, named after its paper; composition, no mechanics.

Every recipe takes the shape of one datum first, here (D,), and reads the context's shape, (C,) or None. Rows are
expected standardised (``models.build`` puts the columns' own preprocessing in front).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from fluvial.conditioners import MLP, MaskedMLP
from fluvial.core import Chain, Density, Flow, Inverse, Logistic, Normal, Transform, randomness
from fluvial.core.transform import Shape
from fluvial.models.made import made_mog
from fluvial.models.shapes import context_of, features_of
from fluvial.transforms import (
    Autoregressive,
    BatchNorm,
    Coupling,
    Elementwise,
    LULinear,
    Permute,
    Reverse,
    Whiten,
    alternating_mask,
)
from fluvial.univariate import Affine, ExpScale, Gate, RQSpline, Shift, TanhScale, Univariate
from fluvial.univariate.affine import depth_bound


def gaussian(event_shape: Shape, *, context_shape: Shape | None = None) -> Density:
    """A Gaussian with full covariance and a mean linear in the context: every report's yardstick.

    Its maximum-likelihood parameters have a closed form; ``initialize`` with the whole training set sets them.

    >>> import torch
    >>> x = torch.tensor([[0.0], [2.0]])
    >>> density = gaussian((1,)); density.initialize(x)
    >>> round(density.log_prob(x).mean().item(), 4)  # mean 1, variance 1
    -1.4189
    """
    features = features_of(event_shape)
    return Flow(Whiten(features, context_of(context_shape)), Normal(event_shape), event_shape, context_shape)


def nice(
    event_shape: Shape,
    *,
    transforms: int = 4,
    hidden: Sequence[int] = (256, 256),
    activation: str = "relu",
    context_shape: Shape | None = None,
) -> Density:
    """NICE: additive couplings, one diagonal scale, logistic noise (Dinh et al. 2014, arXiv 1410.8516, section 3)."""
    steps = [
        _coupling(event_shape, Shift(), i, hidden, activation, False, context_shape) for i in range(_depth(transforms))
    ]
    steps.append(Elementwise(Affine(TanhScale(10.0)), event_shape))
    return Flow(Chain(*steps), Logistic(event_shape), event_shape, context_shape)


def realnvp(
    event_shape: Shape,
    *,
    transforms: int = 8,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    batch_norm: bool = False,
    bound: float | None = -1.0,
    context_shape: Shape | None = None,
) -> Density:
    """RealNVP for vectors: affine couplings over alternating entries (Dinh et al. 2016, arXiv 1605.08803, eq. 7-8).

    Args:
        bound: largest log-scale of a coupling; None for the unbounded rule of the MAF paper, -1 for one that
            shrinks with depth, so that deep stacks stay invertible.
    """
    steps: list[Transform] = []
    for i in range(_depth(transforms)):
        steps.append(_coupling(event_shape, _affine(bound, transforms), i, hidden, activation, False, context_shape))
        if batch_norm:
            steps.append(BatchNorm(features_of(event_shape)))
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


def maf(
    event_shape: Shape,
    *,
    transforms: int = 5,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    residual: bool = False,
    batch_norm: bool = False,
    bound: float | None = -1.0,
    normal_init: bool = False,
    context_shape: Shape | None = None,
) -> Density:
    """MAF: affine autoregressive steps, the order reversed after each (Papamakarios et al. 2017, arXiv 1705.07057).

    Args:
        batch_norm: a BatchNorm after every step, the last one too, as in the paper.
        bound: largest log-scale of a step; None for the paper's unbounded rule, -1 for one that shrinks with depth.
        normal_init: weights N(0, 1/(fan_in + 1)), the output's too, as in the released code.
    """
    features = features_of(event_shape)
    steps: list[Transform] = []
    for i in range(_depth(transforms)):
        net = _masked(features, 2, hidden, activation, residual, context_shape)
        if normal_init:
            _initialize_normal(net)
        steps += [Reverse()] * (i > 0) + [Autoregressive(net, _affine(bound, transforms))]
        steps += [BatchNorm(features)] * batch_norm
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


def maf_mog(
    event_shape: Shape,
    *,
    transforms: int = 5,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    components: int = 10,
    batch_norm: bool = False,
    bound: float | None = -1.0,
    normal_init: bool = False,
    context_shape: Shape | None = None,
) -> Density:
    """MAF MoG: a MAF whose base is a MADE with mixtures of Gaussians, trained jointly (arXiv 1705.07057, section 4)."""
    flow = maf(
        event_shape,
        transforms=transforms,
        hidden=hidden,
        activation=activation,
        batch_norm=batch_norm,
        bound=bound,
        normal_init=normal_init,
        context_shape=context_shape,
    )
    base = made_mog(
        event_shape, components=components, hidden=hidden, activation=activation, context_shape=context_shape
    )
    return Flow(flow.transform, base, event_shape, context_shape)  # pyright: ignore


def iaf(
    event_shape: Shape,
    *,
    transforms: int = 5,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    gated: bool = False,
    bound: float | None = -1.0,
    context_shape: Shape | None = None,
) -> Density:
    """IAF: MAF's steps read backwards, so that sampling takes one pass (Kingma et al. 2016, arXiv 1606.04934).

    Scoring a given row walks its D positions; that is what training by likelihood pays, while training by
    reverse KL does not.

    Args:
        gated: the paper's numerically stable gate in place of a bounded affine map.
    """
    features = features_of(event_shape)
    univariate = Gate() if gated else _affine(bound, transforms)
    steps: list[Transform] = []
    for i in range(_depth(transforms)):
        net = _masked(features, 2, hidden, activation, False, context_shape)
        steps += [Reverse()] * (i > 0) + [Inverse(Autoregressive(net, univariate))]
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


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
    for i in range(_depth(transforms)):
        net = _masked(features, spline.size, hidden, activation, residual, context_shape, bound)
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
    for i in range(_depth(transforms)):
        steps += _mixing(features, linear, first=i == 0)
        spline = RQSpline(bins, bound)
        steps.append(_coupling(event_shape, spline, i, hidden, activation, residual, context_shape, bound))
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


def _depth(transforms: int) -> int:
    if transforms < 1:
        raise ValueError(f"transforms: expected at least 1, got {transforms}")
    return transforms


def _affine(bound: float | None, transforms: int) -> Univariate:
    if bound is None:
        return Affine(ExpScale())
    return Affine(TanhScale(depth_bound(transforms) if bound < 0 else bound))


def _masked(
    features: int,
    size: int,
    hidden: Sequence[int],
    activation: str,
    residual: bool,
    context_shape: Shape | None,
    reach: float | None = None,
) -> MaskedMLP:
    context = context_of(context_shape)
    return MaskedMLP(features, size, hidden, context, activation=activation, residual=residual, reach=reach)


def _initialize_normal(net: MaskedMLP) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            given = randomness.generator(layer.weight.device)
            nn.init.normal_(layer.weight, std=(layer.in_features + 1) ** -0.5, generator=given)
            nn.init.zeros_(layer.bias)


def _coupling(
    event_shape: Shape,
    univariate: Univariate,
    layer: int,
    hidden: Sequence[int],
    activation: str,
    residual: bool,
    context_shape: Shape | None,
    reach: float | None = None,
) -> Transform:
    """A coupling over alternating entries; with one column, which leaves nothing to couple, a map of its own."""
    features, context = features_of(event_shape), context_of(context_shape)
    if features == 1:
        out = (univariate.size, 1)
        net = MLP((context,), out, hidden, 0, activation, residual) if context else None
        return Elementwise(univariate, event_shape, net)
    mask = alternating_mask(features, layer)
    kept = int(mask.sum())
    net = MLP((kept,), (univariate.size, features - kept), hidden, context, activation, residual, reach)
    return Coupling(net, univariate, mask)


def _mixing(features: int, linear: bool, first: bool) -> list[Transform]:
    """What stands between two steps: it decides which dependencies the next one sees."""
    if features == 1:
        return []
    if not linear:
        return [] if first else [Reverse()]
    return [Permute(randomness.permutation(features, torch.device("cpu"))), LULinear(features)]
