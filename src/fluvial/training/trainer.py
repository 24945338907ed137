"""Training: what is trained on, and the way in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fluvial.core import Density
from fluvial.core.batched import score
from fluvial.core.errors import DataError, UsageError
from fluvial.core.workers import workers
from fluvial.training.loop import Loop
from fluvial.training.objectives import LIKELIHOOD, Objective
from fluvial.training.progress import Record
from fluvial.training.rows import Rows, Single, split
from fluvial.training.settings import Settings
from fluvial.training.streaming import Streamed

_PULSE = 2.0  # seconds between records inside an epoch
_ROOM = 0.5  # of the device's free memory, at most, for rows


@dataclass(frozen=True)
class Data(Single):
    """Rows x (N, *event_shape) and their context (N, *context_shape), if there is one."""

    x: Tensor
    context: Tensor | None = None
    initial = 4096

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """N, and numbers in each row."""
        return self.count(), self.x[:1].numel()

    @property
    def batch_size(self) -> int:
        """A power of two that suits N."""
        return _batch_size(self.count())

    def batches(self, order: Tensor, size: int) -> Sequence[Tensor]:
        """As :func:`~fluvial.training.rows.split`."""
        return split(order.to(self.x.device), size)

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

    def to(self, device: torch.device) -> Rows:
        """The same rows on ``device``, or sent there batch by batch if they would fill half of its memory."""
        if device.type == "cuda" and self.x.nbytes > _ROOM * torch.cuda.mem_get_info(device)[0]:
            return Streamed(self, device)
        return replace(self, x=self.x.to(device), context=None if self.context is None else self.context.to(device))


def train(
    density: Density,
    data: Rows,
    held_out: Rows | None = None,
    settings: Settings | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    every: float = 20.0,
    tag: str = "",
    began: float | None = None,
    objective: Objective = LIKELIHOOD,
) -> Generator[Record]:
    """Train ``density``; yields a record per epoch, and every two seconds inside one.

    However it ends, the density holds the weights that scored best on ``held_out`` (on the training rows
    where there is none). Small models train on one thread, whatever torch is set to. With ``epochs`` a resumed
    run continues bit for bit, on the same machine and threads (or GPU): the order of rows and all noise are functions
    of the seed, the epoch and the step alone. The caller's random state is left alone.

    Inside :func:`~fluvial.core.workers.joined` several processes train one density: a step takes a batch of each, so
    it is that of one process with a batch as many times as large, to the rounding of float32 where the model draws no
    noise. The first of them alone may have a ``checkpoint``.

    Args:
        checkpoint: file to resume from, written every ``every`` seconds, at the end and when interrupted.
        resume: continue from ``checkpoint`` if that file exists.
        began: ``time.monotonic()`` from which elapsed seconds and a budget count; None for now.
        objective: what it learns by, and what judges it on ``held_out``.
        tag: what else must be the same to resume, such as the model's configuration.

    Raises:
        DataError: fewer than two rows for each worker. UsageError: several workers were to train on a GPU.
        RunError: the checkpoint belongs to another run or cannot be written, or training is not finite.
    """
    settings = settings or Settings()
    least = 2 * workers().count
    if data.count() < least:
        raise DataError(f"training needs at least {least} rows, got {data.count()}")
    if workers().several and settings.torch_device().type != "cpu":
        raise UsageError("device: several workers train on CPUs only: choose cpu, or one worker")
    loop = Loop(density, data, held_out, settings, checkpoint, tag, began, objective)
    threads = torch.get_num_threads()
    torch.set_num_threads(loop.threads)
    try:
        if workers().agreed(resume and checkpoint is not None and checkpoint.exists()):
            loop.load()
            yield from (Record(**r) for r in loop.progress.records)
        else:
            yield loop.start()
        yield from loop.run(every, _PULSE)
    finally:
        torch.set_num_threads(threads)


def _batch_size(rows: int) -> int:
    """A power of two near a fiftieth of the rows, 64 to 512.

    >>> _batch_size(20), _batch_size(10_000), _batch_size(1_000_000)
    (64, 256, 512)
    """
    return 1 << min(9, max(6, round(math.log2(rows / 50))))
