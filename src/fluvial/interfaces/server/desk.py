"""What all models that are served share: limits, counters, and the one thread that computes."""

from __future__ import annotations

from dataclasses import dataclass, field

from fluvial.interfaces.server.batches import Run
from fluvial.interfaces.server.guard import Limits
from fluvial.interfaces.server.metrics import Metrics


@dataclass(frozen=True)
class Desk:
    """Where questions are worked on.

    Args:
        run: calls a function where computing is done, one after the other.
    """

    run: Run
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
