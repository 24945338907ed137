"""The command line's fit: the data that it names, the run folder's name, and a progress bar."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fluvial.core.errors import UsageError
from fluvial.data.abalone import PATH as ABALONE
from fluvial.data.listing import read_table
from fluvial.data.named import paths_of
from fluvial.interfaces.flags import parsed
from fluvial.interfaces.words import command, started
from fluvial.kinds.every import check, kind_of, named
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.job import Shown
from fluvial.kinds.kind import Kind, Opened
from fluvial.kinds.origin import Origin, files_of
from fluvial.tasks.fit import fit
from fluvial.terminal import note, worker
from fluvial.training import Record, Settings
from fluvial.training.run import RunFolder

_OWN = ("epochs", "budget", "seed", "device")  # settings that are flags of their own


@dataclass(frozen=True)
class Source:
    """What is to be learnt: data of a kind, read once, and the model for it.

    Args:
        name: of the data; ``files`` are what they were read from.
        model: as the user named it, if so.
    """

    kind: Kind
    name: str
    model: str | None
    opened: Opened
    files: tuple[str, ...]


def opened(
    data: str | list[str] | None, model: str | None, context: Sequence[str] | None, typed: Mapping[str, Any]
) -> Source:
    """The data that the command line names; None stands for the bundled table."""
    first = Path(data[0]).absolute().parent if isinstance(data, list) else Path(data or str(ABALONE))
    kind = named("tables") if data is None else kind_of(data, typed, model)
    check(kind, model, typed, f", not {data}" if data and kind.name == "tables" else "")
    found = kind.open(data, context, parsed(kind, "fit", typed))
    if isinstance(data, str) and paths_of(data) != [data]:  # a pattern
        first = first.absolute().parent
    return Source(kind, first.name.split(".")[0], model, found, files_of(data or str(ABALONE)))


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
) -> Fitted:
    """Fit the model to its source, and write the run folder ``out``."""
    if resume and force:
        raise UsageError("--resume goes on with a run and --force replaces it: give one of the two")
    training, options = _split(assignments)
    settings = Settings(epochs=epochs, budget=budget, seed=seed, device=device, **training)
    if source.opened.about:
        note(source.opened.about)
    with _progress() as progress:
        return fit(
            source.opened.data,
            source.model,
            context=source.opened.context,
            out=out,
            resume=resume,
            force=force,
            holdout=holdout,
            options=options,
            settings=settings,
            progress=progress,
            origin=Origin(shlex.join(["fluvial", *command.get()]), source.files, started.get()),
            **source.opened.options,
        )


def described(source: str) -> str:
    """How the table in a file is read, as text."""
    kind = kind_of(source)
    if kind.name not in ("tables", "series"):
        raise UsageError(f"info says how tables are read, and {source} is {kind.name}")
    regular = "note: one column holds regular times, so fit takes it for series; --table, for rows that are independent"
    return "\n".join([str(read_table(source)), *([regular] if kind.name == "series" else [])])


def run_folder(source: Source, resume: bool, force: bool) -> Path:
    """runs/TABLE-MODEL, numbered if that is taken; the last one to resume or replace."""
    name = f"{source.name}-{source.model or source.opened.model}"
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
def _progress() -> Generator[bool | Shown]:
    """A bar on a terminal; in a pipe a line every few seconds."""
    heard = sys.stderr is not None and sys.stderr.isatty()  # pyright: ignore[reportUnnecessaryComparison]
    if not heard or worker() or os.environ.get("TERM") == "dumb":
        yield True
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(BarColumn(24), TextColumn("{task.description}"), console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)

        def show(record: Record, text: str) -> None:
            total = None if record.left is None else record.elapsed + record.left
            bar.update(task, completed=record.elapsed, total=total, description=text)

        yield Shown(show)
