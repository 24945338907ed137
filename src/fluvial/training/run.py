"""Run folders: weights, configuration, metrics and some rows of a fitted model, as data and never as code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from safetensors import SafetensorError

from fluvial.core import Density
from fluvial.core.errors import FluvialError, RunError
from fluvial.models import build
from fluvial.training.checkpoint import write_atomically
from fluvial.training.progress import Record

FORMAT = 1
_ROOM = 1 << 30  # bytes that building a model may take beyond its weights
_UNFIT = (TypeError, ValueError, KeyError, AttributeError, IndexError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Saved:
    """What a run folder holds: a density with its weights, the configuration, metrics and rows."""

    density: Density
    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    rows: dict[str, np.ndarray]


@dataclass(frozen=True)
class RunFolder:
    """Where the files of one run are."""

    path: Path

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def rows(self) -> Path:
        return self.path / "data.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def lock(self) -> Path:
        return self.path / ".lock"

    @property
    def finished(self) -> bool:
        """The configuration is written last, so a run with one is complete."""
        return self.config.exists()

    def note(self, record: Record) -> None:
        """Append one epoch to the metrics."""
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record)) + "\n")
        except OSError as error:
            raise RunError(f"{self.metrics} could not be written: {error.strerror or error}") from error

    def add(self, name: str, value: object) -> None:
        """Add to the configuration of a finished run what was found out later, plain JSON; else nothing."""
        if self.finished:
            text = json.dumps({**_read_config(self.config), name: value}, indent=2, allow_nan=False)
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


@contextlib.contextmanager
def open_run(path: str | os.PathLike[str], *, force: bool = False, resume: bool = False) -> Generator[RunFolder]:
    """A run folder for one writer: made if need be, locked, and handed back.

    Args:
        force: start over in a folder that holds a run, which is deleted.
        resume: continue the run that the folder holds, if it holds one.

    Raises:
        RunError: the folder cannot be made, another process writes it, or it holds a run and neither
            ``force`` nor ``resume`` is given.
    """
    run = RunFolder(Path(path))
    made = not run.path.exists()
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"the run folder {path} could not be made: {error.strerror or error}") from None
    _take_lock(run.lock)
    try:
        if force and not resume:
            for file in (run.config, run.checkpoint, run.metrics, run.weights, run.rows):
                file.unlink(missing_ok=True)
        elif run.finished and not resume:
            raise RunError(f"{path} holds a finished run; choose another folder, or --force to replace that run")
        elif run.checkpoint.exists() and not resume:
            raise RunError(f"{path} holds an unfinished run; --resume continues it, --force starts over")
        if not run.finished:
            run.metrics.unlink(missing_ok=True)
        yield run
    finally:
        if not run.finished and not run.checkpoint.exists():  # of no use to anybody
            for file in (run.metrics, run.weights, run.rows):
                file.unlink(missing_ok=True)
        run.lock.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            if made:
                run.path.rmdir()  # nothing came of it: a folder with files stays


def load_run(path: str | os.PathLike[str]) -> Saved:
    """Read a finished run. Its files are data: nothing in them is executed, no name in them is opened.

    Raises:
        RunError: missing, unfinished, damaged, foreign or of a newer version, as a sentence.
    """
    run = RunFolder(Path(path))
    if not run.path.is_dir():
        raise RunError(f"there is no run folder {path}")
    if not run.finished:
        reason = "an unfinished run; resume it with --resume" if run.checkpoint.exists() else "no run of fluvial"
        raise RunError(f"{path} holds {reason}")
    config = _read_config(run.config)
    weights = _read(run.weights)
    try:
        tensors = safetensors.torch.load(weights)
    except (SafetensorError, *_UNFIT):
        raise RunError(f"{run.weights} is damaged or not a safetensors file; nothing in it was run") from None
    if hashlib.sha256(weights).hexdigest() != config["weights_sha256"]:
        raise RunError(f"{run.weights} is not the file that this run wrote; it is damaged or was replaced")
    try:
        with _bounded_memory(_ROOM + 8 * len(weights)):
            density = build(config["model"])
        density.load_state_dict(tensors)
    except FluvialError as error:
        raise RunError(f"{run.config} does not describe a model: {error}") from None
    except _UNFIT:
        raise RunError(f"the weights in {run.weights} do not fit the model in {run.config.name}") from None
    density.eval()
    try:
        rows = safetensors.numpy.load(_read(run.rows))
        metrics = [json.loads(line) for line in _read(run.metrics).decode().splitlines()]
    except (SafetensorError, *_UNFIT) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path} is damaged: {run.rows.name} or {run.metrics.name} cannot be read") from None
    return Saved(density, config, metrics, rows)


@contextlib.contextmanager
def _bounded_memory(room: int) -> Generator[None]:
    """Let this process grow by ``room`` bytes at most, so that sizes in a hostile configuration only fail."""
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [limit for limit in (used + room, soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path} is damaged: it is not JSON") from None
    form = config.get("format") if isinstance(config, dict) else None  # pyright: ignore
    if not isinstance(form, int):
        raise RunError(f"{path} was not written by fluvial: it has no format number")
    if form > FORMAT:
        version = config.get("version", "unknown")
        raise RunError(f"{path} has format {form} (fluvial {version}), this fluvial reads up to {FORMAT}: upgrade")
    for name in ("model", "schema", "weights_sha256"):
        if name not in config:
            raise RunError(f"{path} is damaged: it has no {name!r}")
    return config


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} could not be read: {error.strerror or error}") from None


def _take_lock(lock: Path) -> None:
    """Create the lock with our process number in it, taking over one whose process is gone."""
    for _ in range(2):
        try:
            with os.fdopen(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w") as file:
                file.write(str(os.getpid()))
            return
        except FileExistsError:
            owner = _owner(lock)
            if owner is None or _alive(owner):
                who = "another process" if owner is None else f"process {owner}"
                raise RunError(
                    f"{who} is writing {lock.parent}; wait for it, choose another folder, or delete {lock} "
                    "if that process is gone"
                ) from None
            lock.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"{lock} could not be written: {error.strerror or error}") from None
    raise RunError(f"another process has just started to write {lock.parent}; choose another folder")


def _owner(lock: Path) -> int | None:
    try:
        return int(lock.read_text())
    except (OSError, ValueError):
        return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
