"""What people ask of a density of pixels: bits per dimension, and samples at a temperature."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fluvial.core import Chain, Density, Flow, Logistic, Normal
from fluvial.core.transform import Shape
from fluvial.transforms import Dequantize


def bits_per_dimension(log_prob: Tensor, event_shape: Shape) -> Tensor:
    r"""-log p / (D ln 2): what a lossless code would spend on each of the D numbers of an image.

    log p is of the pixels as they are, integers; densities in this package take them so. (A log-likelihood LL of
    pixels scaled to [0, 1) converts by 8 - LL / (D ln 2).)

    >>> round(bits_per_dimension(torch.tensor(-12 * math.log(256.0)), (3, 2, 2)).item(), 4)
    8.0
    """
    return -log_prob / (torch.Size(event_shape).numel() * math.log(2))


def sample_at_temperature(density: Flow, n: int, temperature: float, context: Tensor | None = None) -> Tensor:
    """n draws (n, \\*event_shape) with the noise of every scale multiplied by ``temperature``.

    This changes the density: it samples from another one than ``density``, more probable and less varied images
    below 1, and no likelihood goes with the draws. Glow's pictures are at 0.7 (arXiv 1807.03039, section 6).

    Raises:
        ValueError: a negative temperature, or noise that is not centred at 0, such as a Uniform base's.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature: expected a number >= 0, got {temperature}")
    if not isinstance(density.noise, (Normal, Logistic)):
        raise ValueError(f"temperature needs noise centred at 0, but the base is {type(density.noise).__name__}")
    return density.decode(temperature * density.noise.sample(n), context)


def continuous(density: Density) -> Flow | None:
    """The density of pixels with noise, x + u: what stands behind the ``Dequantize`` that ``density`` begins with.

    Its parameters are those of ``density``, no copies. With it the noise is chosen by the caller: u = 1/2 for the
    middle of each pixel's step, or noise that depends on the image alone. None for a density that begins otherwise.
    """
    if not isinstance(density, Flow) or not isinstance(density.transform, Chain):
        return None
    base, steps = density.base, list(density.transform)
    if not steps:
        inner = continuous(base)
        if inner is None:
            return None
        base = inner
    elif type(steps[0]) is not Dequantize:
        return None
    flow = Flow(Chain(*steps[1:]), base, density.event_shape, density.context_shape, density.embed)
    return flow.train(density.training)
