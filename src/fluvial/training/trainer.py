"""The one training loop."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from fluvial.core import Density
from fluvial.core.errors import DataError, RunError
from fluvial.training import checkpoint as files
from fluvial.training.objectives import negative_log_likelihood, score
from fluvial.training.settings import Settings
from fluvial.transforms.normalization import needs_statistics, refresh_statistics

_PULSE = 2.0  # seconds between records inside an epoch
_WARM_UP = 100  # steps, or a twentieth of all if that is fewer
_BAD_STEPS, _ROLLBACKS = 3, 20
_MIN_STEPS = 1000  # a patience is never shorter than this, whatever the number of rows
_CUT, _CUTS = 0.3, 5  # of the learning rate on a plateau; at the last cut there is nothing left to gain
_SMALL = 2e9  # operations of a step below which a second thread costs more than it gives
_LIMIT = 1000  # epochs at most where only patience ends training


class Rows(Protocol):
    """What the loop asks of its data. A row may stand for many units, such as the samples of a sound.

    Scores are means over units, so they do not depend on how units are put together in rows.
    """

    def __len__(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]:
        """Independent units and the numbers in each, which decide on the weight decay."""
        ...

    @property
    def batch_size(self) -> int:
        """Rows a step, where the settings leave it open."""
        ...

    @property
    def initial(self) -> int:
        """Rows that data-dependent initialisation reads."""
        ...

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The rows with these numbers and their context, on ``device``; any noise from torch's generator."""
        ...

    def count(self, index: Tensor | None = None) -> int:
        """Units in these rows, or in all."""
        ...

    def batches(self, order: Tensor, size: int) -> list[Tensor]:
        """All rows in batches, in an order that is a function of ``order``."""
        ...

    def score(self, density: Density, seed: int) -> float:
        """Mean of log p over all units, nats."""
        ...

    def digest(self) -> str:
        """A fingerprint, to tell whether a run goes on with the rows that it began with."""
        ...

    def to(self, device: torch.device) -> Rows:
        """The same rows, where ``rows`` gets them quickest."""
        ...


@dataclass(frozen=True)
class Data:
    """Rows x (N, *event_shape) and their context (N, *context_shape), if there is one."""

    x: Tensor
    context: Tensor | None = None
    initial = 4096

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """N, and numbers in each row."""
        return len(self), self.x[:1].numel()

    @property
    def batch_size(self) -> int:
        """A power of two that suits N."""
        return _batch_size(len(self))

    def count(self, index: Tensor | None = None) -> int:
        """Rows."""
        return len(self) if index is None else len(index)

    def batches(self, order: Tensor, size: int) -> list[Tensor]:
        """Parts of ``order``."""
        return _split(order.to(self.x.device), size)

    def score(self, density: Density, seed: int) -> float:
        """Mean log p of the rows, nats."""
        return score(density, self.x, self.context, seed).double().mean().item()

    def digest(self) -> str:
        """A fingerprint of rows and context."""
        hashed = hashlib.blake2b(digest_size=16)
        for rows in (self.x, self.context):
            if rows is not None:
                hashed.update(rows.cpu().contiguous().numpy().data)
        return hashed.hexdigest()

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The rows with these numbers, on ``device``."""
        context = None if self.context is None else self.context[index].to(device, non_blocking=True)
        return self.x[index].to(device, non_blocking=True), context

    def to(self, device: torch.device) -> Data:
        """The same rows on ``device``, or where they are if they would fill more than half of its memory."""
        if device.type == "cuda" and self.x.nbytes > 0.5 * torch.cuda.mem_get_info(device)[0]:
            return self
        return Data(self.x.to(device), None if self.context is None else self.context.to(device))


@dataclass(frozen=True)
class Record:
    """Where training stands. Scores are negative log-likelihoods, nats per row (for sound: per sample, and
    ``rows_per_second`` counts samples); times are seconds."""

    epoch: int
    step: int
    ended: bool
    """True at the end of an epoch, False for the pulses inside a long one."""
    train: float | None
    held_out: float | None
    best: float | None
    best_epoch: int
    rows_per_second: float
    elapsed: float
    left: float | None
    skipped: int
    learning_rate: float


@dataclass
class _Progress:
    """The plain numbers of a run, saved with the weights."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    rows: int = 0
    learning_scale: float = 1.0
    bad_steps: int = 0
    skipped: int = 0
    rollbacks: int = 0
    held_out: float | None = None
    best: float = math.inf
    best_epoch: int = 0
    cuts: int = 0
    cut_epoch: int = 0
    elapsed: float = 0.0
    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def train(
    density: Density,
    data: Rows,
    held_out: Rows | None = None,
    settings: Settings | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    every: float = 20.0,
    tag: str = "",
) -> Generator[Record]:
    """Train ``density`` by maximum likelihood; yields a record per epoch, and every two seconds inside one.

    However it ends, the density holds the weights that scored best on ``held_out`` (on the training rows
    where there is none). Small models train on one thread, whatever torch is set to. With ``epochs`` a resumed
    run continues bit for bit, on the same machine and threads: the order of rows and all noise are functions
    of the seed, the epoch and the step alone. The caller's random state is left alone.

    Args:
        checkpoint: file to resume from, written every ``every`` seconds, at the end and when interrupted.
        resume: continue from ``checkpoint`` if that file exists.
        tag: what else must be the same to resume, such as the model's configuration.

    Raises:
        DataError: fewer than two rows.
        RunError: the checkpoint belongs to another run or cannot be written, or training is not finite.
    """
    settings = settings or Settings()
    if data.count() < 2:
        raise DataError(f"training needs at least 2 rows, got {data.count()}")
    loop = _Loop(density, data, held_out, settings, checkpoint, tag)
    threads = torch.get_num_threads()
    torch.set_num_threads(loop.threads)
    try:
        if resume and checkpoint is not None and checkpoint.exists():
            loop.load()
            yield from (Record(**r) for r in loop.progress.records)
        else:
            yield loop.start()
        yield from loop.run(every)
    finally:
        torch.set_num_threads(threads)


