"""Generative adversarial networks of images: convolutional generator and critic."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fluvial.conditioners import ImageDecoder, ImageEncoder
from fluvial.core import Density, randomness
from fluvial.core.transform import Shape
from fluvial.models.gan import Game
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import Image, context_features
from fluvial.transforms.image import image_shape


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
    sees of data. Source: Goodfellow et al. 2014, arXiv 1406.2661; the objective is
    :func:`fluvial.training.objectives.adversarial_loss`.

    Args:
        noise: how many numbers the generator starts from.
        channels, hidden: of both networks, see :class:`~fluvial.conditioners.ImageEncoder`.
        levels: pixels are 0, ..., levels - 1.
    """

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

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            return ((self.drawn(n, self.embedded(context)) + 1) * (self.levels - 1) / 2).round()

    def seen(self, x: Tensor) -> Tensor:
        return x.to(self.critic.last.weight.dtype) * (2 / (self.levels - 1)) - 1  # pyright: ignore

    def drawn(self, n: int, context: Tensor | None) -> Tensor:
        weight = self.generator.first.weight
        noise = randomness.normal((n, self.size), weight.dtype, weight.device)
        given = noise if context is None else torch.cat((noise, context.to(noise.dtype)), 1)
        soft = self.generator(given).squeeze(1).tanh()
        hard = self.seen(((soft + 1) * (self.levels - 1) / 2).round())
        return soft + (hard - soft).detach()


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


RECIPES = (
    Recipe(
        image_gan,
        name="gan",
        kind="images",
        values="whole",
        training=Training(learning_rate=5e-4, objective="adversarial", batch=(64, 256)),
        says="a generator that a critic teaches; draws only, no likelihood",
        paper="Goodfellow et al. 2014, arXiv 1406.2661",
        score="not to be had",
        draw="one pass",
        steps="ImageDecoder, a critic",
        base="Normal",
    ),
)
