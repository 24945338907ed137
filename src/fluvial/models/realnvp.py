"""RealNVP: affine couplings, of vectors and of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fluvial.conditioners import ResidualConvNet
from fluvial.core import Chain, Density, Flow, Inverse, Normal, Transform
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import Image, check_halvings, context_features, features_of
from fluvial.models.steps import affine, coupling, depth
from fluvial.transforms import (
    BatchNorm,
    Coupling,
    Dequantize,
    FactorOut,
    Flatten,
    ImageBatchNorm,
    Logit,
    MaskedCoupling,
    OrderedSqueeze,
    Squeeze,
    checkerboard_mask,
)
from fluvial.transforms.image import image_shape
from fluvial.univariate import Affine, ExpScale


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
    for i in range(depth(transforms)):
        steps.append(coupling(event_shape, affine(bound, transforms), i, hidden, activation, False, context_shape))
        if batch_norm:
            steps.append(BatchNorm(features_of(event_shape)))
    return Flow(Chain(*steps), Normal(event_shape), event_shape, context_shape)


def realnvp_images(
    event_shape: Shape,
    *,
    scales: int = 2,
    blocks: int = 2,
    width: int = 32,
    alpha: float = 0.05,
    zeros_count: bool = False,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """RealNVP: masked affine couplings, checkerboards and channels, at several scales (arXiv 1605.08803).

    Dinh et al. 2016, section 3. A scale has three couplings over checkerboards, a squeeze, three over channels, and
    half of the pixels, a checkerboard too, factored out; the last scale has four over checkerboards.

    Args:
        scales: how often, plus one, the image is halved.
        blocks, width: of the residual networks; the width doubles with each scale, and again for channels.
        alpha: of the logit of the scaled pixels.
        zeros_count: BatchNorm's statistics over checkerboards count the kept pixels as zeros, as the released code.
    """
    shape, context = image_shape(event_shape), context_features(context_shape)
    check_halvings(shape, scales - 1, "scales", scales)

    def board(shape: Image, layer: int, width: int) -> list[Transform]:
        mask = checkerboard_mask(*shape[1:], layer)
        net = ResidualConvNet(shape[0], shape[0], width, blocks, mask, context)
        return [MaskedCoupling(net, Affine(ExpScale()), mask), ImageBatchNorm(shape, mask, zeros_count)]

    def channels(shape: Image, layer: int, width: int) -> list[Transform]:
        half = shape[0] // 2
        kept = (torch.arange(shape[0], device="cpu") < half) == (layer % 2 == 0)
        net = ResidualConvNet(half, half, 2 * width, blocks, None, context)
        return [Coupling(net, Affine(ExpScale()), kept), ImageBatchNorm(shape, kept[:, None, None])]

    def scale(shape: Image, left: int, width: int) -> Transform:
        boards = [t for i in range(3 if left > 1 else 4) for t in board(shape, i, width)]
        if left == 1:
            return Chain(*boards, Flatten(shape))
        squeezed = (4 * shape[0], shape[1] // 2, shape[2] // 2)
        deep = [t for i in range(3) for t in channels(squeezed, i, width)]
        inner = scale((squeezed[0] // 2, *squeezed[1:]), left - 1, 2 * width)
        return Chain(*boards, Squeeze(), *deep, Inverse(Squeeze(), shape), OrderedSqueeze(), FactorOut(squeezed, inner))

    levels = 2**bits
    steps = Chain(Dequantize(levels=levels), Logit(0.0, levels, alpha), scale(shape, scales, width))
    return Flow(steps, Normal((torch.Size(shape).numel(),)), event_shape, context_shape)


_PAPER = "Dinh et al. 2016, arXiv 1605.08803"

RECIPES = (
    Recipe(
        realnvp,
        presets={  # Papamakarios et al. 2017, arXiv 1705.07057, appendix
            "paper": {"transforms": 5, "hidden": (512, 512), "activation": "tanh", "batch_norm": True, "bound": None}
        },
        says="affine couplings",
        paper=_PAPER,
        score="one pass",
        draw="one pass",
        steps="Coupling(MLP, Affine) over alternating entries",
        base="Normal",
    ),
    Recipe(
        realnvp_images,
        "realnvp",
        kind="images",
        values="whole",
        training=Training(learning_rate=2e-3),
        presets={  # section 4.1, and the released code
            "paper_cifar10": {"scales": 2, "blocks": 8, "width": 64},
            "paper_imagenet32": {"scales": 4, "blocks": 4, "width": 32},
            "paper_imagenet64": {"scales": 5, "blocks": 2, "width": 32},
            "code_imagenet32": {"scales": 4, "blocks": 4, "width": 32, "zeros_count": True},
            "code_imagenet64": {"scales": 5, "blocks": 4, "width": 32, "zeros_count": True},
        },
        says="affine couplings of pixels and channels, at several scales",
        paper=_PAPER,
        score="one pass",
        draw="one pass",
        steps="Dequantize, Logit, per scale: 3 MaskedCoupling(ResidualConvNet, Affine) over checkerboards, Squeeze, "
        "3 Coupling(ResidualConvNet, Affine) over channels, FactorOut of a checkerboard; the last scale 4 over "
        "checkerboards; ImageBatchNorm after each",
        base="Normal",
    ),
)
