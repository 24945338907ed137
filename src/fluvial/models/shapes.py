"""Sizes that a recipe reads off the shapes it is given, checked."""

from __future__ import annotations

from collections.abc import Sequence

from fluvial.core.transform import Shape
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law
from fluvial.transforms.laws import Laws

Image = tuple[int, int, int]


def features_of(event_shape: Shape) -> int:
    """D of (D,)."""
    if len(event_shape) != 1 or event_shape[0] < 1:
        raise ValueError(f"event_shape: a tabular model expects (D,) with D >= 1, got {tuple(event_shape)}")
    return event_shape[0]


def laws_of_columns(laws: Sequence[Law], columns: int, components: int) -> Laws:
    """The laws of so many columns; where none are given, those of real numbers, standardised."""
    laws = laws or [Law(rest=ColumnMap())] * columns
    if len(laws) != columns:
        raise ValueError(f"laws: expected one for each of the {columns} columns, got {len(laws)}")
    return Laws(laws, components)


def context_of(context_shape: Shape | None) -> int:
    """C of (C,), 0 of None."""
    if context_shape is None:
        return 0
    if len(context_shape) != 1 or context_shape[0] < 1:
        raise ValueError(f"context_shape: a tabular model expects (C,) with C >= 1 or None, got {tuple(context_shape)}")
    return context_shape[0]


def context_features(context_shape: Shape | None) -> int:
    """F of a context of shape (F,), 0 for none, or a sentence."""
    if context_shape is None:
        return 0
    if len(context_shape) != 1 or context_shape[0] < 1:
        raise ValueError(f"context_shape: an image model expects (F,) with F >= 1 or None, got {tuple(context_shape)}")
    return context_shape[0]


def check_halvings(shape: Image, halvings: int, option: str, value: int) -> None:
    """ValueError, a sentence, unless an image can be halved so often."""
    if value < 1:
        raise ValueError(f"{option}: expected at least 1, got {value}")
    _, height, width = shape
    possible = min((n & -n).bit_length() - 1 for n in (height, width))
    if halvings > possible:
        raise ValueError(
            f"{option}: {value} of them halve an image {halvings} times, but height and width of {height} x {width} "
            f"can be halved {possible} times; ask for fewer, or pad or crop the images"
        )
