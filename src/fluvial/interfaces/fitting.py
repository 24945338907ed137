"""The command line's fit: tables, sound, the bundled table, the run folder's name, and a progress bar."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fluvial.core.errors import UsageError
from fluvial.data.abalone import PATH as ABALONE
from fluvial.data.abalone import load_abalone
from fluvial.data.images import Images, read_images
from fluvial.data.listing import listing, read_table
from fluvial.data.rolls import Rolls, read_rolls
from fluvial.data.tables import Table, read
from fluvial.interfaces.words import command, listed_names, started
from fluvial.models import default_of
from fluvial.tasks.entrance import fit
from fluvial.tasks.fit import default_model
from fluvial.tasks.fit_image import image_words
from fluvial.tasks.fit_music import rolls_words
from fluvial.tasks.fit_sound import sound_line
from fluvial.tasks.job import Progress, Words
from fluvial.tasks.kinds import IMAGES, MUSIC, SOUND, TABLES, AnyModel, Kind, kind_of
from fluvial.tasks.origin import Origin, files_of
from fluvial.terminal import note
from fluvial.training import Record, Settings
from fluvial.training.run import RunFolder

_OWN = ("epochs", "budget", "seed", "device")  # settings that are flags of their own


@dataclass(frozen=True)
class Source:
    """What is to be learnt: data of a kind, and the model for it.

    Args:
        name: of the data.
        model, default: as the user named it, if so, and the one that else is taken.
        own: arguments of ``fit`` for this kind of data.
        words: a record of the training as a line of text.
    """

    data: Table | Images | Rolls | str | list[str]
    kind: Kind
    name: str
    model: str | None
    default: str
    context: tuple[str, ...]
    own: dict[str, Any]
    words: Callable[[Record], str] = field(default_factory=Words)
    files: tuple[str, ...] = ()


def opened(
    data: str | list[str] | None, model: str | None, context: Sequence[str] | None, own: Mapping[str, Any]
) -> Source:
    """The data that the command line names; None stands for the bundled table."""
    first = Path(data[0]).absolute().parent if isinstance(data, list) else Path(data or "abalone")
    name = first.name.split(".")[0]
    kind = TABLES if data is None else kind_of(data)
    given = {k: v for k, v in own.items() if v not in (None, False, {}, [])}
    kind.check(model, given, f", not {data}" if data and kind is TABLES else "")
    labels, files = listed_names(context), files_of(data)
    if kind is SOUND:
        return Source(data or "", kind, name, model, default_of(kind.name), labels, given, sound_line, files)
    if kind is IMAGES:
        images = read_images(data, given.pop("size", None), given.pop("labels", None))
        return Source(images, kind, name, model, default_of(kind.name), labels, given, image_words(images.shape), files)
    if kind is MUSIC:
        rolls = read_rolls(data)
        return Source(rolls, kind, name, model, default_of(kind.name), labels, given, rolls_words(rolls.notes), files)
    return _opened_table(data, name, model, context, given)


def _opened_table(
    data: object, name: str, model: str | None, context: Sequence[str] | None, given: dict[str, Any]
) -> Source:
    if data is None:
        table, units = load_abalone()
        files = (str(ABALONE),)
    else:
        table, units, files = read(data), dict[str, str](), files_of(data)
    columns = listed_names(context, table.names)
    given["drop"] = listed_names(given.get("drop"), table.names)
    units = {c: u for c, u in units.items() if c not in (*columns, *given["drop"])} | given.get("units", {})
    if units:
        given["units"] = units
    default = default_model(table.without(given["drop"]), columns, given.get("kinds"))
    return Source(table, TABLES, name, model, default, columns, given, files=files)


def run_fit(
    source: Source,
    *,
    out: Path,
    epochs: int | None,
    budget: str | None,
    seed: int,
    resume: bool,
    assignments: Mapping[str, Any],
    force: bool,
    device: str | None,
    holdout: float,
) -> AnyModel:
    """Fit the model to its source, and write the run folder ``out``."""
    if resume and force:
        raise UsageError("--resume goes on with a run and --force replaces it: give one of the two")
    training, options = _split(assignments)
    settings = Settings(epochs=epochs, budget=budget, seed=seed, device=device, **training)
    if isinstance(source.data, Table):
        _show(source.data, source)
    with _progress(source.words) as progress:
        return fit(
            source.data,
            source.model,
            context=source.context,
            out=out,
            resume=resume,
            force=force,
            holdout=holdout,
            options=options,
            settings=settings,
            progress=progress,
            origin=Origin(shlex.join(["fluvial", *command.get()]), source.files, started.get()),
            **source.own,
        )


def described(source: str) -> str:
    """How the table in a file is read, as text."""
    kind = kind_of(source)
    if kind is not TABLES:
        raise UsageError(f"info says how tables are read, and {source} is {kind.name}")
    return str(read_table(source))


def _show(table: Table, source: Source) -> None:
    """How the table was read, on stderr; the fit itself says what has to be mended, and ends with the notes."""
    found = listing(table.without(source.own.get("drop", ())), source.context, source.own.get("kinds"))
    note(replace(found, notes=(), problems=()))


def run_folder(source: Source, resume: bool, force: bool) -> Path:
    """runs/TABLE-MODEL, numbered if that is taken; the last one to resume or replace."""
    name = f"{source.name}-{source.model or source.default}"
    free, last, n = Path("runs", name), None, 1
    while free.exists():
        last, n = free, n + 1
        free = Path("runs", f"{name}-{n}")
    return last if last is not None and (resume or force) else free


def resumable(folder: Path) -> bool:
    """Whether an interrupted fit can go on in this folder."""
    return any(RunFolder(folder, replacing).checkpoint.exists() for replacing in (False, True))


def _split(assignments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What --set names: settings of training, and options of the model."""
    names = {f.name for f in fields(Settings)}
    flags = [name for name in assignments if name in _OWN]
    if flags:
        raise UsageError(f"--set {flags[0]}: this one has a flag of its own, --{flags[0]}")
    training = {k: v for k, v in assignments.items() if k in names}
    return training, {k: v for k, v in assignments.items() if k not in names}


@contextmanager
def _progress(words: Callable[[Record], str]) -> Generator[bool | Progress]:
    """A bar on a terminal; in a pipe a line every few seconds."""
    heard = sys.stderr is not None and sys.stderr.isatty()  # pyright: ignore[reportUnnecessaryComparison]
    if not heard or os.environ.get("TERM") == "dumb":
        yield True
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(BarColumn(24), TextColumn("{task.description}"), console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)

        def show(record: Record) -> None:
            total = None if record.left is None else record.elapsed + record.left
            bar.update(task, completed=record.elapsed, total=total, description=words(record))

        yield show
