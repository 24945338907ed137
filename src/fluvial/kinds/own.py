"""Densities of the user's own, given to ``fit`` as objects: what they may be, and that no run folder can hold them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fluvial.core import Density
from fluvial.core.errors import UsageError

_NAME = (
    "register its recipe, fluvial.models.register(recipe), and fit by that name, with options={...} for its arguments"
)


def check_own(
    model: object, table: bool, out: str | os.PathLike[str] | None, options: Mapping[str, Any] | None
) -> None:
    """UsageError, a sentence, unless an object can be fitted, to a ``table``, and is not to be saved."""
    if not isinstance(model, Density):
        raise UsageError(f"model: expected a name or a fluvial.core.Density, got {type(model).__name__}")
    name = type(model).__name__
    if not table:
        raise UsageError(f"model: {name} is an object, which tables alone are fitted with; give the name of a model")
    if options:
        raise UsageError(f"options: {name} is made already; {_NAME}")
    if out is not None:
        raise UsageError(f"out: {_unsaved(name)}")


def check_saved(record: Mapping[str, Any]) -> None:
    """UsageError, a sentence, if the model of a record was given as an object."""
    if record["model"].get("own"):
        raise UsageError(_unsaved(record["model"]["model"]))


def _unsaved(name: str) -> str:
    return f"a run folder makes its model anew from a recipe, and {name} was given as an object: {_NAME}"
