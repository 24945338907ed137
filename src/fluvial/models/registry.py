"""The models that there are, by name: fluvial's own, those of installed packages, and those that users register."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules

from fluvial.core.errors import UsageError
from fluvial.core.transform import EventShape
from fluvial.models.recipe import Make, Recipe, Values

GROUP = "fluvial.models"
"""The entry points under which installed packages name recipes of their own."""

REGISTER = (
    f"A model of your own has its recipe registered first, by fluvial.models.register(recipe) or by an installed "
    f"package's entry point of the group {GROUP}"
)

_registered: dict[str, Recipe] = {}


@cache
def _own() -> tuple[Recipe, ...]:
    """The records of the files beside this one."""
    package = import_module("fluvial.models")
    files = (import_module(f"fluvial.models.{m.name}") for m in iter_modules(package.__path__))
    return tuple(recipe for file in files for recipe in vars(file).get("RECIPES", ()))


def recipes(kind: str | None = None) -> tuple[Recipe, ...]:
    """The models of a kind of data, or of all kinds.

    >>> [r.name for r in recipes("images") if r.default]
    ['multiscale']
    """
    return tuple(r for r in (*_own(), *_registered.values()) if kind in (None, r.kind))


def default_of(kind: str, values: Values | None = None) -> str:
    """The model that ``fit`` takes for this kind of data, and of values, where none is named."""
    return next(r.name for r in recipes(kind) if r.default and values in (None, r.values))


def register(recipe: Recipe | Make) -> Recipe:
    """Add a model of your own: ``fit``, the command line and saved runs then know it by name.

    A run that was saved is loaded where its recipe is registered: by this call, or by a package that is installed, in
    its entry points of the group "fluvial.models". A run holds the name of the recipe, its options and the weights.

    Args:
        recipe: a :class:`Recipe`; a function stands for ``Recipe(function)``, over standardised rows of a table.

    Returns:
        The recipe.

    Raises:
        UsageError: the name is taken, or the function is not a recipe.

    >>> from fluvial import models
    >>> def narrow(event_shape, *, width=8, context_shape=None):
    ...     return models.maf(event_shape, hidden=(width,), context_shape=context_shape)
    >>> models.build({"model": register(narrow).name, "event_shape": [3], "options": {"width": 4}}).event_shape
    (3,)
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    before = next((r for r in recipes() if r.name == recipe.name), None)
    if before is not None and (before in _own() or _where(before) != _where(recipe)):
        raise UsageError(f"there is a model named {recipe.name!r} already: register yours under another name")
    _registered[recipe.name] = recipe
    return recipe


def _where(recipe: Recipe) -> tuple[str, str]:
    """Where its function is written: what a notebook's cell defines anew takes the place of what it was."""
    return recipe.make.__module__, recipe.make.__qualname__


def recipe_of(name: str, event_shape: EventShape = ()) -> Recipe:
    """The record of the model of this name for events of this shape: (C, H, W) for a model of images.

    Raises:
        UsageError: there is none, as a sentence with the nearest name.
    """
    named = named_recipes(name)
    for recipe in named:
        if recipe.fits(event_shape):
            return recipe
    if named:
        expects = "images, (C, H, W)" if named[0].kind == "images" else "vectors, (D,)"
        raise UsageError(f"{name} is a model of {expects}, but the events have shape {tuple(event_shape)}")
    raise unknown(name, [r.name for r in recipes() if r.fits(event_shape)])


def unknown(name: str, known: Sequence[str]) -> UsageError:
    """What to say of a name that no model has, and none of those ``known``: one that is near, or how to add it."""
    suggestion = hint(name, known)
    return UsageError(
        f"there is no model named {name!r}{suggestion}{'' if 'did you mean' in suggestion else f'. {REGISTER}'}"
    )


def named_recipes(name: str) -> Sequence[Recipe]:
    """Those of this name, one of an installed package among them: none, one, or one of vectors and one of images."""
    if all(r.name != name for r in recipes()):
        for entry in entry_points(group=GROUP, name=name):
            _install(entry)
    return [r for r in recipes() if r.name == name]


def _install(entry: EntryPoint) -> None:
    """Register what a package's entry point names.

    Raises:
        UsageError: it cannot be imported, or goes by another name there.
    """
    try:
        recipe = register(entry.load())
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the package that has the model {entry.name!r} cannot be imported: {error}") from None
    if recipe.name != entry.name:
        raise UsageError(f"the entry point {entry.name!r} of {GROUP} names a recipe that is called {recipe.name!r}")


def hint(name: str, known: Iterable[str]) -> str:
    """What to say behind a name that is not among those ``known``."""
    known = sorted(set(known))
    if not known:
        return ""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
