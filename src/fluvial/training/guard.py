"""Before a model is built from a file: would it be the model whose weights are there?"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from fluvial.core.errors import RunError
from fluvial.models import build
from fluvial.training.formats import Stored

_SLACK = 4  # times what is stored: layers are counted twice where they are shared, or made and thrown away
_FEW = 1 << 10  # tensors that may come on top
_EVENT = 1 << 24  # numbers of an image that a model of few weights may have, such as convolutions
_WIDE = 1 << 20  # what an option, or the columns of a table, may come to beside few weights
_PASSES = 64  # times that building a model may touch each of its numbers,
_CALLS = 256  # and calls of torch that it may take for each of its tensors
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_NAMES = {
    **{torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32"},
    **{torch.int64: "I64", torch.float64: "F64", torch.float32: "F32"},
}
_MAKING: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.randperm),
        *(torch.eye, torch.linspace, Tensor.new_empty, Tensor.new_zeros, Tensor.new_ones, Tensor.new_full),
        *(torch.randint, Tensor.expand),
    }
)
_REPEATING: frozenset[Callable[..., Any]] = frozenset({Tensor.repeat, Tensor.repeat_interleave, Tensor.tile})
_SQUARING: frozenset[Callable[..., Any]] = frozenset({torch.eye, torch.diag, Tensor.diag, torch.diag_embed})


def check_size(config: Mapping[str, Any], stored: Mapping[str, Stored]) -> None:
    """RunError, a sentence, unless the model of ``config`` has the tensors that are stored, by name, shape and kind.

    The model is built only as far as it stays within what is stored: a configuration that asks for more layers, or
    for larger ones, is refused at the first too many, before there is memory for it.
    """
    numbers, tensors = sum(math.prod(s["shape"]) for s in stored.values()), len(stored)
    sizes = [n for n in config["event_shape"] if n is not None]
    event, most = math.prod(sizes), _EVENT if len(sizes) > 1 else _WIDE
    if event > max(most, _SLACK * numbers):
        raise RunError(f"events of {event:,} numbers are too large for a model of {numbers:,} numbers")
    for name, value in config["options"].items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, int) and each > max(_WIDE, _SLACK * numbers) and name != "seed":
                raise RunError(f"{name}={each} is too large for a model of {numbers:,} numbers")
    with _Bounded(tensors, numbers, event), _counting(tensors, numbers):
        wanted = build(config).state_dict()
    for name, value in wanted.items():
        found = stored.get(name)
        if found is None or tuple(found["shape"]) != tuple(value.shape) or not _alike(found["dtype"], value):
            given = "nothing" if found is None else f"{found['dtype']} {found['shape']}"
            raise RunError(f"{name} should be {_NAMES.get(value.dtype, value.dtype)} {list(value.shape)}, got {given}")
    foreign = sorted(set(stored) - set(wanted))
    if foreign:
        raise RunError(f"there is a tensor {foreign[0]!r:.80}, which the model does not have")


def _alike(dtype: str, value: Tensor) -> bool:
    return dtype in _FLOATS if value.is_floating_point() else dtype == _NAMES.get(value.dtype)


def _larger(numbers: int, tensors: int) -> RunError:
    return RunError(f"the model would be larger than the {numbers:,} numbers in {tensors:,} tensors of its weights")


@contextlib.contextmanager
def _counting(tensors: int, numbers: int) -> Generator[None]:
    """Modules of this thread may get parameters up to so many and so large, and then no more."""
    owner, left = threading.get_ident(), [_SLACK * tensors + _FEW, _SLACK * numbers + _EVENT]

    def count(module: nn.Module, name: str, value: Tensor | None) -> None:
        if value is None or threading.get_ident() != owner:
            return
        left[0], left[1] = left[0] - 1, left[1] - value.numel()
        if min(left) < 0:
            raise _larger(numbers, tensors)

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


class _Bounded(TorchFunctionMode):
    """Calls of torch in this thread may make tensors up to such a size and so often, and then no more.

    What a call will make follows from its arguments, so that nothing too large ever gets memory. The meta device would
    not do: masks and matrices that weights start from have values, and are made on the CPU wherever the weights are.
    """

    def __init__(self, tensors: int, numbers: int, event: int) -> None:
        super().__init__()
        self.error = _larger(numbers, tensors)
        self.most = _SLACK * max(numbers, event) + _EVENT
        self.left = _PASSES * (numbers + event) + (1 << 28)
        self.calls = _CALLS * (tensors + _FEW)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  (whatever torch returns)
        size = _made(func, args, kwargs or {})
        self.left, self.calls = self.left - size, self.calls - 1
        if size > self.most or min(self.left, self.calls) < 0:
            raise self.error
        return func(*args, **(kwargs or {}))


def _made(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many numbers a call of torch may come to, at most.

    >>> _made(torch.zeros, ((3, 4),), {}), _made(torch.eye, (5,), {}), _made(Tensor.repeat, (torch.ones(2), 3, 4), {})
    (12, 25, 24)
    >>> _made(torch.add, (torch.ones(7, 1), torch.ones(6)), {})
    42
    """
    if func is torch.tensor:  # of what is there already
        return 0
    skipped = 1 if func is torch.randint else 0  # the first is not a size
    flat = [v for a in (*args[skipped:], *kwargs.values()) for v in (a if isinstance(a, (tuple, list)) else (a,))]
    shapes = [v.shape for v in flat if isinstance(v, Tensor)]
    ints = math.prod(max(1, v) for v in flat if type(v) is int)
    if func in _SQUARING:
        side = max([ints, *(s.numel() for s in shapes if len(s) == 1)])
        return max(side**2 if func is torch.eye or any(len(s) == 1 for s in shapes) else 0, _joined(shapes))
    if func in _REPEATING:
        return ints * _joined(shapes)
    return ints if func in _MAKING else _joined(shapes)


def _joined(shapes: Sequence[torch.Size]) -> int:
    """The numbers of tensors of these shapes, broadcast against each other or end to end."""
    rank = max(map(len, shapes), default=0)
    aligned = zip(*((1,) * (rank - len(s)) + tuple(s) for s in shapes))
    return max(math.prod(map(max, aligned)) if shapes else 0, sum(s.numel() for s in shapes))
