"""The one training loop."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fluvial.core import Density
from fluvial.core.errors import RunError
from fluvial.core.randomness import Source, drawing_from, draws_by_itself, permutation
from fluvial.core.workers import LostWorkerError, workers
from fluvial.data.words import counted
from fluvial.training import checkpoint as files
from fluvial.training.device import DeviceUpdate
from fluvial.training.objectives import LIKELIHOOD, Objective
from fluvial.training.progress import Progress, Record
from fluvial.training.rows import Rows
from fluvial.training.schedule import CUT, Schedule
from fluvial.training.settings import Settings
from fluvial.training.terms import SAME, changed
from fluvial.training.update import Update
from fluvial.transforms.normalization import needs_statistics, pool_statistics

if TYPE_CHECKING:
    from fluvial.training.formats import Checkpoint

_BAD_STEPS, _ROLLBACKS = 3, 20
_SMALL = 2e9  # operations of a step below which a second thread costs more than it gives


class Loop:
    """Steps, evaluations and checkpoints of one run; see ``train``.

    Several workers hold the same weights and counters at every step: each computes the gradient of its share of the
    batch, the first one evaluates and decides, and only that one is given a ``path``.
    """

    def __init__(
        self,
        density: Density,
        data: Rows,
        held_out: Rows | None,
        settings: Settings,
        path: Path | None,
        tag: str,
        began: float | None = None,
        objective: Objective = LIKELIHOOD,
    ) -> None:
        self.objective, self.workers = objective, workers()
        self.settings, self.path, self.device = settings, path, settings.torch_device()
        self.tag, self.digest = tag, "" if path is None and not self.workers.several else data.digest()
        self.workers.check_same("another model, other settings or other rows", f"{settings} {tag} {self.digest}")
        self.density: Density = density.to(self.device)
        self.data: Rows = data.to(self.device)
        self.held_out: Rows | None = None if held_out is None else held_out.to(self.device)
        self.batch_size: int = self.workers.count * (settings.batch_size or data.batch_size)
        self.batches: int = len(data.batches(torch.arange(len(data)), self.batch_size))
        self.schedule: Schedule = Schedule(settings, self.batches)
        kind = DeviceUpdate if self.device.type == "cuda" else Update
        decay = settings.decay(*data.size)
        self.update: DeviceUpdate | Update = kind(self.density, settings, decay, self.device, objective)
        self.progress = Progress()
        self.source, self.lend = Source(settings.seed), draws_by_itself(density)
        self.best = _copied(density)
        now = time.monotonic()
        self.began: float = now if began is None else min(began, now)
        self.ahead: float = now - self.began  # seconds of the budget that went by before this loop
        self.told: float = self.ahead  # by the first of several workers, where a budget makes the clock decide
        self.clean = True  # False only while weights and counters are out of step

    @property
    def threads(self) -> int:
        """One for small steps, whose threads would mostly wait for each other, and for a busy core to come free."""
        work = (
            6 * self.data.count() / self.batches / self.workers.count * sum(p.numel() for p in self.update.parameters)
        )
        return 1 if work < _SMALL else torch.get_num_threads()

    def start(self) -> Record:
        """Data-dependent initialisation and the score before training."""
        self.source.restart(self.settings.seed)
        with drawing_from(self.source, self.lend):
            order = _order(len(self.data), self.settings.seed, 0)
            most = max(self.batch_size, self.data.initial)
            index = self.data.batches(order, most)[0][:most]
            self.density.eval()
            self.density.initialize(*self.data.rows(index, self.device))
        self.workers.follow(self.density)
        self.update.begin()
        return self._end_epoch(self._evaluate())

    def run(self, every: float, pulse: float) -> Generator[Record]:
        """Train to the end, whoever stops it: a checkpoint each ``every`` seconds, a record each ``pulse``."""
        try:
            self._save()
            saved = time.monotonic()
            while not self.schedule.finished(self.progress, self._elapsed()):
                record = self._advance(min(pulse, every))
                if time.monotonic() - saved >= every:
                    self._save()
                    saved = time.monotonic()
                yield record
            self._save()
        except (KeyboardInterrupt, GeneratorExit, LostWorkerError):
            if self.clean:
                self._save()
            raise
        finally:
            self.density.load_state_dict(self.best)
            self.density.eval()

    def _advance(self, seconds: float) -> Record:
        """Steps for some seconds, or to the epoch's end if that comes first."""
        p = self.progress
        until = time.monotonic() + seconds
        order = _order(len(self.data), self.settings.seed, p.epoch + 1)
        parts = self.data.batches(order, self.batch_size)
        self.density.train()
        with drawing_from(self.source, self.lend):
            while p.batch < len(parts) and not self.schedule.out_of_time(self._elapsed()):
                self._step(parts[p.batch])
                if time.monotonic() >= until and p.batch < len(parts):
                    self.update.read(p)
                    return self._record(ended=False)
        self.update.read(p)
        held_out = self._evaluate()  # before anything moves, so that an interruption here loses nothing
        self.clean = False
        p.epoch, p.batch = p.epoch + 1, 0
        record = self._end_epoch(held_out)
        self.clean = True
        return record

    def _step(self, index: Tensor) -> None:
        p = self.progress
        self._agree_on_time()
        self.source.restart(_mixed(self.settings.seed, p.epoch + 1, p.batch, self.workers.rank))
        units, mine = self.data.count(index), self.workers.share(index)
        x, context = self.data.rows(mine, self.device) if len(mine) else (mine, None)
        self.update.compute(x, context, units)
        self.clean = False
        self.update.apply(units, self.schedule.learning_rate(p, self._elapsed()), p)
        if (p.step + 1) % self.update.every == 0:
            self.update.read(p)
            if p.bad_steps >= _BAD_STEPS:
                self._roll_back()
        p.step, p.batch = p.step + 1, p.batch + 1
        self.clean: bool = True

    def _roll_back(self) -> None:
        """Back to the best weights with half the learning rate and no momentum."""
        p = self.progress
        p.bad_steps, p.rollbacks, p.learning_scale = 0, p.rollbacks + 1, 0.5 * p.learning_scale
        if p.rollbacks > _ROLLBACKS:
            raise RunError(
                f"training did not stay finite: {p.skipped} of {p.step} steps were skipped and "
                f"{_ROLLBACKS} returns to earlier weights did not help; look for extreme values in the data"
            )
        self.update.write(p)
        self.update.restore(self.best)

    def _end_epoch(self, held_out: float | None) -> Record:
        """Note the score, keep a true copy of the best weights, lower the learning rate on a plateau."""
        p = self.progress
        mean = p.loss / p.rows if p.rows else None
        p.held_out = held_out
        judge = p.held_out if self.held_out is not None else mean
        if judge is not None and judge < p.best:
            p.best, p.best_epoch, self.best = judge, p.epoch, _copied(self.update.judged)
        elif self.schedule.stalls(p):
            p.cuts, p.cut_epoch, p.learning_scale = p.cuts + 1, p.epoch, CUT * p.learning_scale
            self.update.restore(self.best)
        record = self._record(ended=True)
        p.records.append(asdict(record))
        p.loss, p.rows = 0.0, 0
        self.update.write(p)
        return record

    def _evaluate(self) -> float | None:
        """The score on held-out rows, which the first worker computes; the others wait for it."""
        value = self._judge() if self.workers.first else None
        if needs_statistics(self.update.judged):
            self.workers.follow(self.update.judged)
        return self.workers.agreed(value)

    def _judge(self) -> float | None:
        judged = self.update.judged
        if needs_statistics(judged):
            with drawing_from(self.settings.seed, self.lend):
                parts = torch.arange(len(self.data)).chunk(-(-len(self.data) // self.data.measured))
                pool_statistics(judged, (self.data.rows(index, self.device) for index in parts))
        if self.held_out is None:
            return None
        value = self.objective.judge(self.held_out, judged, self.settings.seed)
        return value if math.isfinite(value) else None

    def _elapsed(self) -> float:
        timed = self.workers.several and self.settings.budget is not None
        return self.told if timed else self.progress.elapsed + time.monotonic() - self.began

    def _agree_on_time(self) -> None:
        """With a budget the clock decides on learning rates and the end: the first worker's, for all of them."""
        if self.workers.several and self.settings.budget is not None:
            self.told = self.workers.agreed(self.progress.elapsed + time.monotonic() - self.began)

    def _record(self, ended: bool) -> Record:
        p, elapsed = self.progress, self._elapsed()
        share = self.schedule.share(p, elapsed)
        trained = elapsed - self.ahead
        whole = elapsed if self.settings.budget else trained  # a budget holds what came before the training too
        return Record(
            epoch=p.epoch if ended else p.epoch + 1,
            step=p.step,
            ended=ended,
            train=p.loss / p.rows if p.rows else None,
            held_out=p.held_out,
            best=p.best if math.isfinite(p.best) else None,
            best_epoch=p.best_epoch,
            rows_per_second=p.step * self.data.count() / self.batches / max(trained, 1e-9),
            elapsed=elapsed,
            left=whole * (1 - share) / share if share > 0 else None,
            skipped=p.skipped,
            learning_rate=self.schedule.learning_rate(p, elapsed),
        )

    def _save(self) -> None:
        if self.path is None:
            return
        self.update.read(self.progress)
        progress = {**asdict(self.progress), "elapsed": self._elapsed()}
        files.save(
            self.path,
            {
                "settings": asdict(self.settings),
                "tag": self.tag,
                "data": self.digest,
                "workers": self.workers.count,
                "progress": progress,
                "best": self.best,
                **self.update.state(),
            },
        )

    def load(self) -> None:
        """Continue where the checkpoint stands, which the first worker reads."""
        state = self.workers.agreed(None if self.path is None else self._checked(self.path))
        if state is None:
            return
        marks: dict[str, Any] = {**state["progress"]}
        self.progress: Progress = Progress(**marks)
        self.update.load(state)
        self.update.write(self.progress)
        self.best: dict[str, Tensor] = state["best"]
        self._agree_on_time()

    def _checked(self, path: Path) -> Checkpoint:
        """The checkpoint in this file, if it is one of this run."""
        state = files.load(path)
        difference = changed(
            (state["tag"], state["data"], asdict(state["settings"])), (self.tag, self.digest, asdict(self.settings))
        )
        if state.get("workers", 1) != self.workers.count:
            difference = f"by {counted(state.get('workers', 1), 'worker')}, not {self.workers.count}: {SAME}"
        if difference:
            raise RunError(f"{path} was made {difference}")
        like, averaged = self.density.state_dict(), self.update.averaged
        files.check_marks(state, self.batches, path)
        for weights in (state["best"], state["model"]):
            files.check_weights(weights, like, path)
        files.check_weights(state["averaged"] or {}, {} if averaged is None else averaged.state_dict(), path)
        files.check_moments(state["optimizer"]["state"], self.update.shapes, path)
        return state


def _order(rows: int, seed: int, epoch: int) -> Tensor:
    with drawing_from(_mixed(seed, epoch, -1)):
        return permutation(rows)


def _mixed(seed: int, epoch: int, batch: int, rank: int = 0) -> int:
    """One seed for one worker's share of one batch: neighbouring numbers give unrelated streams."""
    text = f"{seed} {epoch} {batch}{f' {rank}' if rank else ''}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest())


def _copied(density: Density) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in density.state_dict().items()}
