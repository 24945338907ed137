"""One-dimensional maps: pure functions of (value, theta) that work elementwise."""

from fluvial.univariate.affine import Affine, ExpScale, Gate, Shift, SigmoidScale, TanhScale
from fluvial.univariate.discrete import Bernoulli, Categorical, DiscretizedLogistics, Staircase, Tempered
from fluvial.univariate.mixture import GaussianMixture, LogisticMixture
from fluvial.univariate.spline import RQSpline
from fluvial.univariate.univariate import Univariate

__all__ = [
    "Affine",
    "Bernoulli",
    "Categorical",
    "DiscretizedLogistics",
    "ExpScale",
    "Gate",
    "GaussianMixture",
    "LogisticMixture",
    "RQSpline",
    "Shift",
    "SigmoidScale",
    "Staircase",
    "TanhScale",
    "Tempered",
    "Univariate",
]
