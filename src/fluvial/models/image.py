"""Recipes for images: each a function from sizes to a Density, named after its paper; composition, no mechanics.

Every recipe takes the shape (C, H, W) of one image first and is a density of its *pixels*: integers 0, ...,
2^bits - 1. Dequantisation and scaling are its first transforms, so -log p / (C H W ln 2) is bits per dimension, an
upper bound in expectation. z is flat, (C H W,), whatever the number of scales.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fluvial.conditioners import MLP, ConvNet, PriorConv, ResidualConvNet
from fluvial.core import Chain, Density, Flow, Inverse, Logistic, Normal, Transform
from fluvial.core.transform import Shape
from fluvial.transforms import (
    MATRICES,
    ActNorm,
    Conv1x1,
    Coupling,
    Dequantize,
    Elementwise,
    FactorOut,
    Flatten,
    ImageBatchNorm,
    Logit,
    MaskedCoupling,
    OrderedSqueeze,
    Reversible,
    Squeeze,
    Standardize,
    alternating_mask,
    checkerboard_mask,
    random_rotation,
)
from fluvial.transforms.image import image_shape
from fluvial.univariate import Affine, ExpScale, Shift, SigmoidScale, TanhScale, Univariate
from fluvial.univariate.affine import depth_bound

Image = tuple[int, int, int]


def nice(
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
    for i, depth in enumerate(layers):
        mask = alternating_mask(features, i)
        kept = int(mask.sum())
        steps.append(Coupling(MLP((kept,), (1, features - kept), (width,) * depth, context), Shift(), mask))
    steps.append(Elementwise(Affine(TanhScale(10.0)), (features,)))
    noise = Normal((features,)) if gaussian else Logistic((features,))
    levels = 2**bits
    location, scale = (levels / 2, levels / 2) if centered else (0.0, float(levels))
    pixels = [Dequantize(levels=levels), Standardize(torch.tensor(location), torch.tensor(scale))]
    return Flow(Chain(*pixels, *steps), noise, event_shape, context_shape)


def realnvp(
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
    _check_halvings(shape, scales - 1, "scales", scales)

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
    _check_halvings(shape, levels, "levels", levels)
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if linear not in MATRICES:
        raise ValueError(f"linear: there is no parametrisation named {linear!r}; known are {', '.join(MATRICES)}")
    within = context if condition_couplings else 0
    prior_map = Affine(ExpScale() if bound is None or sigmoid else TanhScale(5.0))
    univariate = Shift() if additive else Affine(SigmoidScale()) if sigmoid else _affine(bound, levels * steps)

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


def context_features(context_shape: Shape | None) -> int:
    """F of a context of shape (F,), 0 for none, or a sentence."""
    if context_shape is None:
        return 0
    if len(context_shape) != 1 or context_shape[0] < 1:
        raise ValueError(f"context_shape: an image model expects (F,) with F >= 1 or None, got {tuple(context_shape)}")
    return context_shape[0]


def _check_halvings(shape: Image, halvings: int, option: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{option}: expected at least 1, got {value}")
    _, height, width = shape
    possible = min((n & -n).bit_length() - 1 for n in (height, width))
    if halvings > possible:
        raise ValueError(
            f"{option}: {value} of them halve an image {halvings} times, but height and width of {height} x {width} "
            f"can be halved {possible} times; ask for fewer, or pad or crop the images"
        )


def _affine(bound: float | None, couplings: int) -> Univariate:
    if bound is None:
        return Affine(ExpScale())
    return Affine(TanhScale(depth_bound(couplings) if bound < 0 else bound))
