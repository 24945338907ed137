"""Generative adversarial networks of images: convolutional generator and critic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from fluvial.conditioners import ImageDecoder, ImageEncoder
from fluvial.core import Chain, Density, Flow, randomness
from fluvial.core.transform import Shape
from fluvial.models.gan import FlowGAN, Game
from fluvial.models.pixels import continuous
from fluvial.models.realnvp import realnvp
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import Image, context_features
from fluvial.transforms import ActNorm, Dequantize, Flatten, Logit
from fluvial.transforms.image import image_shape

_PENALTY = 0.1  # of the critic's slopes; with 1 a generator of digits did not leave its start in 500 steps
_LOUD = 4.0  # how much a context counts beside the noise, of which there are far more numbers than of labels
_EDGE = 0.05  # of the logit of pixels, as RealNVP's
_INSIDE = 0.95  # of the way from mid-grey to black or white; tanh passes no gradients at the ends


class ImageCritic(nn.Module):
    r"""(images scaled to [-1, 1], context) -> (B, 1): :math:`w \cdot h(x) + b + (V y) \cdot h(x)`, given a context y.

    How a context enters is the projection of Miyato and Koyama 2018, arXiv 1802.05637, eq. 3.
    """

    def __init__(self, shape: Image, channels: Sequence[int], hidden: int, context: int = 0) -> None:
        super().__init__()
        self.body = ImageEncoder(shape, channels, hidden, levels=0)
        self.last = nn.Linear(hidden, 1)
        self.given = nn.Linear(context, hidden, bias=False) if context else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.body(x)
        score = self.last(h)
        if self.given is None or context is None:
            return score
        return score + (self.given(context.to(h.dtype)) * h).sum(1, keepdim=True)


class ImageGAN(Game):
    """Images of whole numbers, drawn by a network from noise that another network, the critic, cannot tell from data.

    Draws are rounded to grey levels, which gradients pass by as if they were not; so the critic sees of draws what it
    sees of data. The generator starts at the mean image, which ``initialize`` finds: from mid-grey, hundreds of steps
    go into a black background. Source: Goodfellow et al. 2014, arXiv 1406.2661; the objective is
    :func:`fluvial.training.objectives.adversarial_loss`.

    Args:
        noise: how many numbers the generator starts from.
        channels, hidden: of both networks, see :class:`~fluvial.conditioners.ImageEncoder`.
        levels: pixels are 0, ..., levels - 1.
    """

    penalty = _PENALTY
    _middle: Tensor

    def __init__(
        self,
        shape: Image,
        noise: int,
        channels: Sequence[int],
        hidden: int,
        levels: int,
        context_shape: Shape | None = None,
    ) -> None:
        super().__init__()
        context = context_features(context_shape)
        self.event_shape, self.context_shape, self.size, self.levels = shape, context_shape, noise, levels
        self.generator = ImageDecoder(noise + context, (1, *shape), channels, hidden)
        self.critic = ImageCritic(shape, channels, hidden, context)
        self.register_buffer("_middle", torch.zeros(shape))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Let draws start at the mean image."""
        self._middle.copy_(self.seen(x).mean(0).clamp(-_INSIDE, _INSIDE).atanh())

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            return ((self.drawn(n, self.embedded(context)) + 1) * (self.levels - 1) / 2).round()

    def seen(self, x: Tensor) -> Tensor:
        return x.to(self.critic.last.weight.dtype) * (2 / (self.levels - 1)) - 1  # pyright: ignore

    def drawn(self, n: int, context: Tensor | None) -> Tensor:
        weight = self.generator.first.weight
        noise = randomness.normal((n, self.size), weight.dtype, weight.device)
        given = noise if context is None else torch.cat((noise, _LOUD * context.to(noise.dtype)), 1)
        soft = (self.generator(given).squeeze(1) + self._middle).tanh()
        hard = self.seen(((soft + 1) * (self.levels - 1) / 2).round())
        return soft + (hard - soft).detach()


