"""Recipes: every model as a composition, and the registry that builds them by name."""

from fluvial.models.flowplusplus import flowpp
from fluvial.models.image import glow
from fluvial.models.pixels import bits_per_dimension, sample_at_temperature
from fluvial.models.registry import (
    CLOSED_FORM,
    DEFAULT,
    IMAGE_PRESETS,
    IMAGES,
    PRESETS,
    RECIPES,
    build,
    preset,
    recipe_of,
    resolve,
)
from fluvial.models.tabular import gaussian, iaf, maf, maf_mog, nice, nsf, nsf_coupling, realnvp

__all__ = [
    "CLOSED_FORM",
    "DEFAULT",
    "IMAGES",
    "IMAGE_PRESETS",
    "PRESETS",
    "RECIPES",
    "bits_per_dimension",
    "build",
    "flowpp",
    "gaussian",
    "glow",
    "iaf",
    "maf",
    "maf_mog",
    "nice",
    "nsf",
    "nsf_coupling",
    "preset",
    "realnvp",
    "recipe_of",
    "resolve",
    "sample_at_temperature",
]
