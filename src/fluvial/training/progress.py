"""Where a run stands: what it reports, and what it keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


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
class Progress:
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
