"""Steps that never wait for the device: the whole one is recorded as a CUDA graph and replayed.

Small flows are launch-bound: their step is hundreds of short kernels, and starting each from Python takes longer than
running it. What :class:`DeviceUpdate` does to a batch is one function of tensors alone: loss, gradients, clipping, the
optimiser's step, the average and the counters, with a flag on the device for steps that are not finite. It runs the
same whether recorded or not, on the CPU too.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from fluvial.core import Density, Transform
from fluvial.core.randomness import Source, drawing_from, generator
from fluvial.training.objectives import LIKELIHOOD, Objective
from fluvial.training.progress import Progress
from fluvial.training.settings import Settings
from fluvial.training.update import Update, optimizer_kind, parameter_groups

WARM = 3
"""Steps of one shape that run before it is recorded: they are ordinary steps of the training."""
_MOST_SHAPES = 4  # of batches that are recorded: an epoch has two


class DeviceUpdate(Update):
    """As :class:`Update`, without looking at the loss: whether a step counts is decided on the device.

    Products are those of ``torch.get_float32_matmul_precision()``: full float32 unless the user chose TF32, or bfloat16
    with ``amp``. A recorded step gives the bits that the same step gives unrecorded.
    """

    every = 32

    def __init__(
        self,
        density: Density,
        settings: Settings,
        decay: float,
        device: torch.device,
        objective: Objective = LIKELIHOOD,
    ) -> None:
        self.rate: Tensor = torch.tensor(settings.rate, device=device)
        super().__init__(density, settings, decay, device, objective)
        self.bad: Tensor = torch.zeros((), device=device)
        self.optimizer.found_inf = self.bad  # pyright: ignore  (torch's own way to leave a fused step out)
        self.tally = torch.zeros(4, dtype=torch.float64, device=device)  # loss, rows, skipped, bad steps in a row
        self.seen: dict[Any, int] = {}
        self.graphs: dict[Any, _Recorded] = {}
        parts = [m for m in density.modules() if isinstance(m, (Density, Transform))]
        self.records = device.type == "cuda" and all(m.static for m in parts)
        self.batch: tuple[Tensor, Tensor | None] | None = None

    def compute(self, x: Tensor, context: Tensor | None, units: int) -> None:
        """Only takes the batch: all of the step is one."""
        self.batch = (x, context)

    def apply(self, units: int, learning_rate: float, p: Progress) -> None:
        """The whole step, recorded once its shape is known."""
        if self.batch is None:
            return
        (x, context), self.batch = self.batch, None
        self.rate.fill_(learning_rate)
        key = (x.shape, x.dtype, None if context is None else context.shape, units)
        if key in self.graphs:
            self.graphs[key].replay(x, context)
            return
        self.seen[key] = seen = self.seen.get(key, 0) + 1
        if not self.records or seen < WARM or len(self.graphs) >= _MOST_SHAPES:
            self.work(x, context, units)
        elif seen == WARM:
            self._rehearse(x, context, units)
        elif self._record(key, x, context, units):
            self.graphs[key].replay(x, context)
        else:
            self.work(x, context, units)

    def work(self, x: Tensor, context: Tensor | None, units: int) -> None:
        """The step, as operations on the device alone."""
        loss = self._loss(x, context, units)
        grads: tuple[Tensor | None, ...] = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        for p, g in zip(self.parameters, grads):
            p.grad = _laid_out(g, p)
        norm = clip_grad_norm_(self.parameters, self.settings.clip or math.inf)
        with torch.no_grad():
            good = torch.isfinite(loss) & torch.isfinite(norm)
            self.bad.copy_(~good)
            self.optimizer.step()
            self._average_if(good)
            self._count(loss, units, good)

    def read(self, p: Progress) -> None:
        loss, rows, skipped, bad = self.tally.tolist()
        p.loss, p.rows, p.skipped, p.bad_steps = loss, int(rows), int(skipped), int(bad)

    def write(self, p: Progress) -> None:
        self.tally.copy_(torch.tensor([p.loss, p.rows, p.skipped, p.bad_steps], dtype=torch.float64))

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        for group in self.optimizer.param_groups:  # a checkpoint brings numbers of its own
            group.update(lr=self.rate, fused=True, foreach=None, capturable=self.device.type == "cuda")

    def _optimizer(self, decay: float) -> torch.optim.Optimizer:
        groups, captured = parameter_groups(self.parameters, decay), self.device.type == "cuda"
        return optimizer_kind(self.settings)(
            groups, self.rate, betas=self.objective.betas, fused=True, capturable=captured
        )

    def _average_if(self, good: Tensor) -> None:
        if self.averaged is None or self.settings.ema is None:
            return
        n = self.averaged.n_averaged
        weight = (1 - ((1 + n) / (10 + n)).clamp(max=self.settings.ema)) * good
        change = torch._foreach_sub(self.now, self.kept)  # pyright: ignore
        torch._foreach_mul_(change, weight)  # pyright: ignore
        torch._foreach_add_(self.kept, change)  # pyright: ignore
        self._take_statistics(self.averaged)
        n.add_(good)

    def _count(self, loss: Tensor, units: int, good: Tensor) -> None:
        total, rows, skipped, bad = self.tally.unbind()
        total.add_(torch.where(good, loss.double() * units, 0.0))
        rows.add_(good, alpha=units)
        skipped.add_(~good)
        bad.add_(1).mul_(~good)

    def _rehearse(self, x: Tensor, context: Tensor | None, units: int) -> None:
        """A step during which waiting for the device is an error: what waits cannot be recorded."""
        mode, drawn = torch.cuda.get_sync_debug_mode(), Source.now(self.device)
        _watch("error")
        try:
            self.work(x, context, units)
        except RuntimeError as error:  # before the weights moved: nothing behind the gradients waits
            self._refuse(error)
        finally:
            _watch(mode)
        if not self.records:
            with drawing_from(drawn):
                self.work(x, context, units)

    def _record(self, key: Any, x: Tensor, context: Tensor | None, units: int) -> bool:  # noqa: ANN401
        try:
            self.graphs[key] = _Recorded(self, x, context, units)
        except RuntimeError as error:
            self._refuse(error)
        return self.records

    def _refuse(self, error: RuntimeError) -> None:
        self.records: bool = False
        reason = str(error).splitlines()[0]
        warnings.warn(
            f"training starts every operation by itself: this model's step cannot be recorded ({reason})", stacklevel=2
        )


def _laid_out(gradient: Tensor | None, like: Tensor) -> Tensor | None:
    """In memory as the weight is: the fused optimiser asks for that."""
    if gradient is None or gradient.stride() == like.stride():
        return gradient
    return torch.empty_like(like).copy_(gradient)


def _watch(mode: str | int) -> None:
    """Let torch complain of waits, without its complaint that it may overlook some."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode(mode)


class _Recorded:
    """One step as a CUDA graph, with the tensors that it reads its batch from."""

    def __init__(self, update: DeviceUpdate, x: Tensor, context: Tensor | None, units: int) -> None:
        self.x, self.context = x.clone(), None if context is None else context.clone()
        self.graph = torch.cuda.CUDAGraph()
        if (drawn := generator(update.device)) is not None:
            self.graph.register_generator_state(drawn)
        with torch.cuda.graph(self.graph):
            update.work(self.x, self.context, units)

    def replay(self, x: Tensor, context: Tensor | None) -> None:
        self.x.copy_(x)
        if self.context is not None and context is not None:
            self.context.copy_(context)
        self.graph.replay()
