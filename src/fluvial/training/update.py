"""What one batch does to a density: gradients, clipping, a step of the optimiser and of the average."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel

from fluvial.core import Density
from fluvial.core.workers import workers
from fluvial.training.objectives import LIKELIHOOD, Objective
from fluvial.training.progress import Progress
from fluvial.training.settings import Settings


class Update:
    """Steps whose loss is looked at before the weights move: a step that is not finite is left out.

    Of several workers each brings the rows that it was given; loss and gradients are then those of all rows together.

    Args:
        decay: weight decay.
        device: where the density is.
        objective: whose loss the steps go down.
    """

    every = 1
    """Steps from one look at the counters to the next."""

    def __init__(
        self,
        density: Density,
        settings: Settings,
        decay: float,
        device: torch.device,
        objective: Objective = LIKELIHOOD,
    ) -> None:
        self.density, self.settings, self.device, self.objective = density, settings, device, objective
        self.parameters = [p for p in density.parameters() if p.requires_grad]
        self.optimizer = self._optimizer(decay)
        self.averaged = AveragedModel(density).to(device) if settings.ema else None
        self.now = list(density.parameters())
        self.kept = [] if self.averaged is None else list(self.averaged.module.parameters())
        saved = density.state_dict()
        self.statistics = [name for name, _ in density.named_buffers() if name in saved]  # all others are constants
        self.value = self.size = 0.0

    @property
    def judged(self) -> Density:
        """What is evaluated and kept."""
        return self.density if self.averaged is None else self.averaged.module  # pyright: ignore

    @property
    def shapes(self) -> list[torch.Size]:
        """Of the parameters, in the optimiser's order."""
        return [p.shape for group in self.optimizer.param_groups for p in group["params"]]

    def begin(self) -> None:
        """The average starts at the initialised density."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.density)

    def compute(self, x: Tensor, context: Tensor | None, units: int) -> None:
        """Loss and gradients of one batch; nothing is changed yet."""
        self.optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        if len(x):
            loss = self._loss(x, context, units)
            loss.backward()
        if workers().several:
            loss = loss.detach()
            workers().add_up([loss, *map(_gradient, self.parameters)])
        norm = clip_grad_norm_(self.parameters, self.settings.clip or math.inf)
        self.value, self.size = torch.stack((loss.detach(), norm)).tolist()

    def apply(self, units: int, learning_rate: float, p: Progress) -> None:
        """Move the weights, or count a step that is not finite."""
        if not (math.isfinite(self.value) and math.isfinite(self.size)):
            p.skipped, p.bad_steps = p.skipped + 1, p.bad_steps + 1
            return
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self._average()
        p.loss, p.rows, p.bad_steps = p.loss + self.value * units, p.rows + units, 0

    def read(self, p: Progress) -> None:
        """Bring loss, rows and counters of ``p`` up to date."""

    def write(self, p: Progress) -> None:
        """Take over loss, rows and counters of ``p``."""

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Go back to these weights, with no momentum."""
        self.density.load_state_dict(weights)
        for state in self.optimizer.state.values():
            for value in state.values():  # in place, since a recorded step knows these very tensors
                value.zero_()
        if self.averaged is not None:
            self.averaged.module.load_state_dict(weights)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "model": self.density.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint; how the optimiser steps is a matter of the settings, not of the file."""
        self.density.load_state_dict(state["model"])
        kept = {**self.optimizer.state_dict(), "state": state["optimizer"]["state"]}
        self.optimizer.load_state_dict(kept)
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])

    @torch.no_grad()
    def _average(self) -> None:
        """An exponential average whose window grows with the first steps, so that short runs do not lag behind."""
        if self.averaged is None or self.settings.ema is None:
            return
        n = float(self.averaged.n_averaged)
        torch._foreach_lerp_(self.kept, self.now, 1 - min(self.settings.ema, (1 + n) / (10 + n)))  # pyright: ignore
        self._take_statistics(self.averaged)
        self.averaged.n_averaged += 1

    def _take_statistics(self, averaged: AveragedModel) -> None:
        """The latest ones of the average; masks and other constants, which are as large as the weights, stay."""
        for name in self.statistics:
            averaged.module.get_buffer(name).copy_(self.density.get_buffer(name))

    def _loss(self, x: Tensor, context: Tensor | None, units: int) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.amp):
            return self.objective.loss(self.density, x, context) * (x.shape[0] / units)

    def _optimizer(self, decay: float) -> torch.optim.Optimizer:
        groups = parameter_groups(self.parameters, decay)
        try:
            return optimizer_kind(self.settings)(groups, self.settings.rate, betas=self.objective.betas, fused=True)
        except RuntimeError:  # a device without the fused step
            return optimizer_kind(self.settings)(groups, self.settings.rate, betas=self.objective.betas, foreach=True)


def optimizer_kind(settings: Settings) -> type[torch.optim.Adam]:
    """The optimiser that the settings name."""
    return torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam


def parameter_groups(parameters: list[torch.nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases, shifts and scales, which have one axis, do not."""
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]


def _gradient(parameter: torch.nn.Parameter) -> Tensor:
    """Its gradient, zeros where no row had one."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
