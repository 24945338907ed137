"""Glow: ActNorm, 1x1 convolutions and couplings of channels."""

from __future__ import annotations

from typing import Any

import torch

from fluvial.conditioners import MLP, ConvNet, PriorConv
from fluvial.core import Chain, Density, Flow, Normal, Transform
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import Image, check_halvings, context_features
from fluvial.models.steps import affine
from fluvial.transforms import (
    MATRICES,
    ActNorm,
    Conv1x1,
    Coupling,
    Dequantize,
    Elementwise,
    FactorOut,
    Flatten,
    Reversible,
    Squeeze,
    Standardize,
    random_rotation,
)
from fluvial.transforms.image import image_shape
from fluvial.univariate import Affine, ExpScale, Shift, SigmoidScale, TanhScale


def glow(
    event_shape: Shape,
    *,
    levels: int = 2,
    steps: int = 8,
    width: int = 128,
    additive: bool = False,
    bound: float | None = -1.0,
    sigmoid: bool = False,
    linear: str = "lu",
    factor: float = 1.0,
    border: bool = False,
    condition_couplings: bool = True,
    reversible: bool = False,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """Glow: ActNorm, invertible 1x1 convolution and affine coupling, step by step (arXiv 1807.03039).

    Kingma and Dhariwal 2018, section 3: each level is a squeeze, its steps, and half of the channels finished under
    a prior that the other half predicts; the last level's prior is learned, and reads the context.

    Args:
        levels, steps, width: L, K and the hidden channels of the couplings' networks.
        additive: couplings shift only, as in the paper's large images.
        bound: largest log-scale of a coupling; None for exp(raw), the paper's; -1 for one that shrinks with depth.
        sigmoid: scale by sigmoid(raw + 2) instead, as in the released code.
        linear: the 1x1 convolution's parametrisation: "lu", "full" (the released code's) or "qr".
        factor, border: as in :class:`~fluvial.conditioners.ScaledConv`; 3 and True in the released code;
            with factor 0 the networks are plain convolutions.
        condition_couplings: the context enters every network; else the last prior alone, as in the paper.
        reversible: rebuild activations in the backward pass, so that memory does not grow with ``steps``.
    """
    shape, context = image_shape(event_shape), context_features(context_shape)
    check_halvings(shape, levels, "levels", levels)
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if linear not in MATRICES:
        raise ValueError(f"linear: there is no parametrisation named {linear!r}; known are {', '.join(MATRICES)}")
    within = context if condition_couplings else 0
    prior_map = Affine(ExpScale() if bound is None or sigmoid else TanhScale(5.0))
    univariate = Shift() if additive else Affine(SigmoidScale()) if sigmoid else affine(bound, levels * steps)

    def step(channels: int) -> list[Transform]:
        matrix = MATRICES[linear](random_rotation(channels))
        kept = (channels + 1) // 2
        net = ConvNet(kept, (univariate.size, channels - kept), width, within, factor, border)
        mix = Conv1x1(matrix, ActNorm((channels, 1, 1), factor or 1.0))
        return [mix, Coupling(net, univariate, torch.arange(channels, device="cpu") < kept)]

    def level(shape: Image, left: int) -> Transform:
        squeezed = (4 * shape[0], shape[1] // 2, shape[2] // 2)
        chain = Chain(*[t for _ in range(steps) for t in step(squeezed[0])])
        head = [Squeeze(), Reversible(chain) if reversible else chain]
        if left == 1:
            table = MLP((context,), (2, squeezed[0], 1, 1), ()) if context else None
            prior = Elementwise(prior_map, (squeezed[0], 1, 1), table)
            return Chain(*head, prior, Flatten(squeezed))
        half = squeezed[0] // 2
        net = PriorConv(half, half, factor, border)
        prior = Coupling(net, prior_map, torch.arange(2 * half, device="cpu") < half)
        return Chain(*head, prior, FactorOut(squeezed, level((half, *squeezed[1:]), left - 1)))

    n = 2**bits
    pixels = [Dequantize(levels=n), Standardize(torch.tensor(n / 2), torch.tensor(float(n)))]
    noise = Normal((torch.Size(shape).numel(),))
    return Flow(Chain(*pixels, level(shape, levels)), noise, event_shape, context_shape)


# table 4 of the paper, and the released code; labels reach the last prior alone
_PAPER = {"levels": 3, "steps": 32, "width": 512, "bound": None}
_CODE = {"levels": 3, "steps": 32, "width": 512, "sigmoid": True, "linear": "full", "factor": 3.0, "border": True}
_SIZES: dict[str, dict[str, Any]] = {
    "cifar10": {},
    "imagenet32": {"steps": 48},
    "imagenet64": {"levels": 4, "steps": 48},
    "celeba_hq": {"levels": 6, "additive": True, "bits": 5},
}

RECIPES = (
    Recipe(
        glow,
        kind="images",
        values="whole",
        training=Training(learning_rate=2e-3),
        presets={
            f"{source}_{data}": {**options, **size, "condition_couplings": False}
            for source, options in (("paper", _PAPER), ("code", _CODE))
            for data, size in _SIZES.items()
        },
        says="couplings of channels mixed by invertible 1x1 convolutions",
        paper="Kingma and Dhariwal 2018, arXiv 1807.03039",
        score="one pass",
        draw="one pass",
        steps="Dequantize, scaling, per level: Squeeze, K x [Conv1x1 with its ActNorm, Coupling(ConvNet, Affine or "
        "Shift)], FactorOut behind a Coupling that is its prior; the last prior learned, by class if there is context",
        base="Normal",
    ),
)
