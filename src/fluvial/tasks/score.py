"""Scores of data under a fitted model, whatever it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fluvial.core.errors import UsageError
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.scores import Scores
from fluvial.kinds.typed import parse_context


def score(
    model: Fitted, data: str | list[str] | None, context: Sequence[str] | None, options: Mapping[str, Any]
) -> Scores:
    """log p of the data in a file, or in several, given the ``context`` as it was typed.

    Args:
        options: what the model's kind of data takes besides.
    """
    if data is None:
        raise UsageError("name the data to score")
    return model.kind.score(model, data, parse_context(context, model.context_names), **options)
