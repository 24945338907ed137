"""Sizes that a recipe reads off the shapes it is given, checked."""

from __future__ import annotations

from fluvial.core.transform import Shape


def features_of(event_shape: Shape) -> int:
    """D of (D,)."""
    if len(event_shape) != 1 or event_shape[0] < 1:
        raise ValueError(f"event_shape: a tabular model expects (D,) with D >= 1, got {tuple(event_shape)}")
    return event_shape[0]


def context_of(context_shape: Shape | None) -> int:
    """C of (C,), 0 of None."""
    if context_shape is None:
        return 0
    if len(context_shape) != 1 or context_shape[0] < 1:
        raise ValueError(f"context_shape: a tabular model expects (C,) with C >= 1 or None, got {tuple(context_shape)}")
    return context_shape[0]
