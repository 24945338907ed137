"""fluvial: exact probability densities from data, with flow-based generative models.

>>> import fluvial
>>> sorted(fluvial.__all__)
['FlowDensity', 'ImageModel', 'Model', 'RollModel', 'SoundModel', '__version__', 'fit', 'load', 'models', 'read_table']
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluvial import models
    from fluvial.data.listing import read_table
    from fluvial.interfaces.estimators import FlowDensity
    from fluvial.tasks.entrance import fit, load
    from fluvial.tasks.image import ImageModel
    from fluvial.tasks.model import Model
    from fluvial.tasks.music import RollModel
    from fluvial.tasks.sound import SoundModel

__version__ = "0.1.0"

__all__ = [
    "FlowDensity",
    "ImageModel",
    "Model",
    "RollModel",
    "SoundModel",
    "__version__",
    "fit",
    "load",
    "models",
    "read_table",
]

_HOMES = {
    "FlowDensity": "fluvial.interfaces.estimators",
    "ImageModel": "fluvial.tasks.image",
    "Model": "fluvial.tasks.model",
    "RollModel": "fluvial.tasks.music",
    "SoundModel": "fluvial.tasks.sound",
    "fit": "fluvial.tasks.entrance",
    "load": "fluvial.tasks.entrance",
    "read_table": "fluvial.data.listing",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used, so that ``import fluvial`` costs next to nothing."""
    if name == "models":
        value: object = import_module("fluvial.models")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'fluvial' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
