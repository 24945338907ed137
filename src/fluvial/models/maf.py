"""MAF: affine autoregressive steps, and MAF MoG, the same before a mixture."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from fluvial.conditioners import MaskedMLP
from fluvial.core import Chain, Density, Flow, Normal, Transform, randomness
from fluvial.core.transform import Shape
from fluvial.models.made import made_mog
from fluvial.models.recipe import Recipe
from fluvial.models.shapes import features_of
from fluvial.models.steps import affine, depth, masked
from fluvial.transforms import Autoregressive, BatchNorm, Reverse


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
    for i in range(depth(transforms)):
        net = masked(features, 2, hidden, activation, residual, context_shape)
        if normal_init:
            _initialize_normal(net)
        steps += [Reverse()] * (i > 0) + [Autoregressive(net, affine(bound, transforms))]
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


def _initialize_normal(net: MaskedMLP) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            given = randomness.generator(layer.weight.device)
            nn.init.normal_(layer.weight, std=(layer.in_features + 1) ** -0.5, generator=given)
            nn.init.zeros_(layer.bias)


_PAPER = "Papamakarios et al. 2017, arXiv 1705.07057"
# its appendix; widths of the sets with D >= 21
_PRESET = {"transforms": 5, "hidden": (512, 512), "batch_norm": True, "bound": None, "normal_init": True}

RECIPES = (
    Recipe(
        maf,
        presets={"paper": _PRESET},
        says="affine autoregressive steps",
        paper=_PAPER,
        score="one pass",
        draw="D short steps",
        steps="Autoregressive(MaskedMLP, Affine), Reverse",
        base="Normal",
    ),
    Recipe(
        maf_mog,
        presets={"paper": {**_PRESET, "components": 10}},
        says="`maf` before a mixture of Gaussians: multimodal conditionals",
        paper=_PAPER,
        score="one pass",
        draw="D short steps, each a root search",
        steps="`maf`, then Autoregressive(MaskedMLP, GaussianMixture)",
        base="Logistic",
    ),
)
