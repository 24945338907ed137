"""IAF: MAF read backwards."""

from __future__ import annotations

from collections.abc import Sequence

from fluvial.core import Chain, Flow, Inverse, Normal, Transform
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe
from fluvial.models.shapes import features_of
from fluvial.models.steps import affine, depth, masked
from fluvial.transforms import Autoregressive, Reverse
from fluvial.univariate import Gate


def iaf(
    event_shape: Shape,
    *,
    transforms: int = 5,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    gated: bool = False,
    bound: float | None = -1.0,
    context_shape: Shape | None = None,
) -> Flow:
    """IAF: MAF's steps read backwards, so that sampling takes one pass (Kingma et al. 2016, arXiv 1606.04934).

    Scoring a given row walks its D positions; that is what training by likelihood pays, while training by
    reverse KL does not.

    Args:
        gated: the paper's numerically stable gate in place of a bounded affine map.
    """
    features = features_of(event_shape)
    univariate = Gate() if gated else affine(bound, transforms)
    steps: list[Transform] = []
    for i in range(depth(transforms)):
        net = masked(features, 2, hidden, activation, False, context_shape)
        steps += [Reverse()] * (i > 0) + [Inverse(Autoregressive(net, univariate))]
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


RECIPES = (
    Recipe(
        iaf,
        says="`maf` read backwards; made for reverse KL",
        paper="Kingma et al. 2016, arXiv 1606.04934",
        score="D short steps",
        draw="one pass",
        steps="Inverse(Autoregressive(MaskedMLP, Affine)), Reverse",
        base="Normal",
    ),
)
