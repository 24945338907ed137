"""fluvial: exact probability densities from data, with flow-based generative models.

>>> import fluvial
>>> sorted(fluvial.__all__)[-8:]
['augment', 'augment_folder', 'compare', 'fit', 'infer', 'load', 'models', 'read_table']
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluvial import models
    from fluvial.data.listing import read_table
    from fluvial.interfaces.estimators import FlowClassifier, FlowDensity, FlowDetector, FlowImputer, FlowRegressor
    from fluvial.interfaces.estimators.sampler import FlowSampler
    from fluvial.kinds.images.model import ImageModel
    from fluvial.kinds.music.model import RollModel
    from fluvial.kinds.sound.model import SoundModel
    from fluvial.kinds.tables.model import Model
    from fluvial.tasks.augment import augment
    from fluvial.tasks.augment_folder import augment_folder
    from fluvial.tasks.compare import compare
    from fluvial.tasks.fit import fit, load
    from fluvial.tasks.infer import infer

__version__ = "0.1.0"

__all__ = [
    "FlowClassifier",
    "FlowDensity",
    "FlowDetector",
    "FlowImputer",
    "FlowRegressor",
    "FlowSampler",
    "ImageModel",
    "Model",
    "RollModel",
    "SoundModel",
    "__version__",
    "augment",
    "augment_folder",
    "compare",
    "fit",
    "infer",
    "load",
    "models",
    "read_table",
]
_HOMES = {
    "FlowClassifier": "fluvial.interfaces.estimators",
    "FlowDensity": "fluvial.interfaces.estimators",
    "FlowDetector": "fluvial.interfaces.estimators",
    "FlowImputer": "fluvial.interfaces.estimators",
    "FlowRegressor": "fluvial.interfaces.estimators",
    "FlowSampler": "fluvial.interfaces.estimators.sampler",
    "ImageModel": "fluvial.kinds.images.model",
    "Model": "fluvial.kinds.tables.model",
    "RollModel": "fluvial.kinds.music.model",
    "SoundModel": "fluvial.kinds.sound.model",
    "augment": "fluvial.tasks.augment",
    "augment_folder": "fluvial.tasks.augment_folder",
    "compare": "fluvial.tasks.compare",
    "fit": "fluvial.tasks.fit",
    "infer": "fluvial.tasks.infer",
    "load": "fluvial.tasks.fit",
    "read_table": "fluvial.data.listing",
}


_NEEDED = {"fluvial.interfaces.estimators": "sklearn", "fluvial.interfaces.estimators.sampler": "imblearn"}
_ABSENT = [home for home, package in _NEEDED.items() if find_spec(package) is None]
__all__[:] = [name for name in __all__ if _HOMES.get(name) not in _ABSENT]  # what a star import can take


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
