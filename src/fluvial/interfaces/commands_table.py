"""What ``score`` and ``sample`` do with a model of a table."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.interfaces.asked import parse_given
from fluvial.interfaces.scored import Scored
from fluvial.interfaces.words import Draw
from fluvial.tasks.model import Model
from fluvial.terminal import note

_ROWS = 1000  # drawn where no number is given
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that a spreadsheet runs


def score(
    fitted: Model,
    data: str | list[str],
    context: Mapping[str, object] | None,
    *,
    drop_missing: bool = False,
    no_shares: bool = False,
) -> Scored:
    """The log-density of each row, and each column's share where the model has them."""
    if context is not None:
        raise UsageError("--context is for scoring sound and images; of tables, the context is a column")
    if isinstance(data, list):
        raise UsageError(f"a table is one file, got {len(data)}")
    scores = fitted.score(data, drop_missing=drop_missing)
    notes = [f"note: {warning}" for warning in scores.warnings]
    if not fitted.exact:
        notes.append("the scores are lower bounds: the table has rounded or integer columns")
    parts = {} if no_shares else {f"log_prob {name}": part for name, part in scores.parts.items()}
    columns = {"row": scores.rows, "log_prob": scores.log_prob, **parts}
    return Scored(columns, notes, "nats a row", scores.log_prob)


def sample(fitted: Model, wish: Draw, *, escape_formulas: bool = False, given: Sequence[str] = ()) -> None:
    """New rows, to a file or as CSV to stdout; ``given`` is what is known of them, as it was typed."""
    number = _ROWS if wish.number is None else wish.number
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if given:
            known = fitted.given(parse_given(given, fitted.schema), wish.context)
            rows = known.sample_columns(number, wish.seed)
        else:
            rows = fitted.sample_columns(number, wish.context, wish.seed)
    for warning in caught:
        note(f"note: {warning.message}")
    write_columns(escaped(rows) if escape_formulas else rows, wish.out, fitted.schema.header)


def escaped(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names and cells of text that a spreadsheet would run as formulas, with an apostrophe before them.

    >>> escaped({"=1+1": np.array(["=cmd|x", "a"], dtype=object), "x": np.array([-1.0])})
    {"'=1+1": array(["'=cmd|x", 'a'], dtype=object), 'x': array([-1.])}
    """

    def plain(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

    return {
        str(plain(name)): np.array([plain(cell) for cell in values.tolist()], dtype=object)
        if values.dtype.kind in "OSU"
        else values
        for name, values in columns.items()
    }


def write_columns(columns: Mapping[str, np.ndarray], out: Path | None, header: bool = True) -> None:
    """Named columns to a file, or as CSV to stdout."""
    from fluvial.data.files import write, write_text

    if out is not None:
        write(dict(columns), out, header)
    else:
        write_text(dict(columns), sys.stdout, header)
