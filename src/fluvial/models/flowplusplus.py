"""Flow++: the stronger recipe for images; composition, no mechanics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from fluvial.conditioners import GatedConvNet
from fluvial.core import Chain, Density, Flow, Inverse, Normal, Transform, randomness
from fluvial.core.constants import on_cpu
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import Image, context_features
from fluvial.transforms import (
    ActNorm,
    Checkerboard,
    Conv1x1,
    Coupling,
    Dequantize,
    Flatten,
    Logit,
    LUMatrix,
    Squeeze,
    VariationalDequantize,
)
from fluvial.transforms.image import image_shape
from fluvial.univariate import LogisticMixture, TanhScale
from fluvial.univariate.affine import depth_bound


def flowpp(
    event_shape: Shape,
    *,
    couplings: Sequence[int] = (4, 2, 3),
    blocks: int = 1,
    width: int = 64,
    heads: int = 0,
    components: int = 8,
    dropout: float = 0.0,
    noise_couplings: int = 0,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """Flow++: mixture-of-logistics couplings, gated attention networks, learned dequantisation (arXiv 1902.00275).

    Ho et al. 2019, section 3. Couplings over checkerboards of the image, over the channels of the squeezed image,
    and over its checkerboards (its channels, where they cannot be made); ActNorm and a 1x1 convolution that starts
    near the identity before each. Attention and learned noise, which the paper has and short training does not
    repay, are off by default.

    Args:
        couplings: how many of the three kinds.
        blocks, width, heads, dropout: of the networks; 0 heads for convolutions alone.
        components: logistics of each mixture.
        noise_couplings: of the dequantisation's own flow, whose networks have one block; 0 for uniform noise, whose
            bound compares with the other models'.
    """
    shape, context = image_shape(event_shape), context_features(context_shape)
    channels, height, width_ = shape
    if height % 2 or width_ % 2:
        raise ValueError(f"flowpp squeezes images: height and width must be even, got {height} x {width_}")
    if len(couplings) != 3:
        raise ValueError(f"couplings: expected three numbers, one for each kind, got {tuple(couplings)}")
    univariate = LogisticMixture(components, scale=TanhScale(depth_bound(sum(couplings))))

    def coupling(shape: Image, layer: int, context: int, blocks: int, univariate: LogisticMixture) -> Coupling:
        half = shape[0] // 2
        net = GatedConvNet((half, *shape[1:]), (univariate.size, half), width, blocks, heads, context, dropout)
        start = randomness.normal(net.last.bias.shape)  # pyright: ignore
        net.last.bias.data.copy_(0.5 * start)  # pyright: ignore  (components that start alike would stay alike)
        return Coupling(net, univariate, (torch.arange(shape[0], device="cpu") < half) == (layer % 2 == 0))

    def stage(shape: Image, n: int) -> list[Transform]:
        with on_cpu():
            near = torch.eye(shape[0]) + 1e-3 * randomness.normal((shape[0], shape[0]))
        mixed = (
            (Conv1x1(LUMatrix(near), ActNorm(shape)), coupling(shape, i, context, blocks, univariate)) for i in range(n)
        )
        return [t for pair in mixed for t in pair]

    board, squeezed = (2 * channels, height, width_ // 2), (4 * channels, height // 2, width_ // 2)
    steps = [Checkerboard(), *stage(board, couplings[0]), Inverse(Checkerboard(), shape)]
    steps += [Squeeze(), *stage(squeezed, couplings[1])]
    if squeezed[2] % 2 == 0:
        last = (2 * squeezed[0], squeezed[1], squeezed[2] // 2)
        steps.append(Checkerboard())
    else:
        last = squeezed
    steps += [*stage(last, couplings[2]), Flatten(last)]

    levels = 2**bits
    head = Dequantize(levels=levels)
    if noise_couplings:
        # the networks of the noise see the image, two neighbours at a time, as the checkerboard's halves lie
        encoder = nn.Sequential(
            nn.Conv2d(channels, width, (3, 4), (1, 2), (1, 1)), nn.ELU(), nn.Conv2d(width, width, 3, padding=1)
        )
        small = LogisticMixture(components, scale=TanhScale(depth_bound(noise_couplings)))
        towards = [Inverse(coupling(board, i, width, 1, small)) for i in range(noise_couplings)]
        noise = Chain(Logit(), Checkerboard(), *towards)
        head = VariationalDequantize(Flow(noise, Normal(board), shape, (width, *board[1:])), encoder, levels)
    chain = Chain(head, Logit(0.0, levels, 0.05), *steps)
    return Flow(chain, Normal((torch.Size(shape).numel(),)), event_shape, context_shape)


RECIPES = (
    Recipe(
        flowpp,
        kind="images",
        values="whole",
        training=Training(learning_rate=2e-3),
        presets={  # section 4, and the released code
            "code_cifar10": {
                "couplings": (4, 2, 3),
                "blocks": 10,
                "width": 96,
                "heads": 4,
                "components": 32,
                "dropout": 0.2,
                "noise_couplings": 4,
            },
        },
        says="couplings by mixtures of logistics, with attention and learned noise if asked for",
        paper="Ho et al. 2019, arXiv 1902.00275",
        score="one pass",
        draw="one pass, with root searches",
        steps="Dequantize (or VariationalDequantize), Logit, [Conv1x1, Coupling(GatedConvNet, LogisticMixture)] over "
        "checkerboards, channels, checkerboards",
        base="Normal",
    ),
)
