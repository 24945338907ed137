"""Models: every one as a composition, with its record, and the registry that builds them by name."""

from fluvial.models.build import behind_head, build, preset, resolve
from fluvial.models.cells import laws_within
from fluvial.models.flowplusplus import flowpp
from fluvial.models.gan import GAN, Adversarial, FlowGAN, flow_gan, gan
from fluvial.models.gaussian import gaussian
from fluvial.models.glow import glow
from fluvial.models.iaf import iaf
from fluvial.models.made import made, made_mog
from fluvial.models.maf import maf, maf_mog
from fluvial.models.mixed import AnyOrder, mixed
from fluvial.models.multiscale import multiscale
from fluvial.models.nice import nice, nice_images
from fluvial.models.nsf import nsf, nsf_coupling
from fluvial.models.orders import OrderMixture
from fluvial.models.pixelcnn import pixelcnn
from fluvial.models.pixels import bits_per_dimension, continuous, sample_at_temperature
from fluvial.models.realnvp import realnvp, realnvp_images
from fluvial.models.recipe import Aim, Decay, Recipe, Training
from fluvial.models.registry import default_of, named_recipes, recipe_of, recipes, register
from fluvial.models.vae import VAE, vae
from fluvial.models.wavenet import wavenet, wavenet_intervals, wavenet_made

__all__ = [
    "GAN",
    "VAE",
    "Adversarial",
    "Aim",
    "AnyOrder",
    "Decay",
    "FlowGAN",
    "OrderMixture",
    "Recipe",
    "Training",
    "behind_head",
    "bits_per_dimension",
    "build",
    "continuous",
    "default_of",
    "flow_gan",
    "flowpp",
    "gan",
    "gaussian",
    "glow",
    "iaf",
    "laws_within",
    "made",
    "made_mog",
    "maf",
    "maf_mog",
    "mixed",
    "multiscale",
    "named_recipes",
    "nice",
    "nice_images",
    "nsf",
    "nsf_coupling",
    "pixelcnn",
    "preset",
    "realnvp",
    "realnvp_images",
    "recipe_of",
    "recipes",
    "register",
    "resolve",
    "sample_at_temperature",
    "vae",
    "wavenet",
    "wavenet_intervals",
    "wavenet_made",
]


def __dir__() -> list[str]:
    return sorted(__all__)
