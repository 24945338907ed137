"""How to train: one frozen, checked set of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from fluvial.core.errors import UsageError
from fluvial.core.randomness import checked_seed

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["cosine", "plateau", "constant"]


@dataclass(frozen=True)
class Settings:
    """How to train; every default is meant to be left alone.

    Args:
        epochs: passes over the training rows, None for as many as help (or as the budget allows).
        budget: wall-clock seconds at most, None for no limit; training ends earlier once it no longer helps.
        batch_size: rows a step, None for a size that suits the number of rows.
        learning_rate: its largest value.
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
    budget: float | None = None
    batch_size: int | None = None
    learning_rate: float = 3e-3
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
        _whole("epochs", self.epochs, 1)
        _whole("batch_size", self.batch_size, 2)
        _whole("patience", self.patience, 1)
        checked_seed(self.seed)
        _number("budget", self.budget, 0.0, math.inf, "a positive number of seconds")
        _number("learning_rate", self.learning_rate, 0.0, math.inf, "a positive number")
        _number("clip", self.clip, 0.0, math.inf, "a positive number, or none")
        _number("ema", self.ema, 0.0, 1.0, "a number between 0 and 1, such as 0.999")
        decay = self.weight_decay
        if decay is not None and not (_is_number(decay) and 0 <= decay < math.inf):
            raise UsageError(f"weight_decay: expected a number of at least 0, got {self.weight_decay!r}")
        _choice("optimizer", self.optimizer, get_args(Optimizer))
        _choice("schedule", self.schedule or "cosine", get_args(Schedule))
        if self.schedule == "cosine" and not self.has_end:
            raise UsageError("schedule: a cosine needs a known end; give epochs or a budget too")

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


def _whole(name: str, value: int | None, least: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):  # pyright: ignore
        raise UsageError(f"{name}: expected a whole number of at least {least}, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{name}: expected one of {', '.join(known)}, got {value!r}")


def _number(name: str, value: float | None, above: float, below: float, expected: str) -> None:
    if value is not None and not (_is_number(value) and above < value < below):
        raise UsageError(f"{name}: expected {expected}, got {value!r}")
