"""New data from a fitted model, whatever it is of, written where they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluvial.core.errors import UsageError
from fluvial.data.tables import read
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.kind import Draw
from fluvial.kinds.typed import parse_context


def sample(
    model: Fitted, wish: Draw, context: Sequence[str] | None, contexts: str | None, options: Mapping[str, Any]
) -> Iterable[Path]:
    """Draw and write; the paths of the files.

    Args:
        context: as it was typed, the same for all draws; ``contexts`` is a table with a row of it for each.
        options: what the model's kind of data takes besides.
    """
    known: Mapping[str, object] | None = parse_context(context, model.context_names)
    number = wish.number
    if contexts is not None:
        if known or number is not None:
            raise UsageError("--contexts has one draw for each of its rows: leave out --context and --number")
        table = read(contexts)
        known, number = {name: table.columns[name] for name in table.names if name in model.context_names}, len(table)
        if not known:
            names = ", ".join(model.context_names) or "nothing"
            raise UsageError(f"--contexts: {contexts} has none of the columns that the model is given, {names}")
    return model.kind.sample(model, replace(wish, context=known, number=number), **options)
