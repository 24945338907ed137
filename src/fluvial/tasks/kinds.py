"""The kinds of data there are, and what each is fitted and restored with: one table that everything else reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fluvial.core.errors import DataError, UsageError
from fluvial.data import audio, image_schema, images, recordings, rolls
from fluvial.data.folders import listing
from fluvial.data.image_arrays import is_idx
from fluvial.models import named_recipes, recipes
from fluvial.models.registry import unknown
from fluvial.tasks import fit as tables
from fluvial.tasks import fit_image, fit_music, fit_sound, image, model, music, sound
from fluvial.tasks.image import ImageModel
from fluvial.tasks.model import Model
from fluvial.tasks.music import RollModel
from fluvial.tasks.sound import SoundModel
from fluvial.training.saved import Saved

AnyModel = Model | SoundModel | ImageModel | RollModel


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Args:
        name: what it is called, and what the schema of a run says.
        holds: whether a source is of this kind.
        fit: (data, model, job, **arguments) -> a fitted model.
        restore: the model in a run folder that has been read.
        own: the arguments of ``fit`` that not all kinds have.
        give: what a user should give, in words.
    """

    name: str
    holds: Callable[[object], bool]
    fit: Callable[..., AnyModel]
    restore: Callable[[Saved, str | os.PathLike[str]], AnyModel]
    own: frozenset[str]
    give: str

    def check(self, model: str | None, given: Mapping[str, Any], what: str = "") -> None:
        """UsageError, a sentence, if the model or an argument that is ``given`` is of another kind."""
        for name in given:
            if name not in self.own:
                owners = " and ".join(k.name for k in KINDS if name in k.own)
                raise UsageError(f"{name} is about {owners}; this is about {self.name}")
        named = named_recipes(model) if model else ()
        if model and not named:
            raise unknown(model, [r.name for r in recipes(self.name)])
        others = [k for k in KINDS if k.name in {r.kind for r in named}]
        if others and self not in others:
            told = f": give {others[0].give}{what}"
            if self is not TABLES:
                told = f"; for {self.name} there is {', '.join(sorted(r.name for r in recipes(self.name)))}"
            raise UsageError(f"{model} is a model of {others[0].name}{told}")


TABLES = Kind(
    "tables",
    lambda source: True,
    tables.fit_table,
    model.restore,
    frozenset({"kinds", "units", "drop_missing", "drop", "validation"}),
    "a table",
)
SOUND = Kind(
    recordings.KIND,
    audio.is_sound,
    fit_sound.fit_sound,
    sound.restore,
    frozenset({"rate", "labels"}),
    "a sound file, a folder of them, or an .npz of recordings",
)
IMAGES = Kind(
    image_schema.KIND,
    images.is_images,
    fit_image.fit_image,
    image.restore,
    frozenset({"labels", "size", "flip"}),
    "an image file, a folder of them, an idx file or an array of uint8",
)
MUSIC = Kind(
    rolls.KIND,
    rolls.is_rolls,
    fit_music.fit_rolls,
    music.restore,
    frozenset(),
    "a .mat file, or an .npz archive with rolls and length",
)
_SINGLE = (".mat", ".npz", ".npy", ".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq", ".feather", ".arrow", ".ipc")
_NAMED = 4  # files or endings in a sentence
KINDS = (SOUND, IMAGES, MUSIC, TABLES)
"""In the order of who is asked first; what nothing else claims is a table."""


def kind_of(source: object) -> Kind:
    """The kind of what a user gives.

    Raises:
        DataError: a folder that holds several kinds, or none.
    """
    kinds = [k for k in KINDS if k.holds(source)]
    folder = isinstance(source, str | os.PathLike) and os.path.isdir(source)
    if len(kinds) > 2:
        names = " and ".join(k.name for k in kinds if k is not TABLES)
        raise DataError(f"{source} holds {names}: name the files of one kind, or a folder that holds these alone")
    if folder and kinds == [TABLES]:
        raise DataError(_no_kind(Path(cast("str | os.PathLike[str]", source))))
    return kinds[0]


def _no_kind(folder: Path) -> str:
    """What to say of a folder that holds neither sound nor images: which file in it to name, if there is one."""
    suffixes = ", ".join(sorted(audio.SUFFIXES | images.SUFFIXES))
    told = f"the folder {folder} holds neither sound nor images ({suffixes})"
    files = listing(folder)
    single = [str(path) for path in files if is_idx(path) or path.suffix.lower() in _SINGLE]
    if single:
        return f"{told}. Name one file instead: {' or '.join(single[:_NAMED])}" + (", ..." if single[_NAMED:] else "")
    held = sorted({path.suffix.lower() or "no ending" for path in files})
    return f"{told}, but {', '.join(held[:_NAMED])}" if held else f"{told}; it is empty"


def kind_of_run(saved: Saved) -> Kind:
    """The kind of data that a run was fitted to."""
    schema = saved.config["schema"]
    name = cast("dict[str, Any]", schema).get("kind") if isinstance(schema, dict) else None
    return next((k for k in KINDS if k.name == name), TABLES)
