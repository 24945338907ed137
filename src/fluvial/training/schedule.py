"""How long to train, and the learning rate on the way."""

from __future__ import annotations

import math

from fluvial.training.progress import Progress
from fluvial.training.settings import Settings

CUT = 0.3
"""Of the learning rate, on a plateau."""
_CUTS = 5  # at the last one there is nothing left to gain
_WARM_UP = 100  # steps, or a twentieth of all if that is fewer
_MIN_STEPS, _MOST = 1000, 40  # a patience is never shorter than so many steps, unless these are so many epochs
_LIMIT = 1000  # epochs at most where only patience ends training


class Schedule:
    """Ends, patience and learning rate of a run of ``batches`` steps an epoch."""

    def __init__(self, settings: Settings, batches: int) -> None:
        self.settings, self.batches = settings, batches
        self.patience, self.epochs = _ends(settings, batches)
        self.plateau: int = max(1, min(self.patience, _patience(batches)) // 3)
        self.kind = settings.schedule or ("cosine" if settings.has_end else "plateau")

    def share(self, p: Progress, elapsed: float) -> float:
        """How much of the training is done, 0 to 1, by steps or by the clock."""
        steps = p.step / (self.epochs * self.batches) if self.settings.epochs else 0.0
        clock = elapsed / self.settings.clock
        return min(1.0, max(steps, clock))

    def learning_rate(self, p: Progress, elapsed: float) -> float:
        """Of the next step."""
        share = self.share(p, elapsed)
        warm_up = min(_WARM_UP, max(1, self.epochs * self.batches // 20))
        rate = self.settings.rate * p.learning_scale * min(1.0, (p.step + 1) / warm_up)
        return rate * 0.5 * (1 + math.cos(math.pi * share)) if self.kind == "cosine" else rate

    def stalls(self, p: Progress) -> bool:
        """Whether the score has not become better for long enough to lower the learning rate."""
        return self.kind != "constant" and p.epoch - max(p.best_epoch, p.cut_epoch) >= self.plateau

    def out_of_time(self, elapsed: float) -> bool:
        """Whether the budget is spent."""
        return elapsed >= self.settings.clock

    def finished(self, p: Progress, elapsed: float) -> bool:
        """Whether to stop, asked between two steps."""
        spent = p.cuts >= _CUTS and self.settings.epochs is None
        waited = p.epoch - p.best_epoch >= self.patience or spent
        between = p.batch == 0  # an epoch cut short by the clock is still evaluated
        return p.epoch >= self.epochs or waited or (between and self.out_of_time(elapsed))


def _ends(settings: Settings, batches: int) -> tuple[int, int]:
    """Patience and number of epochs, both finite numbers of epochs."""
    if settings.has_end:
        return settings.patience or 10**9, settings.epochs or 10**9
    patience = _patience(batches)
    return settings.patience or patience, max(_LIMIT, 20 * patience)


def _patience(batches: int) -> int:
    """Epochs to wait for a better score: never a few steps only, but on tiny tables not hundreds of epochs either."""
    return max(20, min(_MOST, -(-_MIN_STEPS // batches)))
