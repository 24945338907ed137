"""How to train: one frozen, checked set of numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch

from fluvial.core.errors import UsageError
from fluvial.core.numbers import between, is_real, whole
from fluvial.core.randomness import checked_seed
from fluvial.models.recipe import Training

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["cosine", "plateau", "constant"]

_BETWEEN = (
    ("learning_rate", math.inf, "a positive number"),
    ("clip", math.inf, "a positive number, or none"),
    ("ema", 1.0, "a number between 0 and 1, such as 0.999"),
)
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d*)?)\s*([smhd]?)")


@dataclass(frozen=True)
class Settings:
    """How to train; every default is meant to be left alone.

    Args:
        epochs: passes over the training rows, None for as many as help (or as the budget allows).
        budget: wall-clock seconds at most, or a text such as "90s", "5m" or "1h"; None for no limit. Training ends
            earlier once it no longer helps.
        batch_size: rows a step, of each worker where there are several; None for a size that suits the number of rows.
        learning_rate: its largest value; None for what suits the kind of data and the model.
        weight_decay: decoupled for ``adamw``, an L2 penalty for ``adam``. None: 200 D / N, 1 at most, for N rows of
            D numbers: few rows of many columns are what overfits.
        schedule: of the learning rate; None takes "cosine" where an end is known and "plateau" where not. Both
            go back to the best weights with a smaller rate when the held-out score stops improving.
        clip: largest global norm of the gradient, None for no clipping.
        ema: decay per step of the averaged weights that are then evaluated and kept; None for none.
        patience: epochs without a better held-out score before training stops. None: a number that suits the
            rows where neither epochs nor budget is given, else none.
        seed: of the order of rows and of all noise.
        device: a torch device, None for a GPU if there is one.
        amp: run the networks in bfloat16 (log-dets stay float32).

    Raises:
        UsageError: a value out of its range, as a sentence.
    """

    epochs: int | None = None
    budget: float | str | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    optimizer: Optimizer = "adamw"
    schedule: Schedule | None = None
    clip: float | None = 5.0
    ema: float | None = 0.99
    patience: int | None = None
    seed: int = 0
    device: str | None = None
    amp: bool = False

    def __post_init__(self) -> None:
        keep = partial(object.__setattr__, self)  # frozen for everybody else
        keep("seed", checked_seed(self.seed))
        for name, least in (("epochs", 1), ("batch_size", 2), ("patience", 1)):
            if (value := getattr(self, name)) is not None:
                keep(name, whole(name, value, least))
        keep("budget", seconds(self.budget))
        for name, below, expected in _BETWEEN:
            if (value := getattr(self, name)) is not None:
                keep(name, between(name, value, 0.0, below, expected))
        decay = self.weight_decay
        if decay is not None and not (is_real(decay) and 0 <= decay < math.inf):
            raise UsageError(f"weight_decay: expected a number of at least 0, got {self.weight_decay!r}")
        _choice("optimizer", self.optimizer, get_args(Optimizer))
        _choice("schedule", self.schedule or "cosine", get_args(Schedule))
        if self.schedule == "cosine" and not self.has_end:
            raise UsageError("schedule: a cosine needs a known end; give epochs or a budget too")

    @property
    def rate(self) -> float:
        """The largest learning rate, also where it is left open."""
        return Training().learning_rate if self.learning_rate is None else self.learning_rate

    @property
    def clock(self) -> float:
        """Seconds that training may take, infinitely many where there is no limit."""
        return seconds(self.budget) or math.inf

    @property
    def has_end(self) -> bool:
        """Whether training ends by its own count or clock."""
        return self.epochs is not None or self.budget is not None

    def decay(self, rows: int, numbers: int) -> float:
        """The weight decay for ``rows`` events of ``numbers`` numbers each.

        >>> Settings().decay(10_000, 8), Settings().decay(5_000, 40), Settings(weight_decay=0.0).decay(9, 9)
        (0.16, 1.0, 0.0)
        """
        return min(1.0, 200 * numbers / rows) if self.weight_decay is None else self.weight_decay

    def torch_device(self) -> torch.device:
        """The device to train on."""
        try:
            device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"device: {self.device!r} cannot be used here ({reason}); try 'cpu'") from None
        return device


def _choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{name}: expected one of {', '.join(known)}, got {value!r}")


def seconds(span: float | str | None) -> float | None:
    """A time span in seconds.

    >>> seconds("5m"), seconds("1.5h"), seconds("90"), seconds(2)
    (300.0, 5400.0, 90.0, 2.0)
    """
    if span is None:
        return None
    if isinstance(span, str):
        match = _SPAN.fullmatch(span.strip().lower())
        if match is None:
            raise UsageError(f"budget: expected a time such as 90s, 5m or 1h, got {span!r}")
        span = float(match[1]) * _UNITS[match[2]]
    return between("budget", span, 0.0, math.inf, "a positive number of seconds, or a time such as 5m")
