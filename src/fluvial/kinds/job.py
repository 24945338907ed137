"""What every fit does around its data: the run folder, the training, the record, and the words for it."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

import fluvial
from fluvial.core import Density, Flow
from fluvial.core.errors import RunError, UsageError
from fluvial.core.numbers import share
from fluvial.core.randomness import drawing_from
from fluvial.core.workers import workers
from fluvial.data.words import counted
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.origin import Origin, circumstances, fingerprint
from fluvial.models import Aim, build
from fluvial.terminal import note
from fluvial.training import OBJECTIVES, Record, Rows, Settings, train
from fluvial.training.checkpoint import load as load_checkpoint
from fluvial.training.run import RunFolder, open_run
from fluvial.training.saved import Saved, load_run
from fluvial.training.terms import changed, tag_of

Progress = Callable[[Record], None]


@dataclass(frozen=True)
class Shown:
    """Progress as somebody shows it: a function of each record and of its line of text."""

    show: Callable[[Record, str], None]


F = TypeVar("F", bound=Fitted)


class DataSchema(Protocol):
    """What there is to know about data besides their values."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        ...


@dataclass(frozen=True)
class Lesson:
    """What a fit has to learn, once its data are ready.

    Args:
        density: trained in place.
        config: the model's, plain JSON, and the ``schema`` of the data: a resumed run must have the same.
        rows, validation: to train on and to stop by.
        words: the unit of the scores, in which progress is shown.
        sizes: how many of what there are, for the record.
        split: which part of the data judges, see :func:`~fluvial.kinds.parts.judged`.
        warnings: what whoever uses the model should know about its data.
        closed: whether the density is fitted already, in closed form, so that nothing is trained.
        objective: what it learns by.
    """

    density: Density
    config: dict[str, Any]
    schema: DataSchema
    rows: Rows
    validation: Rows | None
    words: Words
    sizes: Mapping[str, int]
    split: Mapping[str, Any]
    warnings: Sequence[str] = ()
    closed: bool = False
    objective: Aim = "likelihood"

    @property
    def tag(self) -> str:
        """Tells this model of these data from others."""
        return tag_of(self.config, self.schema.to_json())


@dataclass(frozen=True)
class Job:
    """How to fit, whatever is fitted.

    Args:
        settings: of the training; their seed decides the split and the initial weights too.
        holdout: share of the data kept aside to judge the model.
        out, resume, force: the run folder, see ``training.run.open_run``.
        progress: True for a line on stderr now and then, a function of each record, or of the record and its text.
        origin: of the fit, kept in the record; the budget counts from its ``began``.
    """

    settings: Settings
    holdout: float = 0.1
    out: str | os.PathLike[str] | None = None
    resume: bool = False
    force: bool = False
    progress: bool | Progress | Shown = False
    origin: Origin = field(default_factory=Origin)

    @property
    def seed(self) -> int:
        return self.settings.seed

    def check_holdout(self, what: str) -> None:
        """UsageError, a sentence, unless the share to hold out is one."""
        share("holdout", self.holdout, what)

    def build(self, config: Mapping[str, Any]) -> Density:
        """The model with the seed's initial weights."""
        with drawing_from(self.seed, lend=True):
            return build(config)

    def learn(
        self,
        lesson: Lesson,
        restore: Callable[[Saved, str | os.PathLike[str]], F],
        conclude: Callable[[dict[str, Any], list[dict[str, Any]]], F],
    ) -> F:
        """Train to the end and write the run folder, or return what a finished one holds.

        Args:
            restore: the model in a run folder that has been read.
            conclude: the fitted model from the record, which it adds the scores to, and the metrics.
        """
        with self._opened() as run:
            if self.out is not None and workers().agreed(run is not None and run.finished):
                folder = run or RunFolder(Path(self.out))
                return restore(self._finished(folder, lesson), folder.path)
            job = replace(self, settings=workers().agreed(self._resumed(run).settings))
            began = time.monotonic() if self.origin.began is None else self.origin.began
            records, threads = list[Record](), torch.get_num_threads()
            if not lesson.closed:
                records, threads = job._train(lesson, run, began)
            seconds = records[-1].elapsed if records else time.monotonic() - began
            training = {**_how_it_went(records, seconds), "threads": threads, "workers": workers().count}
            fitted = conclude(job._record(lesson, training, kept=run is not None), [asdict(r) for r in records])
            if run is not None:
                fitted.write(run)
        return fitted

    def _opened(self) -> contextlib.AbstractContextManager[RunFolder | None]:
        """The run folder to write; None where none is asked for, or another worker writes it."""
        if self.out is None or not workers().first:
            return contextlib.nullcontext()
        return open_run(self.out, force=self.force, resume=self.resume)

    def _record(self, lesson: Lesson, training: dict[str, Any], kept: bool) -> dict[str, Any]:
        """How the fit was made, as plain JSON."""
        files, density = self.origin.files, lesson.density
        digest = "" if files and not kept else lesson.rows.digest()
        return {
            "version": fluvial.__version__,
            "model": lesson.config,
            "command": self.origin.command,
            "data": fingerprint(files) if files else {"name": "data in memory", "blake2b": digest},
            "rows": digest if kept else "",
            **circumstances(self.settings.torch_device()),
            "seed": self.seed,
            "holdout": self.holdout,
            "exact": density.exact,
            "settings": asdict(self.settings),
            "training": training,
            "versions": _versions(),
            "warnings": list(lesson.warnings),
            "sizes": {**lesson.sizes, "parameters": sum(p.numel() for p in density.parameters())},
            "split": dict(lesson.split),
        }

    def _finished(self, run: RunFolder, lesson: Lesson) -> Saved:
        """The finished run that was to be resumed, if it is the one asked for; else a RunError, a sentence."""
        saved = load_run(run.path)
        config = saved.config
        before = (tag_of(config["model"], config["schema"]), config.get("rows", ""), config["settings"])
        otherwise = changed(before, (lesson.tag, lesson.rows.digest(), asdict(self.settings)))
        if otherwise:
            raise RunError(f"{run.path} holds a finished run, made {otherwise}")
        for name in ("epochs", "budget"):
            asked, was = getattr(self.settings, name), config["settings"].get(name)
            if asked is not None and asked != was:
                trained = counted(config["training"]["epochs"], "epoch")
                raise RunError(
                    f"{run.path} holds a finished run of {trained}, made with {name}={was}: it cannot be trained "
                    f"further; fit again with {name}={asked} and --force, which keeps this run until the new one is "
                    "complete"
                )
        if self.progress is not False:
            note(f"{run.path} holds this run already, finished; nothing was trained")
        return saved

    def _resumed(self, run: RunFolder | None) -> Job:
        """This job with the epochs and the budget of the run that it goes on with, where it names neither."""
        named = self.settings.epochs is not None or self.settings.budget is not None
        if run is None or not self.resume or named or not run.checkpoint.exists():
            return self
        kept = load_checkpoint(run.checkpoint)["settings"]
        return replace(self, settings=replace(self.settings, epochs=kept.epochs, budget=kept.budget))

    def _train(self, lesson: Lesson, run: RunFolder | None, began: float) -> tuple[list[Record], int]:
        """Train to the end; the records of whole epochs, and on how many threads it trained."""
        spent, budget = time.monotonic() - began, self.settings.clock
        if spent >= budget:
            raise UsageError(
                f"budget: reading and preparing took {spent:.1f} s, so nothing of {budget:g} s is left to train; give "
                "more time, or --epochs in its place (epochs=...)"
            )
        show = self._display(lesson.words)
        checkpoint = None if run is None else run.checkpoint
        records, threads = list[Record](), torch.get_num_threads()
        learnt = (lesson.density, lesson.rows, lesson.validation)
        aim = OBJECTIVES[lesson.objective]
        training = train(*learnt, self.settings, checkpoint, self.resume, tag=lesson.tag, began=began, objective=aim)
        with contextlib.closing(training):
            for record in training:
                if record.ended:
                    if run is not None:
                        run.note(record, first=not records)
                    records.append(record)
                threads = torch.get_num_threads()  # those of the training, while it goes on
                show(record)
        return records, threads

    def _display(self, words: Words) -> Progress:
        shown = self.progress
        if isinstance(shown, Shown):
            return lambda record: shown.show(record, words(record))
        return Lines(words) if shown is True else shown or _silent


