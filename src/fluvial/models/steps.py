"""What several recipes of vectors are composed of."""

from __future__ import annotations

from collections.abc import Sequence

from fluvial.conditioners import MLP, MaskedMLP
from fluvial.core import Transform
from fluvial.core.transform import Shape
from fluvial.models.shapes import context_of, features_of
from fluvial.transforms import Coupling, Elementwise, alternating_mask
from fluvial.univariate import Affine, ExpScale, TanhScale, Univariate
from fluvial.univariate.affine import depth_bound


def depth(transforms: int) -> int:
    """How many transforms, checked."""
    if transforms < 1:
        raise ValueError(f"transforms: expected at least 1, got {transforms}")
    return transforms


def affine(bound: float | None, transforms: int) -> Univariate:
    """The affine map of one of so many transforms, by its largest log-scale.

    Args:
        bound: None for none, exp(raw); -1 for one that shrinks with depth.
    """
    if bound is None:
        return Affine(ExpScale())
    return Affine(TanhScale(depth_bound(transforms) if bound < 0 else bound))


def masked(
    features: int,
    size: int,
    hidden: Sequence[int],
    activation: str,
    residual: bool,
    context_shape: Shape | None,
    reach: float | None = None,
) -> MaskedMLP:
    """The network of an autoregressive step."""
    context = context_of(context_shape)
    return MaskedMLP(features, size, hidden, context, activation=activation, residual=residual, reach=reach)


def coupling(
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
