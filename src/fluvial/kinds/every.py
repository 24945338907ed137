"""The kinds of data there are: one tuple that everything else reads."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fluvial.kinds.images.kind import ImagesKind
from fluvial.kinds.kind import Kind
from fluvial.kinds.music.kind import MusicKind
from fluvial.kinds.series.kind import SeriesKind
from fluvial.kinds.sound.kind import SoundKind
from fluvial.kinds.tables.kind import TablesKind
from fluvial.terminal import note

if TYPE_CHECKING:
    from fluvial.training.saved import Saved

GROUP = "fluvial.kinds"
"""The entry points under which installed packages name kinds of data of their own, subclasses of :class:`Kind`."""

_TABLES = TablesKind()
KINDS: list[Kind] = [SoundKind(), ImagesKind(), MusicKind(), SeriesKind(), _TABLES]
"""In the order of who is asked first; what nothing else claims is a table."""
_SINGLE = (".mat", ".npz", ".npy", ".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq", ".feather", ".arrow", ".ipc")
_NAMED = 4  # files or endings in a sentence


def register(kind: Kind) -> None:
    """Add a kind of data, which is asked before those that are there.

    ``fit`` and ``load`` know it from then on, and so does the command line where an installed package names it in its
    entry points of the group "fluvial.kinds".
    """
    KINDS.insert(0, kind)


def register_installed() -> None:
    """Add the kinds that installed packages name; one that cannot be imported is left out, in a sentence."""
    for entry in entry_points(group=GROUP):
        try:
            register(entry.load()())
        except (ImportError, AttributeError) as error:
            note(f"the package that has the kind of data {entry.name!r} cannot be imported, and is left out: {error}")


register_installed()


def kind_of(source: object, given: Collection[str] = (), model: object = None) -> Kind:
    """The kind of what a user gives; arguments that are ``given``, and the model named, tell which of several.

    Raises:
        DataError: a folder that holds several kinds, or none.
    """
    from fluvial.core.errors import DataError

    of = _kinds_of(model) if isinstance(model, str) else set()
    decided = next((k for k in KINDS if not {*k.decisive}.isdisjoint(given)), None)
    decided = decided or next((k for k in KINDS if k.decisive and k is not _TABLES and of == {k.name}), None)
    if decided is not None:
        return decided
    kinds = [k for k in KINDS if k.claims(source)]
    folder = isinstance(source, str | os.PathLike) and os.path.isdir(source)
    if len(kinds) > 2:
        names = " and ".join(k.name for k in kinds if k is not _TABLES)
        raise DataError(f"{source} holds {names}: name the files of one kind, or a folder that holds these alone")
    if folder and kinds == [_TABLES] and not _holds_tables(source):
        raise DataError(_no_kind(Path(cast("str | os.PathLike[str]", source))))
    return _suited(kinds, given, model)


def _kinds_of(model: str) -> set[str]:
    """The kinds of data that there is a model of this name for."""
    from fluvial.models import named_recipes

    return {r.kind for r in named_recipes(model)}


def _suited(kinds: list[Kind], given: Collection[str], model: object) -> Kind:
    """The first; among those that read tables, the first that takes what is given and has a model of that name."""
    if not kinds[0].decisive:  # sound is sound, whatever is asked of it
        return kinds[0]
    takes = [k for k in kinds if set(given) <= set(k.takes("fit"))]
    if model is not None and len(kinds) > 1:
        of = _kinds_of(model) if isinstance(model, str) else {_TABLES.name}
        takes = [k for k in takes or kinds if k.name in of]
    return next(iter(takes), kinds[0])


def kind_of_run(saved: Saved) -> Kind:
    """The kind of data that a run was fitted to."""
    schema = saved.config["schema"]
    return named(cast("dict[str, Any]", schema).get("kind") if isinstance(schema, dict) else None)


def named(name: object) -> Kind:
    """The kind of this name; tables where there is none."""
    return next((k for k in KINDS if k.name == name), _TABLES)


def check(kind: Kind, model: str | None, given: Mapping[str, Any], hint: str = "") -> None:
    """UsageError, a sentence, if the model or an argument that is ``given`` is of another kind of data.

    Args:
        hint: what else to say where tables are given for a model of something else.
    """
    from fluvial.core.errors import UsageError
    from fluvial.models import named_recipes, recipes
    from fluvial.models.registry import unknown

    only(kind, "fit", given)
    found = named_recipes(model) if model else ()
    own = [r.name for r in recipes(kind.name)]
    if model and not found:
        raise unknown(model, own)
    others = [k for k in KINDS if k.name in {r.kind for r in found}]
    if others and kind not in others:
        said = (
            f": give {others[0].give}{hint}"
            if kind is _TABLES
            else f"; for {kind.name} there is {', '.join(sorted(own))}"
        )
        raise UsageError(f"{model} is a model of {others[0].name}{said}")


def only(kind: Kind, verb: str, given: Mapping[str, Any], dashes: str = "") -> None:
    """UsageError, a sentence, if "fit", "score" or "sample" is ``given`` an option that this kind does not take."""
    from fluvial.core.errors import UsageError

    for name in given:
        if name not in kind.takes(verb):
            owners = [k for k in KINDS if name in k.takes(verb)]
            if not owners:
                raise UsageError(f"{verb} has no argument {name!r}")
            word = owners[0].takes(verb)[name].word if dashes else name
            names = " and ".join(k.name for k in owners)
            this = "this run is of" if dashes else "this is about"
            raise UsageError(f"{dashes}{word} is about {names}; {this} {kind.name}")


def _holds_tables(folder: object) -> bool:
    from fluvial.data.named import holds_tables  # which loads torch

    return holds_tables(Path(cast("str | os.PathLike[str]", folder)))


def _no_kind(folder: Path) -> str:
    """What to say of a folder that holds neither sound nor images: which file in it to name, if there is one."""
    from fluvial.data.folders import listing
    from fluvial.kinds.images.arrays import is_idx
    from fluvial.kinds.images.read import SUFFIXES as IMAGES
    from fluvial.kinds.sound.read import SUFFIXES as SOUND

    said = f"the folder {folder} holds neither sound nor images ({', '.join(sorted(SOUND | IMAGES))})"
    files = listing(folder)
    single = [str(path) for path in files if is_idx(path) or path.suffix.lower() in _SINGLE]
    if single:
        return f"{said}. Name one file instead: {' or '.join(single[:_NAMED])}" + (", ..." if single[_NAMED:] else "")
    held = sorted({path.suffix.lower() or "no ending" for path in files})
    return f"{said}, but {', '.join(held[:_NAMED])}" if held else f"{said}; it is empty"
