"""Which maps the compiled kernels know, and their numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fluvial.kernels.maps import Map
from fluvial.univariate.affine import Affine, Gate, Shift
from fluvial.univariate.discrete import Bernoulli, Categorical, DiscretizedLogistics, Tempered
from fluvial.univariate.spline import RQSpline
from fluvial.univariate.univariate import Univariate


def _tempered(tempered: Tempered) -> Map | None:
    inner = compiled(tempered.univariate)
    return inner and replace(inner, temperature=tempered.temperature * inner.temperature)


# by exact type: a subclass may compute something else
_MAPS: dict[type, Callable[[Any], Map | None]] = {
    Shift: lambda _: Map("shift"),
    Affine: lambda affine: affine.compiled,
    Gate: lambda gate: Map("gate", gate.bias, gate.floor),
    RQSpline: lambda spline: Map("spline", spline.bound, bins=spline.bins),
    Bernoulli: lambda _: Map("bernoulli"),
    Categorical: lambda _: Map("categorical"),
    DiscretizedLogistics: lambda m: Map("logistics", m.levels, m.floor, m.components),
    Tempered: _tempered,
}


def compiled(univariate: Univariate) -> Map | None:
    """How the compiled kernels call ``univariate``; None if they do not know it."""
    describe = _MAPS.get(type(univariate))
    return describe(univariate) if describe else None
