"""Run folders: weights, configuration, metrics and some rows of a fitted model, as data and never as code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch

from fluvial.core import Density
from fluvial.core.errors import RunError
from fluvial.core.files import own_folder, read_regular, reason, remove_leftovers, sync_folder, write_atomically
from fluvial.core.typed import decoded
from fluvial.training.lock import release_lock, take_lock
from fluvial.training.progress import Record

FORMAT = 1
_NEXT = ".next"
_WEIGHTS, _ROWS, _METRICS, _CONFIG = "model.safetensors", "data.safetensors", "metrics.jsonl", "config.json"
_REPORT = ("report.html", "report.json")


@dataclass(frozen=True)
class RunFolder:
    """Where the files of one run are.

    A run that is to replace a finished one is written into a folder inside it, and its files take the old ones'
    places once all of them are there. The configuration is written last and moves last, so at every moment the
    old run is whole, or the new one is: what has not moved yet is read where it still lies.

    Args:
        replacing: whether this is the run that is to replace the one in ``path``.
    """

    path: Path
    replacing: bool = False

    @property
    def next(self) -> Path:
        """The folder of a run that is to replace this one."""
        return self.path / _NEXT

    @property
    def work(self) -> Path:
        """Where files are written."""
        return self.next if self.replacing else self.path

    @property
    def weights(self) -> Path:
        return self._file(_WEIGHTS)

    @property
    def config(self) -> Path:
        return self._file(_CONFIG)

    @property
    def metrics(self) -> Path:
        return self._file(_METRICS)

    @property
    def rows(self) -> Path:
        return self._file(_ROWS)

    @property
    def checkpoint(self) -> Path:
        return self.work / "checkpoint.pt"

    @property
    def lock(self) -> Path:
        return self.path / ".lock"

    @property
    def finished(self) -> bool:
        """The configuration is written last, so a run with one is complete."""
        return os.path.lexists(self.config)

    @property
    def replaced(self) -> bool:
        """Whether a complete new run waits to take the old one's place."""
        return not self.next.is_symlink() and (self.next / _CONFIG).is_file()

    def _file(self, name: str) -> Path:
        if not self.replacing and self.replaced and (self.next / name).is_file():
            return self.next / name
        return self.work / name

    def note(self, record: Record, first: bool) -> None:
        """Append one epoch to the metrics, or begin them anew: a resumed run writes the earlier ones again."""
        how = os.O_TRUNC if first else os.O_APPEND
        flags = os.O_WRONLY | os.O_CREAT | how | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            with os.fdopen(os.open(self.metrics, flags, 0o666), "a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record)) + "\n")
        except OSError as error:
            raise RunError(f"{self.metrics} could not be written: {reason(error)}") from error

    def add(self, name: str, value: object) -> None:
        """Add to the configuration of a finished run what was found out later, plain JSON; else nothing."""
        if self.finished:
            config = {**decoded(read_regular(self.config), str(self.config)), name: value}
            text = json.dumps(config, indent=2, allow_nan=False)
            write_atomically(self.config, (text + "\n").encode())

    def finish(
        self,
        density: Density,
        config: Mapping[str, Any],
        metrics: list[dict[str, Any]],
        rows: Mapping[str, np.ndarray],
    ) -> None:
        """Write the finished run; each file is whole, and the configuration comes last."""
        tensors = {k: v.detach().cpu().contiguous() for k, v in density.state_dict().items()}
        weights = safetensors.torch.save(tensors)
        digest = hashlib.sha256(weights).hexdigest()
        text = json.dumps({"format": FORMAT, "weights_sha256": digest, **config}, indent=2, allow_nan=False)
        lines = "".join(json.dumps(m) + "\n" for m in metrics)
        arrays = {k: np.ascontiguousarray(v) for k, v in rows.items()}
        write_atomically(self.weights, weights)
        write_atomically(self.rows, safetensors.numpy.save(arrays))
        write_atomically(self.metrics, lines.encode())
        write_atomically(self.config, (text + "\n").encode())
        self.checkpoint.unlink(missing_ok=True)
        self.settle()

    def settle(self) -> None:
        """Let a complete new run take the old one's place: the configuration last, so that it can be done again."""
        if not self.replaced:
            return
        try:
            for name in _REPORT:  # of the old run
                (self.path / name).unlink(missing_ok=True)
            for name in (_WEIGHTS, _ROWS, _METRICS, _CONFIG):
                if (self.next / name).is_file():
                    os.replace(self.next / name, self.path / name)
                    sync_folder(self.path)
        except OSError as error:
            raise RunError(f"{self.path} could not be replaced by the new run: {reason(error)}") from error
        shutil.rmtree(self.next, ignore_errors=True)


@contextlib.contextmanager
def open_run(path: str | os.PathLike[str], *, force: bool = False, resume: bool = False) -> Generator[RunFolder]:
    """A run folder for one writer: made if need be, locked, and handed back.

    Args:
        force: start over in a folder that holds a run. A finished one is kept until the new one is complete.
        resume: continue the run that the folder holds, if it holds one.

    Raises:
        RunError: the folder cannot be made, another process writes it, or it holds a run and neither
            ``force`` nor ``resume`` is given.
    """
    folder = Path(path)
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise RunError(f"the run folder {path} could not be made: {reason(error)}") from None
    lock = RunFolder(folder).lock
    try:
        take_lock(lock)
        try:
            run = _opened(folder, force, resume)
            try:
                yield run
            finally:
                _tidy(run)
        finally:
            release_lock(lock)
    finally:
        with contextlib.suppress(OSError):
            if made:
                folder.rmdir()  # nothing came of it: a folder with files stays


def _opened(folder: Path, force: bool, resume: bool) -> RunFolder:
    """The run to write, once nothing in the folder stands against it."""
    run, new = RunFolder(folder), RunFolder(folder, replacing=True)
    for place in (run.path, run.path / "figures"):
        remove_leftovers(place)
    if run.next.is_symlink():
        raise RunError(f"{run.next} is a link, which is not followed: remove it")
    run.settle()
    remove_leftovers(new.path)
    if resume:
        run = new if new.checkpoint.exists() else run
    elif force:
        run = new if run.finished else run
        _clear(run)
    elif run.finished:
        also = " and an unfinished one to replace it, which --resume continues" if new.checkpoint.exists() else ""
        raise RunError(f"{folder} holds a finished run{also}; choose another folder, or --force to replace that run")
    elif run.checkpoint.exists():
        raise RunError(f"{folder} holds an unfinished run; --resume continues it, --force starts over")
    if run.replacing:
        own_folder(run.next)
    return run


def _clear(run: RunFolder) -> None:
    """Remove what an unfinished run has written."""
    if run.replacing:
        shutil.rmtree(run.next, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        for file in (run.checkpoint, run.metrics, run.weights, run.rows):
            file.unlink(missing_ok=True)


def _tidy(run: RunFolder) -> None:
    """Remove what is of no use to anybody: the files of a run without a checkpoint to go on from."""
    done = not run.next.exists() if run.replacing else run.finished
    if not done and not run.checkpoint.exists() and not run.replaced:
        _clear(run)
