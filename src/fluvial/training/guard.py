"""Before a model is built from a file: would it be the model whose weights are there?"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Generator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_parameter_registration_hook,
)

from fluvial.core.errors import RunError
from fluvial.models import build
from fluvial.training.formats import Stored

_SLACK = 4  # times what is stored: layers are counted twice where they are shared, or made and thrown away
_FEW = 1 << 10  # tensors that may come on top
_EVENT = 1 << 24  # numbers of an event that a model of few weights may have, such as convolutions over images
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_NAMES = {
    **{torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32"},
    **{torch.int64: "I64", torch.float64: "F64", torch.float32: "F32"},
}


def check_size(config: Mapping[str, Any], stored: Mapping[str, Stored]) -> None:
    """RunError, a sentence, unless the model of ``config`` has the tensors that are stored, by name, shape and kind.

    The model is built without memory for its tensors, on torch's meta device, and only as far as it stays within
    what is stored: a configuration that asks for more layers, or larger ones, is refused at the first too many.
    """
    sizes = [math.prod(s["shape"]) for s in stored.values()]
    event = math.prod([n for n in config["event_shape"] if n is not None])
    if event > max(_EVENT, _SLACK * sum(sizes)):
        raise RunError(f"events of {event:,} numbers are too large for a model of {sum(sizes):,} numbers")
    with _bounded(len(sizes), sum(sizes)):
        wanted = build(config).state_dict()
    for name, value in wanted.items():
        found = stored.get(name)
        if found is None or tuple(found["shape"]) != tuple(value.shape) or not _alike(found["dtype"], value):
            told = "nothing" if found is None else f"{found['dtype']} {found['shape']}"
            raise RunError(f"{name} should be {_NAMES.get(value.dtype, value.dtype)} {list(value.shape)}, got {told}")
    foreign = sorted(set(stored) - set(wanted))
    if foreign:
        raise RunError(f"there is a tensor {foreign[0]!r:.80}, which the model does not have")


def _alike(dtype: str, value: Tensor) -> bool:
    return dtype in _FLOATS if value.is_floating_point() else dtype == _NAMES.get(value.dtype)


@contextlib.contextmanager
def _bounded(tensors: int, numbers: int) -> Generator[None]:
    """Modules of this thread may get parameters up to so many and so large, and then no more."""
    owner, left = threading.get_ident(), [_SLACK * tensors + _FEW, _SLACK * numbers + _EVENT]

    def count(module: nn.Module, name: str, value: Tensor | None) -> None:
        if value is None or threading.get_ident() != owner:
            return
        left[0], left[1] = left[0] - 1, left[1] - value.numel()
        if min(left) < 0:
            raise RunError(
                f"the model would be larger than the {numbers:,} numbers in {tensors:,} tensors of its weights"
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
