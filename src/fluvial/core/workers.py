"""Several processes that fit one model together: each takes its share of every batch, and all make the same steps."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fluvial.core.errors import DataError, RunError, UsageError

T = TypeVar("T")


class LostWorkerError(RunError):
    """Another worker has ended, so none can go on."""


@dataclass(frozen=True)
class Workers:
    """This process among those of a fit.

    What one of these methods does, all workers have to ask for, in the same order.

    Args:
        rank: of this one; the first, 0, writes and decides.
        count: of all.

    >>> alone = Workers()
    >>> alone.several, alone.share(torch.arange(3)).tolist(), alone.agreed("yes")
    (False, [0, 1, 2], 'yes')
    """

    rank: int = 0
    count: int = 1

    @property
    def several(self) -> bool:
        return self.count > 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This worker's part of a batch, which differ by a row at most."""
        return rows.tensor_split(self.count)[self.rank]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Each becomes its sum over all workers, in place and with the same bits on all of them."""
        if self.several:
            flat = _summed(torch.cat([t.detach().flatten() for t in tensors]))
            with torch.no_grad():
                for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors])):
                    tensor.copy_(part.view_as(tensor))

    def mean(self, total: Tensor, rows: float) -> Tensor:
        """total / rows, both first summed over all workers; gradients flow to the totals of all of them."""
        both = cast("Tensor", _Sum.apply(torch.cat((total.flatten(), total.new_tensor([rows])))))
        return (both[:-1] / both[-1]).view_as(total)

    def agreed(self, value: T) -> T:
        """The first worker's value."""
        if not self.several:
            return value
        values = [value]
        with _asking():
            dist.broadcast_object_list(values, src=0)
        return values[0]

    def follow(self, module: nn.Module) -> None:
        """The module takes over the first worker's weights and buffers."""
        if self.several:
            with _asking():
                for tensor in module.state_dict().values():
                    dist.broadcast(tensor, src=0)

    def check_same(self, what: str, value: str) -> None:
        """DataError, a sentence, unless all workers have the same value."""
        values = [""] * self.count
        if self.several:
            with _asking():
                dist.all_gather_object(values, value)
            strange = [str(rank) for rank, other in enumerate(values) if other != values[0]]
            if strange:
                raise DataError(f"worker {', '.join(strange)} of {self.count} has {what} than worker 0")


def _summed(values: Tensor) -> Tensor:
    """Values, contiguous, which are overwritten with their sum over all workers."""
    with _asking():
        dist.all_reduce(values)
    return values


class _Sum(torch.autograd.Function):
    """The sum over all workers: what one of them holds moves the losses of all."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401  (torch's own)
        return _summed(values.clone())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ANN401  (torch's own)
        return _summed(grads[0].clone(memory_format=torch.contiguous_format))


_CURRENT: ContextVar[Workers] = ContextVar("fluvial_workers", default=Workers())  # noqa: B039  (frozen)


def workers() -> Workers:
    """Those that this process fits with; it alone outside of :func:`joined`."""
    return _CURRENT.get()


@contextmanager
def joined() -> Generator[Workers]:
    """Fits inside are shared by all the processes that ``torchrun`` has started; without it nothing is different.

    Every process has to make the same calls in the same order. Source: Li et al. 2020, arXiv 2006.15704.

    Raises:
        UsageError: the processes cannot reach each other.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "MASTER_ADDR" not in os.environ or "RANK" not in os.environ:
        yield Workers()
        return
    try:
        dist.init_process_group("gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"the {count} workers of torchrun cannot reach each other: {reason}") from None
    token = _CURRENT.set(Workers(dist.get_rank(), count))
    try:
        yield workers()
    finally:
        _CURRENT.reset(token)
        dist.destroy_process_group()


@contextmanager
def _asking() -> Generator[None]:
    """A worker that is gone is known by the connection that it has closed."""
    try:
        yield
    except RuntimeError:
        raise LostWorkerError(
            f"another of the {workers().count} workers has ended, so the fit ends on all of them; what the run folder "
            "keeps goes on with --resume"
        ) from None
