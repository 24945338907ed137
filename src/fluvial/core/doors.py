"""The doors: what a public method of a density or a transform is given is looked at there, once, for every class.

A class says what it takes (``event_shape``, ``context_shape``, ``output_shape``); its methods are wrapped when it is
made, so that none of them, nor one that somebody writes, has to look for itself.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from fluvial.core.density import Density
    from fluvial.core.transform import Transform

Method = Callable[..., Any]
NARROW = (torch.float16, torch.bfloat16, torch.bool)


class Contextual(nn.Module):
    """A network that reads a context beside its input."""

    context_features: int | None = None
    """How many features it reads, 0 for no context at all; None where only the network itself knows."""
    in_channels: int | None = None
    """How many its input has, where that is not plain from the transform around it."""


def guard(cls: type, doors: dict[str, Callable[[Method], Method]]) -> None:
    """Wrap those of the methods that the class defines itself."""
    for name, door in doors.items():
        if name in cls.__dict__:
            setattr(cls, name, door(cls.__dict__[name]))


def _scores(method: Method) -> Method:
    @wraps(method)
    def door(self: Density, x: Tensor, context: Tensor | None = None, **options: Any) -> Tensor:  # noqa: ANN401
        self.check_event(x)
        self.check_context(x.shape[0], context)
        return _never_nan(method(self, wide(x), context, **options))

    return door


def _scores_parts(method: Method) -> Method:
    @wraps(method)
    def door(self: Density, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        self.check_event(x)
        self.check_context(x.shape[0], context)
        parts = method(self, wide(x), context)
        return None if parts is None else _never_nan(parts)

    return door


def _never_nan(log_p: Tensor) -> Tensor:
    """-inf where far values left the range of the numbers, so that infinities were subtracted."""
    return torch.nan_to_num(log_p, -math.inf, math.inf, -math.inf)


def _reads(method: Method) -> Method:
    @wraps(method)
    def door(self: Density, x: Tensor, context: Tensor | None = None) -> object:
        self.check_event(x)
        self.check_context(x.shape[0], context)
        return method(self, wide(x), context)

    return door


def _decodes(method: Method) -> Method:
    @wraps(method)
    def door(self: Any, z: Tensor, context: Tensor | None = None) -> object:  # noqa: ANN401
        check_shape("z", z, self.noise.event_shape)
        self.check_context(z.shape[0], context)
        return method(self, wide(z), context)

    return door


def _draws(method: Method) -> Method:
    @wraps(method)
    def door(self: Density, n: int, context: Tensor | None = None) -> object:
        n = whole(n, "n", "draws")
        shape = self.context_shape
        if shape is not None and isinstance(context, Tensor) and n != 1 and context.shape[:1] == (1,):
            self.check_context(1, context)
            context = context.expand(n, *context.shape[1:])
        self.check_context(n, context)
        return method(self, n, context)

    return door


def _of_length(method: Method) -> Method:
    @wraps(method)
    def door(self: Density, length: int) -> object:
        return method(self, whole(length, "length", "steps"))

    return door


def _from_data(method: Method) -> Method:
    @wraps(method)
    def door(self: Transform, x: Tensor, context: Tensor | None = None) -> object:
        if context is None and self.knows(x, "x"):
            return method(self, x)
        self.check(x, context, "x")
        return method(self, wide(x), context)

    return door


def _from_noise(method: Method) -> Method:
    @wraps(method)
    def door(self: Transform, z: Tensor, context: Tensor | None = None) -> object:
        if context is None and self.knows(z, "z"):
            return method(self, z)
        self.check(z, context, "z")
        return method(self, wide(z), context)

    return door


DENSITY: dict[str, Callable[[Method], Method]] = {
    **{"log_prob": _scores, "parts": _scores_parts, "encode": _reads, "decode": _decodes, "of_length": _of_length},
    **dict.fromkeys(("initialize", "measure"), _reads),
    **dict.fromkeys(("sample", "sample_and_log_prob"), _draws),
}
"""The door of each method of a density, by its name."""

TRANSFORM: dict[str, Callable[[Method], Method]] = {
    **dict.fromkeys(("forward", "parts", "log_mass", "initialize", "measure"), _from_data),
    "inverse": _from_noise,
}
"""The door of each method of a transform."""


def whole(n: int, name: str, what: str) -> int:
    """n, a whole number of at least 0 of any integer type; else ValueError, a sentence."""
    if not isinstance(n, (int, torch.SymInt)):  # pyright: ignore[reportUnnecessaryIsInstance]
        try:
            n = operator.index(n)
        except TypeError:
            raise ValueError(
                f"{name}: expected a whole number of {what}, got {n!r}; for a grid of draws ask "
                "density.given(context).sample(shape)"
                if what == "draws"
                else f"{name}: expected a whole number of {what}, got {n!r}"
            ) from None
    if n < 0:
        raise ValueError(f"{name}: expected at least 0 {what}, got {n}")
    return n


def wide(value: Tensor) -> Tensor:
    """The value, in float32 where it is in half precision, which leaves too little to invert, or in bits."""
    return value.float() if value.dtype in NARROW else value


def check_tensor(name: str, value: Tensor) -> None:
    """ValueError, a sentence, unless the value is a tensor of real numbers with a first axis for rows."""
    if not isinstance(value, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}")
    if value.dtype.is_complex:
        raise ValueError(f"{name}: expected real numbers, got {value.dtype}")
    if value.dim() < 1:
        raise ValueError(f"{name}: expected rows, (B, ...), got a tensor of shape ()")


def check_shape(name: str, value: Tensor, event_shape: tuple[int | None, ...]) -> None:
    """ValueError, a sentence, unless the value is (B, \\*event_shape) of real numbers."""
    check_tensor(name, value)
    if value.shape[1:] != event_shape and not fits(value.shape[1:], event_shape):
        raise ValueError(f"{name}: expected shape (B, {listed(event_shape)}), got {tuple(value.shape)}")


def check_features(context: Tensor | None, features: int | None, rows: int, name: str) -> None:
    """ValueError, a sentence, unless a step's context has a row for each row of x, and the features that it reads."""
    if context is None:
        raise ValueError(f"context: this {name} reads {features} features, ({rows}, {features}), got none")
    check_tensor("context", context)
    if context.shape[0] != rows:
        raise ValueError(f"context: this {name} was given {rows} rows, but a context of {context.shape[0]}")
    if features is None:
        return
    # features of a row, of each row of a series (B, rows, C), or channels of an image (B, C, H, W)
    given = context.shape[2 if context.dim() == 3 else 1] if context.dim() > 1 else 0
    if given != features:
        raise ValueError(f"context: this {name} reads {features} features, got one of shape {tuple(context.shape)}")


def over(event_shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """``event_shape``; ValueError, a sentence, unless it is ``wanted``, in which None stands for any length."""
    if len(event_shape) != len(wanted) or any(w is not None and w != n for w, n in zip(wanted, event_shape)):
        raise ValueError(f"expected events of shape ({listed(wanted)}), got ({listed(event_shape)})")
    return event_shape


def over_channels(event_shape: tuple[int | None, ...], channels: int) -> tuple[int | None, ...]:
    """``event_shape``; ValueError, a sentence, unless its first axis has ``channels`` entries."""
    if event_shape[:1] != (channels,):
        raise ValueError(f"expected events of {channels} entries or channels, got shape ({listed(event_shape)})")
    return event_shape


def fits(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape is the wanted one, in which None stands for any length."""
    return len(shape) == len(wanted) and all(w is None or s == w for s, w in zip(shape, wanted))


def listed(shape: tuple[int | None, ...]) -> str:
    """The shape as sentences write it, T where any length will do."""
    return ", ".join("T" if n is None else str(n) for n in shape)
