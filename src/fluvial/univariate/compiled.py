"""Which maps the compiled sweep knows, and their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluvial.kernels.sweep import Map
from fluvial.univariate.affine import Affine, ExpScale, Gate, Shift, SigmoidScale, TanhScale
from fluvial.univariate.discrete import Bernoulli, Categorical
from fluvial.univariate.spline import RQSpline
from fluvial.univariate.univariate import Univariate


def _affine(affine: Affine) -> Map | None:
    scale = affine.scale
    rules: dict[type, Callable[[Any], Map]] = {
        ExpScale: lambda _: Map("exp"),
        TanhScale: lambda rule: Map("tanh", rule.bound),
        SigmoidScale: lambda _: Map("sigmoid"),
    }
    return rules[type(scale)](scale) if type(scale) in rules else None


# by exact type: a subclass may compute something else
_MAPS: dict[type, Callable[[Any], Map | None]] = {
    Shift: lambda _: Map("shift"),
    Affine: _affine,
    Gate: lambda gate: Map("gate", gate.bias, gate.floor),
    RQSpline: lambda spline: Map("spline", spline.bound, bins=spline.bins),
    Bernoulli: lambda _: Map("bernoulli"),
    Categorical: lambda _: Map("categorical"),
}


def compiled(univariate: Univariate) -> Map | None:
    """How the compiled sweep calls ``univariate``; None if it does not know it."""
    describe = _MAPS.get(type(univariate))
    return describe(univariate) if describe else None
