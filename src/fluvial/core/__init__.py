"""The protocol: transforms, densities, bases and errors."""

from fluvial.core.bases import Logistic, Mixture, Normal, StudentT, Uniform
from fluvial.core.density import Density, Flow
from fluvial.core.distributions import Given, GivenTransform
from fluvial.core.errors import DataError, FluvialError, RunError, UsageError
from fluvial.core.initialization import DataDependent, initializing
from fluvial.core.sampler import Sampler
from fluvial.core.transform import Chain, Inverse, Transform, sum_event

__all__ = [
    "Chain",
    "DataDependent",
    "DataError",
    "Density",
    "Flow",
    "FluvialError",
    "Given",
    "GivenTransform",
    "Inverse",
    "Logistic",
    "Mixture",
    "Normal",
    "RunError",
    "Sampler",
    "StudentT",
    "Transform",
    "Uniform",
    "UsageError",
    "initializing",
    "sum_event",
]
