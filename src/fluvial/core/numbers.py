"""Checks of numbers at the door: numpy's count as Python's, and what comes through is Python's."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from fluvial.core.errors import UsageError


def whole(name: str, value: object, least: int, what: str = "a whole number") -> int:
    """``value`` as an int; UsageError, a sentence, unless it is a whole number of at least ``least``.

    >>> whole("epochs", np.int64(3), 1)
    3
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise UsageError(f"{name}: expected {what} of at least {least}, got {value!r}")
    return int(value)


def is_real(value: object) -> bool:
    """Whether it is a number, and neither True nor False.

    >>> is_real(np.float32(0.5)), is_real(True)
    (True, False)
    """
    return not isinstance(value, bool) and isinstance(value, numbers.Real)


def between(name: str, value: Any, above: float, below: float, expected: str) -> float:  # noqa: ANN401
    """``value`` as a float; UsageError, a sentence, unless it lies strictly between the two."""
    if not is_real(value) or not above < value < below:
        raise UsageError(f"{name}: expected {expected}, got {value!r}")
    return float(value)


def share(name: str, value: Any, of: str) -> float:  # noqa: ANN401
    """``value`` as a float; UsageError, a sentence, unless it is a share between 0 and a half."""
    if not is_real(value) or not 0 <= value <= 0.5:
        raise UsageError(f"{name}: expected a share of the {of} between 0 and 0.5, got {value!r}")
    return float(value)


def plain(value: Any) -> Any:  # noqa: ANN401
    """Numpy's numbers and arrays as Python's, also inside lists.

    >>> plain([np.int64(3), np.arange(2), "tanh"])
    [3, [0, 1], 'tanh']
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return type(value)(plain(v) for v in value) if isinstance(value, list | tuple) else value
