"""Which models are of tables as they are: of cells that have laws, labels, numbers and gaps alike."""

from __future__ import annotations

from fluvial.core import Density
from fluvial.models.gan import GAN
from fluvial.models.likelihoods import CellLikelihood
from fluvial.models.mixed import AnyOrder
from fluvial.models.vae import VAE
from fluvial.transforms.laws import Laws


def laws_within(density: Density) -> Laws | None:
    """The laws of the columns that a density gives probabilities by; None where it has no such laws."""
    if isinstance(density, (AnyOrder, GAN)):
        return density.laws
    if isinstance(density, VAE) and isinstance(density.likelihood, CellLikelihood):
        return density.likelihood.laws
    return None
