"""The command line's fit: the bundled table, the run folder's name, and a progress bar."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from fluvial.core.errors import UsageError
from fluvial.data.abalone import load_abalone
from fluvial.data.tables import Table, read
from fluvial.interfaces.words import command
from fluvial.models import DEFAULT, resolve
from fluvial.tasks.fit import Progress, fit, line
from fluvial.tasks.model import Model
from fluvial.training import Record, Settings
from fluvial.training.run import RunFolder

_OWN = ("epochs", "budget", "seed", "device")  # settings that are flags of their own


def run_fit(
    data: str | None,
    *,
    model: str | None,
    context: tuple[str, ...],
    out: Path,
    epochs: int | None,
    budget: float | None,
    seed: int,
    resume: bool,
    assignments: Mapping[str, Any],
    drop_missing: bool,
    force: bool,
    device: str | None,
) -> Model:
    """Fit the table in ``data``, or the bundled one, and write the run folder ``out``."""
    if resume and force:
        raise UsageError("--resume goes on with a run and --force replaces it: give one of the two")
    training, options = _split(assignments)
    settings = Settings(epochs=epochs, budget=budget, seed=seed, device=device, **training)
    resolve(model or DEFAULT, options)
    table, units, given = _table(data, context)
    with _progress() as progress:
        return fit(
            table,
            model,
            context=given,
            units=units,
            out=out,
            seed=seed,
            resume=resume,
            force=force,
            drop_missing=drop_missing,
            options=options,
            settings=settings,
            progress=progress,
            command=shlex.join(["fluvial", *command.get()]),
        )


def run_folder(data: str | None, model: str | None, resume: bool, force: bool) -> Path:
    """runs/TABLE-MODEL, numbered if that is taken; the last one to resume or replace."""
    name = f"{Path(data).name.split('.')[0] if data else 'abalone'}-{model or DEFAULT}"
    free, last, n = Path("runs", name), None, 1
    while free.exists():
        last, n = free, n + 1
        free = Path("runs", f"{name}-{n}")
    return last if last is not None and (resume or force) else free


def resumable(folder: Path) -> bool:
    """Whether an interrupted fit can go on in this folder."""
    return RunFolder(folder).checkpoint.exists()


def _table(data: str | None, context: tuple[str, ...]) -> tuple[Table, dict[str, str], tuple[str, ...]]:
    if data is not None:
        return read(data), {}, context
    table, units = load_abalone()
    return table, {name: unit for name, unit in units.items() if name not in context}, context or ("Sex",)


def _split(assignments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What --set names: settings of training, and options of the model."""
    names = {f.name for f in fields(Settings)}
    flags = [name for name in assignments if name in _OWN]
    if flags:
        raise UsageError(f"--set {flags[0]}: this one has a flag of its own, --{flags[0]}")
    training = {k: v for k, v in assignments.items() if k in names}
    return training, {k: v for k, v in assignments.items() if k not in names}


@contextmanager
def _progress() -> Generator[bool | Progress]:
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
            bar.update(task, completed=record.elapsed, total=total, description=line(record))

        yield show
