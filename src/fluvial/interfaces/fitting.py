"""The command line's fit: tables, sound, the bundled table, the run folder's name, and a progress bar."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fluvial.core.errors import UsageError
from fluvial.data.abalone import load_abalone
from fluvial.data.audio import is_sound
from fluvial.data.rolls import Rolls, is_rolls, read_rolls
from fluvial.data.tables import Table, read
from fluvial.interfaces.words import command
from fluvial.models import DEFAULT, MUSIC, SOUND, resolve
from fluvial.tasks.entrance import fit
from fluvial.tasks.fit import Progress, default_model, line
from fluvial.tasks.fit_music import DEFAULT as MUSIC_DEFAULT
from fluvial.tasks.fit_music import rolls_line
from fluvial.tasks.fit_sound import DEFAULT as SOUND_DEFAULT
from fluvial.tasks.fit_sound import LEARNING_RATE, sound_line
from fluvial.tasks.model import Model
from fluvial.tasks.music import RollModel
from fluvial.tasks.sound import SoundModel
from fluvial.training import Record, Settings
from fluvial.training.run import RunFolder

_OWN = ("epochs", "budget", "seed", "device")  # settings that are flags of their own


@dataclass(frozen=True)
class Source:
    """What is to be learnt: a table, piano rolls, or files of sound; and the model, its default if none was named."""

    data: Table | Rolls | str | list[str]
    name: str
    model: str
    context: tuple[str, ...]
    units: dict[str, str]

    @property
    def sound(self) -> bool:
        return not isinstance(self.data, Table | Rolls)

    @property
    def line(self) -> Callable[[Record], str]:
        """How a record of the training reads."""
        if isinstance(self.data, Rolls):
            notes = self.data.notes
            return lambda record: rolls_line(record, notes)
        return sound_line if self.sound else line


def opened(data: str | list[str] | None, model: str | None, context: tuple[str, ...]) -> Source:
    """The data that the command line names; None stands for the bundled table, given the sex."""
    first = Path(data[0]).absolute().parent if isinstance(data, list) else Path(data or "abalone")
    name = first.name.split(".")[0]
    if data is not None and is_sound(data):
        return Source(data, name, model or SOUND_DEFAULT, context, {})
    if is_rolls(data):
        return Source(read_rolls(data), name, model or MUSIC_DEFAULT, context, {})
    if model in MUSIC:
        raise UsageError(f"{model} is a model of piano rolls: give a .mat file, or an .npz with rolls and length")
    if model in SOUND:
        what = "give a sound file, a folder of them, or an .npz of recordings"
        raise UsageError(f"{model} is a model of sound: {what}{f', not {data}' if data else ''}")
    if data is not None:
        table = read(data)
        return Source(table, name, model or default_model(table, context), context, {})
    table, units = load_abalone()
    given = context or ("Sex",)
    return Source(table, name, model or DEFAULT, given, {c: u for c, u in units.items() if c not in given})


def run_fit(
    source: Source,
    *,
    out: Path,
    epochs: int | None,
    budget: float | None,
    seed: int,
    resume: bool,
    assignments: Mapping[str, Any],
    drop_missing: bool,
    force: bool,
    device: str | None,
    rate: int | None = None,
    labels: str | None = None,
) -> Model | SoundModel | RollModel:
    """Fit the model to its source, and write the run folder ``out``."""
    if resume and force:
        raise UsageError("--resume goes on with a run and --force replaces it: give one of the two")
    training, options = _split(assignments)
    if source.sound:
        training.setdefault("learning_rate", LEARNING_RATE)
    settings = Settings(epochs=epochs, budget=budget, seed=seed, device=device, **training)
    resolve(source.model, options)
    with _progress(source.line) as progress:
        return fit(
            source.data,
            source.model,
            context=source.context,
            units=source.units,
            out=out,
            seed=seed,
            resume=resume,
            force=force,
            drop_missing=drop_missing,
            rate=rate,
            labels=labels,
            options=options,
            settings=settings,
            progress=progress,
            command=shlex.join(["fluvial", *command.get()]),
        )


def run_folder(source: Source, resume: bool, force: bool) -> Path:
    """runs/TABLE-MODEL, numbered if that is taken; the last one to resume or replace."""
    name = f"{source.name}-{source.model}"
    free, last, n = Path("runs", name), None, 1
    while free.exists():
        last, n = free, n + 1
        free = Path("runs", f"{name}-{n}")
    return last if last is not None and (resume or force) else free


def resumable(folder: Path) -> bool:
    """Whether an interrupted fit can go on in this folder."""
    return RunFolder(folder).checkpoint.exists()


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
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
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
