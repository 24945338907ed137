"""Recipes: every model as a composition, and the registry that builds them by name."""

from fluvial.models.made import made, made_mog
from fluvial.models.orders import OrderMixture
from fluvial.models.registry import (
    CLOSED_FORM,
    DEFAULT,
    DEFAULT_DISCRETE,
    DISCRETE,
    PRESETS,
    RECIPES,
    build,
    preset,
    resolve,
)
from fluvial.models.tabular import gaussian, iaf, maf, maf_mog, nice, nsf, nsf_coupling, realnvp

__all__ = [
    "CLOSED_FORM",
    "DEFAULT",
    "DEFAULT_DISCRETE",
    "DISCRETE",
    "PRESETS",
    "RECIPES",
    "OrderMixture",
    "build",
    "gaussian",
    "iaf",
    "made",
    "made_mog",
    "maf",
    "maf_mog",
    "nice",
    "nsf",
    "nsf_coupling",
    "preset",
    "realnvp",
    "resolve",
]
