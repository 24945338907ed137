"""Recipes: every model as a composition, and the registry that builds them by name."""

from fluvial.models.flowplusplus import flowpp
from fluvial.models.image import glow
from fluvial.models.made import made, made_mog
from fluvial.models.mixed import AnyOrder, mixed
from fluvial.models.multiscale import multiscale
from fluvial.models.orders import OrderMixture
from fluvial.models.pixelcnn import pixelcnn
from fluvial.models.pixels import bits_per_dimension, continuous, sample_at_temperature
from fluvial.models.registry import (
    CLOSED_FORM,
    DEFAULT,
    DEFAULT_DISCRETE,
    DEFAULT_IMAGE,
    DEFAULT_MIXED,
    DEFAULT_MUSIC,
    DEFAULT_SOUND,
    DISCRETE,
    IMAGE_PRESETS,
    IMAGES,
    MIXED,
    MUSIC,
    PRESETS,
    RECIPES,
    SOUND,
    behind_head,
    build,
    preset,
    recipe_of,
    register,
    resolve,
)
from fluvial.models.sequence import wavenet, wavenet_made
from fluvial.models.tabular import gaussian, iaf, maf, maf_mog, nice, nsf, nsf_coupling, realnvp

__all__ = [
    "CLOSED_FORM",
    "DEFAULT",
    "DEFAULT_DISCRETE",
    "DEFAULT_IMAGE",
    "DEFAULT_MIXED",
    "DEFAULT_MUSIC",
    "DEFAULT_SOUND",
    "DISCRETE",
    "IMAGES",
    "IMAGE_PRESETS",
    "MIXED",
    "MUSIC",
    "PRESETS",
    "RECIPES",
    "SOUND",
    "AnyOrder",
    "OrderMixture",
    "behind_head",
    "bits_per_dimension",
    "build",
    "continuous",
    "flowpp",
    "gaussian",
    "glow",
    "iaf",
    "made",
    "made_mog",
    "maf",
    "maf_mog",
    "mixed",
    "multiscale",
    "nice",
    "nsf",
    "nsf_coupling",
    "pixelcnn",
    "preset",
    "realnvp",
    "recipe_of",
    "register",
    "resolve",
    "sample_at_temperature",
    "wavenet",
    "wavenet_made",
]


def __dir__() -> list[str]:
    return sorted(__all__)