def overruled(
    settings: Settings, epochs: int | None, budget: float | str | None, seed: int | None, device: str | None
) -> Settings:
    """The settings with those of ``fit``'s own arguments that are given."""
    return replace(
        settings,
        seed=settings.seed if seed is None else seed,
        epochs=settings.epochs if epochs is None else epochs,
        budget=settings.budget if budget is None else budget,
        device=settings.device if device is None else device,
    )


def a_flow(density: Density, name: str, needs: str) -> Flow:
    """The density, where it is a flow; else a UsageError, a sentence that says what one is needed for."""
    if isinstance(density, Flow):
        return density
    raise UsageError(f"model: {name} is not a flow, and {needs}: choose another model")


class Lines:
    """A line on stderr every few seconds."""

    def __init__(self, words: Words, seconds: float = 5.0) -> None:
        self.words, self.seconds, self.next = words, seconds, 0.0

    def __call__(self, record: Record) -> None:
        if time.monotonic() >= self.next or record.left == 0:
            self.next: float = time.monotonic() + self.seconds
            note(self.words(record))


@dataclass(frozen=True)
class Words:
    """Records of training in words: scores with the sign and the unit of the summary that follows.

    Args:
        unit: of the scores, in words; ``nats`` is what one of it comes to in nats, negative for log-likelihoods, which
            a record holds with the other sign.
        rows: what is counted.
    """

    unit: str = "nats a row"
    nats: float = -1.0
    rows: str = "rows"

    def __call__(self, record: Record) -> str:
        """One record for logs and pipes."""
        known = [("train", record.train), (self._validation(record), record.held_out), ("best", record.best)]
        scores = ", ".join(f"{name} {value / self.nats:.3f}" for name, value in known if value is not None)
        parts = [f"epoch {record.epoch}", *([f"{scores} {self.unit}"] if scores else [])]
        parts.append(f"{record.rows_per_second:,.0f} {self.rows}/s, {record.elapsed:.0f} s")
        if record.left is not None:
            parts.append(f"{record.left:.0f} s left")
        if record.skipped:
            parts.append(f"{counted(record.skipped, 'step')} skipped")
        return ", ".join(parts)

    @staticmethod
    def _validation(record: Record) -> str:
        """Inside an epoch the last score is that of the epoch before."""
        scored = record.epoch if record.ended else record.epoch - 1
        if record.ended and scored:
            return "validation"
        return f"validation after epoch {scored}" if scored else "validation before training"


def _silent(record: Record) -> None:
    """No progress."""


def _versions() -> dict[str, str]:
    """Of what a result depends on."""
    return {
        "fluvial": fluvial.__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _how_it_went(records: list[Record], seconds: float) -> dict[str, Any]:
    """The end of the training."""
    last = records[-1] if records else None
    return {
        "seconds": seconds,
        "epochs": last.epoch if last else 0,
        "steps": last.step if last else 0,
        "best_epoch": last.best_epoch if last else 0,
        "skipped": last.skipped if last else 0,
    }