class _Loop:
    def __init__(
        self,
        density: Density,
        data: Rows,
        held_out: Rows | None,
        settings: Settings,
        path: Path | None,
        tag: str,
    ) -> None:
        self.settings, self.path, self.device = settings, path, settings.torch_device()
        self.tag, self.digest = tag, "" if path is None else data.digest()
        self.density = density.to(self.device)
        self.data = data.to(self.device)
        self.held_out = None if held_out is None else held_out.to(self.device)
        self.batch_size = settings.batch_size or data.batch_size
        self.batches = len(data.batches(torch.arange(len(data)), self.batch_size))
        self.patience, self.epochs = _ends(settings, self.batches)
        self.plateau = max(1, min(self.patience, _patience(self.batches)) // 3)
        self.parameters = [p for p in density.parameters() if p.requires_grad]
        self.optimizer = _optimizer(self.parameters, settings, settings.decay(*data.size))
        self.averaged = AveragedModel(density, multi_avg_fn=_average(settings.ema)) if settings.ema else None
        self.progress = _Progress()
        self.best = _copied(density)
        self.began = time.monotonic()
        self.clean = True  # False only while weights and counters are out of step

    @property
    def threads(self) -> int:
        """One for small steps, whose threads would mostly wait for each other, and for a busy core to come free."""
        work = 6 * self.data.count() / self.batches * sum(p.numel() for p in self.parameters)
        return 1 if work < _SMALL else torch.get_num_threads()

    @property
    def judged(self) -> Density:
        """What is evaluated and kept."""
        return self.density if self.averaged is None else self.averaged.module  # pyright: ignore

    def start(self) -> Record:
        """Data-dependent initialisation and the score before training."""
        with self._private_randomness():
            torch.manual_seed(self.settings.seed)
            order = _order(len(self.data), self.settings.seed, 0)
            most = max(self.batch_size, self.data.initial)
            index = self.data.batches(order, most)[0][:most]
            self.density.eval()
            self.density.initialize(*self.data.rows(index, self.device))
        if self.averaged is not None:
            self.averaged.update_parameters(self.density)
        return self._end_epoch(self._evaluate())

    def run(self, every: float) -> Generator[Record]:
        """Train to the end, whoever stops it."""
        try:
            self._save()
            saved = time.monotonic()
            while not self._finished():
                record = self._advance(min(_PULSE, every))
                if time.monotonic() - saved >= every:
                    self._save()
                    saved = time.monotonic()
                yield record
            self._save()
        except (KeyboardInterrupt, GeneratorExit):
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
        with self._private_randomness():
            while p.batch < len(parts) and not self._out_of_time():
                self._step(parts[p.batch])
                if time.monotonic() >= until and p.batch < len(parts):
                    return self._record(ended=False)
        held_out = self._evaluate()  # before anything moves, so that an interruption here loses nothing
        self.clean = False
        p.epoch, p.batch = p.epoch + 1, 0
        record = self._end_epoch(held_out)
        self.clean = True
        return record

    def _step(self, index: Tensor) -> None:
        p, s = self.progress, self.settings
        torch.manual_seed(_mixed(s.seed, p.epoch + 1, p.batch))
        x, context = self.data.rows(index, self.device)
        units = self.data.count(index)
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=s.amp):
            loss = negative_log_likelihood(self.density, x, context) * (len(index) / units)
        loss.backward()
        norm = clip_grad_norm_(self.parameters, s.clip or math.inf)
        value, size = torch.stack((loss.detach(), norm)).tolist()
        self.clean = False
        if math.isfinite(value) and math.isfinite(size):
            for group in self.optimizer.param_groups:
                group["lr"] = self._learning_rate()
            self.optimizer.step()
            if self.averaged is not None:
                self.averaged.update_parameters(self.density)
            p.loss, p.rows, p.bad_steps = p.loss + value * units, p.rows + units, 0
        else:
            p.skipped, p.bad_steps = p.skipped + 1, p.bad_steps + 1
            if p.bad_steps >= _BAD_STEPS:
                self._roll_back()
        p.step, p.batch = p.step + 1, p.batch + 1
        self.clean = True

    def _roll_back(self) -> None:
        """Back to the best weights with half the learning rate and no momentum."""
        p = self.progress
        p.bad_steps, p.rollbacks, p.learning_scale = 0, p.rollbacks + 1, 0.5 * p.learning_scale
        if p.rollbacks > _ROLLBACKS:
            raise RunError(
                f"training did not stay finite: {p.skipped} of {p.step} steps were skipped and "
                f"{_ROLLBACKS} returns to earlier weights did not help; look for extreme values in the data"
            )
        self._restore_best()

    def _restore_best(self) -> None:
        self.density.load_state_dict(self.best)
        self.optimizer.state.clear()
        if self.averaged is not None:
            self.averaged.module.load_state_dict(self.best)

    def _end_epoch(self, held_out: float | None) -> Record:
        """Note the score, keep a true copy of the best weights, lower the learning rate on a plateau."""
        p = self.progress
        mean = p.loss / p.rows if p.rows else None
        p.held_out = held_out
        judge = p.held_out if self.held_out is not None else mean
        if judge is not None and judge < p.best:
            p.best, p.best_epoch, self.best = judge, p.epoch, _copied(self.judged)
        elif self._schedule != "constant" and p.epoch - max(p.best_epoch, p.cut_epoch) >= self.plateau:
            p.cuts, p.cut_epoch, p.learning_scale = p.cuts + 1, p.epoch, _CUT * p.learning_scale
            self._restore_best()
        record = self._record(ended=True)
        p.records.append(asdict(record))
        p.loss, p.rows = 0.0, 0
        return record

    def _evaluate(self) -> float | None:
        if needs_statistics(self.judged):
            with self._private_randomness():
                torch.manual_seed(self.settings.seed)
                refresh_statistics(self.judged, *self.data.rows(torch.arange(len(self.data)), self.device))
        if self.held_out is None:
            return None
        value = -self.held_out.score(self.judged, self.settings.seed)
        return value if math.isfinite(value) else None

    @property
    def _schedule(self) -> str:
        return self.settings.schedule or ("cosine" if self.settings.has_end else "plateau")

    def _learning_rate(self) -> float:
        p, s = self.progress, self.settings
        share = self._share()
        warm_up = min(_WARM_UP, max(1, self.epochs * self.batches // 20))
        rate = s.learning_rate * p.learning_scale * min(1.0, (p.step + 1) / warm_up)
        return rate * 0.5 * (1 + math.cos(math.pi * share)) if self._schedule == "cosine" else rate

    def _share(self) -> float:
        """How much of the training is done, 0 to 1, by steps or by the clock."""
        steps = self.progress.step / (self.epochs * self.batches) if self.settings.epochs else 0.0
        clock = self._elapsed() / self.settings.budget if self.settings.budget else 0.0
        return min(1.0, max(steps, clock))

    def _elapsed(self) -> float:
        return self.progress.elapsed + time.monotonic() - self.began

    def _out_of_time(self) -> bool:
        return self.settings.budget is not None and self._elapsed() >= self.settings.budget

    def _finished(self) -> bool:
        p = self.progress
        spent = p.cuts >= _CUTS and self.settings.epochs is None
        waited = p.epoch - p.best_epoch >= self.patience or spent
        between = p.batch == 0  # an epoch cut short by the clock is still evaluated
        return p.epoch >= self.epochs or waited or (between and self._out_of_time())

    def _record(self, ended: bool) -> Record:
        p, elapsed = self.progress, self._elapsed()
        share = self._share()
        return Record(
            epoch=p.epoch if ended else p.epoch + 1,
            step=p.step,
            ended=ended,
            train=p.loss / p.rows if p.rows else None,
            held_out=p.held_out,
            best=p.best if math.isfinite(p.best) else None,
            best_epoch=p.best_epoch,
            rows_per_second=p.step * self.data.count() / self.batches / max(elapsed, 1e-9),
            elapsed=elapsed,
            left=elapsed * (1 - share) / share if share > 0 else None,
            skipped=p.skipped,
            learning_rate=self._learning_rate(),
        )

    def _private_randomness(self) -> Any:  # noqa: ANN401  (a context manager without a public type)
        return torch.random.fork_rng([self.device] if self.device.type == "cuda" else [])

    def _save(self) -> None:
        if self.path is None:
            return
        progress = {**asdict(self.progress), "elapsed": self._elapsed()}
        files.save(
            self.path,
            {
                "settings": asdict(self.settings),
                "tag": self.tag,
                "data": self.digest,
                "progress": progress,
                "model": self.density.state_dict(),
                "averaged": None if self.averaged is None else self.averaged.state_dict(),
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
            },
        )

    def load(self) -> None:
        """Continue where the checkpoint stands."""
        if self.path is None:
            return
        state = files.load(self.path)
        for name, value in asdict(self.settings).items():
            if name != "device" and state["settings"].get(name) != value:
                raise RunError(
                    f"{self.path} was made with {name}={state['settings'].get(name)!r}, not {value!r}: "
                    "resume with the same settings, or start again"
                )
        if state["tag"] != self.tag:
            raise RunError(f"{self.path} is of another model or other options: resume with the same, or start again")
        if state["data"] != self.digest:
            raise RunError(f"{self.path} was made with other training rows: resume with the same data, or start again")
        try:
            self.progress = _Progress(**{f.name: state["progress"][f.name] for f in fields(_Progress)})
            self.density.load_state_dict(state["model"])
            self.best = state["best"]
            self.optimizer.load_state_dict(state["optimizer"])
            if self.averaged is not None:
                self.averaged.load_state_dict(state["averaged"])
        except (RuntimeError, KeyError, TypeError, ValueError):
            raise RunError(
                f"{self.path} belongs to another model: resume with the same model, or start again"
            ) from None
        self.began = time.monotonic()


def _batch_size(rows: int) -> int:
    """A power of two near a fiftieth of the rows, 64 to 512.

    >>> _batch_size(20), _batch_size(10_000), _batch_size(1_000_000)
    (64, 256, 512)
    """
    return 1 << min(9, max(6, round(math.log2(rows / 50))))


def _split(order: Tensor, size: int) -> list[Tensor]:
    """Batches; a last one smaller than half joins the one before, so that none is of a single row."""
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) < max(2, size / 2):
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _ends(settings: Settings, batches: int) -> tuple[int, int]:
    """Patience and number of epochs, both finite numbers of epochs."""
    if settings.has_end:
        return settings.patience or 10**9, settings.epochs or 10**9
    patience = _patience(batches)
    return settings.patience or patience, max(_LIMIT, 20 * patience)


def _patience(batches: int) -> int:
    """Epochs to wait for a better score: never a few steps only, however few rows there are."""
    return max(20, -(-_MIN_STEPS // batches))


def _order(rows: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(rows, generator=torch.Generator().manual_seed(_mixed(seed, epoch, -1)))


def _mixed(seed: int, epoch: int, batch: int) -> int:
    """One seed for one batch: neighbouring numbers give unrelated streams."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {epoch} {batch}".encode(), digest_size=7).digest())


def _optimizer(parameters: list[torch.nn.Parameter], settings: Settings, decay: float) -> torch.optim.Optimizer:
    """Weights decay; biases, shifts and scales, which have one axis, do not."""
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    try:
        return kind(groups, settings.learning_rate, fused=True)
    except RuntimeError:  # a device without the fused step
        return kind(groups, settings.learning_rate, foreach=True)


def _average(decay: float) -> Callable[[PARAM_LIST, PARAM_LIST, Tensor | int], None]:
    """An exponential average whose window grows with the first steps, so that short runs do not lag behind."""

    @torch.no_grad()
    def update(averaged: PARAM_LIST, current: PARAM_LIST, steps: Tensor | int) -> None:
        n = float(steps)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + n) / (10 + n)))  # pyright: ignore

    return update


def _copied(density: Density) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in density.state_dict().items()}