class ImageFlowGAN(FlowGAN):
    """A flow of images that a critic teaches, beside its likelihood or alone (Grover et al. 2018, arXiv 1705.08868).

    The critic sees draws as whole grey levels, which gradients pass by as if they were not rounded. ``log_prob`` is
    the flow's own: exact of pixels with uniform noise, so of whole pixels a bound.

    Args:
        flow: of images, which begins with ``Dequantize``.
        critic: (images scaled to [-1, 1], context) -> (B, 1).
        weight: of the negative log-likelihood beside the game; 0 for the game alone.
        levels: pixels are 0, ..., levels - 1.
    """

    penalty = _PENALTY

    def __init__(self, flow: Flow, critic: nn.Module, weight: float, levels: int) -> None:
        super().__init__(flow.transform, flow.base, flow.event_shape, critic, weight, flow.context_shape)
        self.levels = levels
        if continuous(self) is None:
            raise ValueError(f"flow: expected one that begins with Dequantize, got {flow.transform}")

    def seen(self, x: Tensor) -> Tensor:
        return x * (2 / (self.levels - 1)) - 1

    def drawn(self, n: int, context: Tensor | None) -> Tensor:
        noisy = cast("Flow", continuous(self)).sample(n, context)
        soft = noisy - 0.5
        return self.seen(soft + (noisy.floor().clamp(0, self.levels - 1) - soft).detach())


def image_gan(
    event_shape: Shape,
    *,
    noise: int = 64,
    channels: Sequence[int] = (32, 64, 64),
    hidden: int = 256,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """A GAN of images (Goodfellow et al. 2014, arXiv 1406.2661).

    Args:
        noise: how many numbers the generator starts from.
        channels: of each stage of the critic, which halves the image; the generator goes the same way back.
        hidden: features of the critic, and units of the generator's first layer.
        bits: of a pixel.

    >>> image_gan((1, 28, 28)).event_shape
    (1, 28, 28)
    """
    if noise < 1:
        raise ValueError(f"noise: expected at least 1 number to start from, got {noise}")
    return ImageGAN(image_shape(event_shape), noise, channels, hidden, 2**bits, context_shape)


def image_flow_gan(
    event_shape: Shape,
    *,
    weight: float = 1.0,
    transforms: int = 4,
    width: Sequence[int] = (256, 256),
    channels: Sequence[int] = (32, 64, 64),
    hidden: int = 256,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """A Flow-GAN of images: affine couplings of pixels as a GAN's generator (Grover et al. 2018, arXiv 1705.08868).

    The flow is RealNVP's of vectors, behind the logit of pixels with noise, each standardised by the first images. It
    knows nothing of neighbours, as the paper's NICE of MNIST.

    Args:
        weight: of the negative log-likelihood beside the game, nats an image; 0 for the game alone.
        transforms, width: couplings of the flow, and hidden layers of each.
        channels, hidden: of the critic, as of :func:`image_gan`.
        bits: of a pixel.

    >>> image_flow_gan((1, 8, 8), width=(16,)).exact
    False
    """
    shape, levels = image_shape(event_shape), 2**bits
    features = (torch.Size(shape).numel(),)
    head = Chain(Dequantize(levels=levels), Logit(0.0, levels, _EDGE), Flatten(shape), ActNorm(features))
    inner = realnvp(features, transforms=transforms, hidden=width, context_shape=context_shape)
    critic = ImageCritic(shape, channels, hidden, context_features(context_shape))
    return ImageFlowGAN(Flow(head, inner, shape, context_shape), critic, weight, levels)


_TRAINED = Training(learning_rate=2e-3, objective="adversarial")

RECIPES = (
    Recipe(
        image_gan,
        name="gan",
        kind="images",
        values="whole",
        training=_TRAINED,
        says="a generator that a critic teaches; draws only, no likelihood",
        paper="Goodfellow et al. 2014, arXiv 1406.2661",
        score="not to be had",
        draw="one pass",
        steps="ImageDecoder, a critic",
        base="Normal",
    ),
    Recipe(
        image_flow_gan,
        name="flow_gan",
        kind="images",
        values="whole",
        training=_TRAINED,
        says="a flow that a critic teaches beside its likelihood",
        paper="Grover et al. 2018, arXiv 1705.08868",
        score="one pass",
        draw="one pass",
        steps="Dequantize, Logit, ActNorm, `realnvp` of the flattened pixels, a critic",
        base="Normal",
    ),
)
