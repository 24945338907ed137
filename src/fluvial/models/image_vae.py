"""Variational autoencoders of images: convolutional encoder and decoder around a posterior, a flow or a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence

from fluvial.conditioners import ImageDecoder, ImageEncoder
from fluvial.conditioners.predictor import start_of_logistics
from fluvial.core import Density, Flow, Normal, Uniform
from fluvial.core.transform import Shape
from fluvial.models.maf import maf
from fluvial.models.posteriors import posterior
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import Image, context_features
from fluvial.models.vae import VAE
from fluvial.transforms import Elementwise
from fluvial.transforms.image import image_shape
from fluvial.univariate import Bernoulli, DiscretizedLogistics

_HIDDEN = (320, 320)  # of a posterior's autoregressive networks


def image_vae(
    event_shape: Shape,
    *,
    latent: int = 32,
    channels: Sequence[int] = (16, 32, 32),
    hidden: int = 256,
    components: int = 5,
    transforms: int = 0,
    width: Sequence[int] = _HIDDEN,
    gated: bool = True,
    prior_transforms: int = 0,
    free_bits: float = 0.0,
    samples: int = 16,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """A VAE of images (Kingma and Welling 2014, arXiv 1312.6114).

    Pixels of one bit are Bernoullis given the latent variables, others discretised mixtures of logistics.

    Args:
        latent: how many latent variables.
        channels: of each stage of the encoder, which halves the image; the decoder goes the same way back.
        hidden: features of the encoder, and units of the decoder's first layer.
        components: logistics in the mixture of a pixel.
        transforms, gated: inverse autoregressive steps of the posterior (Kingma et al. 2016, arXiv 1606.04934), see
            :func:`~fluvial.models.posteriors.posterior`; 0 for a diagonal Gaussian.
        width: hidden layers of each step's network.
        prior_transforms, free_bits, samples: as of the VAE of tables.
        bits: of a pixel.

    >>> image_vae((1, 28, 28), bits=1).event_shape
    (1, 28, 28)
    """
    shape, context = image_shape(event_shape), context_features(context_shape)
    return VAE(
        _prior(latent, prior_transforms),
        _pixels(shape, latent + context, channels, hidden, components, bits),
        posterior(latent, hidden, transforms=transforms, hidden=width, gated=gated),
        ImageEncoder(shape, channels, hidden, context, 2**bits),
        free_bits=free_bits,
        samples=samples,
        context_shape=context_shape,
    )


def _prior(latent: int, transforms: int) -> Density:
    if latent < 1:
        raise ValueError(f"latent: expected at least 1 latent variable, got {latent}")
    return maf((latent,), transforms=transforms, hidden=_HIDDEN) if transforms else Normal((latent,))


def _pixels(shape: Image, given: int, channels: Sequence[int], hidden: int, components: int, bits: int) -> Flow:
    """p(x | z), each number of each pixel by itself."""
    univariate = Bernoulli() if bits == 1 else DiscretizedLogistics(2**bits, components)
    decoder = ImageDecoder(given, (univariate.size, *shape), channels, hidden)
    if bits > 1:
        decoder.start(start_of_logistics(components, 0.5))
    return Flow(Elementwise(univariate, shape, decoder), Uniform(shape), shape, (given,))


_TRAINED = Training(learning_rate=2e-3, objective="bound", batch=(64, 256))
_PAPER = {"latent": 32, "channels": (16, 32, 32), "hidden": 450}

RECIPES = (
    Recipe(
        image_vae,
        name="vae",
        kind="images",
        values="whole",
        training=_TRAINED,
        presets={"paper": _PAPER},
        says="latent variables behind the pixels; a lower bound of log p",
        paper="Kingma and Welling 2014, arXiv 1312.6114",
        score="16 draws of the latent variables",
        draw="one pass",
        steps="ImageEncoder, a diagonal Gaussian, ImageDecoder of Bernoulli or DiscretizedLogistics",
        base="Normal",
    ),
    Recipe(
        image_vae,
        name="vae_iaf",
        kind="images",
        values="whole",
        training=_TRAINED,
        defaults={"transforms": 2},
        presets={"paper": {**_PAPER, "transforms": 8, "width": (1920, 1920)}},
        says="`vae` with inverse autoregressive steps in its posterior; a tighter bound",
        paper="Kingma et al. 2016, arXiv 1606.04934",
        score="16 draws of the latent variables",
        draw="one pass",
        steps="ImageEncoder, Inverse(Autoregressive(MaskedMLP, Gate)), ImageDecoder of Bernoulli or "
        "DiscretizedLogistics",
        base="Normal",
    ),
)
