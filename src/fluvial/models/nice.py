"""NICE: additive couplings, of vectors and of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fluvial.conditioners import MLP
from fluvial.core import Chain, Density, Flow, Logistic, Normal, Transform
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import context_features
from fluvial.models.steps import coupling, depth
from fluvial.transforms import Coupling, Dequantize, Elementwise, Flatten, Standardize, alternating_mask
from fluvial.transforms.image import image_shape
from fluvial.univariate import Affine, Shift, TanhScale


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
        coupling(event_shape, Shift(), i, hidden, activation, False, context_shape) for i in range(depth(transforms))
    ]
    steps.append(Elementwise(Affine(TanhScale(10.0)), event_shape))
    return Flow(Chain(*steps), Logistic(event_shape), event_shape, context_shape)


def nice_images(
    event_shape: Shape,
    *,
    width: int = 1000,
    layers: Sequence[int] = (3, 3, 3, 3),
    gaussian: bool = False,
    centered: bool = False,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """NICE: additive couplings of odd and even pixels, one diagonal scale (Dinh et al. 2014, arXiv 1410.8516).

    Args:
        width, layers: hidden layers of each coupling's network, one entry per coupling.
        gaussian: Normal noise; else logistic.
        centered: pixels are scaled to [-1, 1]; else to [0, 1].
    """
    shape, context = image_shape(event_shape), context_features(context_shape)
    features = torch.Size(shape).numel()
    if features < 2:
        raise ValueError("nice couples pixels with each other and needs an image of at least 2 numbers, got 1")
    steps: list[Transform] = [Flatten(shape)]
    for i, deep in enumerate(layers):
        mask = alternating_mask(features, i)
        kept = int(mask.sum())
        steps.append(Coupling(MLP((kept,), (1, features - kept), (width,) * deep, context), Shift(), mask))
    steps.append(Elementwise(Affine(TanhScale(10.0)), (features,)))
    noise = Normal((features,)) if gaussian else Logistic((features,))
    levels = 2**bits
    location, scale = (levels / 2, levels / 2) if centered else (0.0, float(levels))
    pixels = [Dequantize(levels=levels), Standardize(torch.tensor(location), torch.tensor(scale))]
    return Flow(Chain(*pixels, *steps), noise, event_shape, context_shape)


_PAPER = "Dinh et al. 2014, arXiv 1410.8516"

RECIPES = (
    Recipe(
        nice,
        presets={"paper": {"transforms": 4, "hidden": (1000,) * 5}},  # table 2 (MNIST)
        says="additive couplings, volume-preserving but for one scale",
        paper=_PAPER,
        score="one pass",
        draw="one pass",
        steps="Coupling(MLP, Shift) over alternating entries, one diagonal scale",
        base="Logistic",
    ),
    Recipe(
        nice_images,
        "nice",
        kind="images",
        values="whole",
        training=Training(learning_rate=2e-3),
        presets={  # table 2 and the released code; whitening is a matter of the data
            "paper_mnist": {"width": 1000, "layers": (5, 5, 5, 5)},
            "paper_tfd": {"width": 5000, "layers": (4, 4, 4, 4), "gaussian": True},
            "paper_svhn": {"width": 2000, "layers": (4, 4, 4, 4)},
            "paper_cifar10": {"width": 2000, "layers": (4, 4, 4, 4), "centered": True},
            "code_mnist": {"width": 1000, "layers": (5, 5, 5, 5)},
            "code_tfd": {"width": 2000, "layers": (3, 3, 2, 2, 1, 1, 1, 1)},
            "code_cifar10": {"width": 2400, "layers": (1, 1, 3, 3, 2, 2, 1, 1), "gaussian": True, "centered": True},
        },
        says="additive couplings of odd and even pixels",
        paper=_PAPER,
        score="one pass",
        draw="one pass",
        steps="Dequantize, scaling, Coupling(MLP, Shift) over alternating pixels, one diagonal scale",
        base="Logistic or Normal",
    ),
)
