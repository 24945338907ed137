"""What is known of the columns of a table, as people type it -> conditions."""

from __future__ import annotations

from collections.abc import Sequence

from fluvial.data.columns import Column
from fluvial.data.schema import Schema
from fluvial.kinds.tables.conditions import Condition
from fluvial.kinds.typed import parse_context


def parse_given(texts: Sequence[str] | None, schema: Schema) -> dict[str, Condition]:
    """NAME=VALUE, NAME=LOW..HIGH, NAME=A|B or NAME= (missing), one a text or separated by commas.

    A text that is one of the column's labels is that label, whatever signs it holds. Who knows the column reads the
    values.

    >>> schema = Schema((Column("Sex", "categorical", categories=("F", "M", "a|b")), Column("size", "real")))
    >>> parse_given(["Sex=F|M,size=0.4..", "size=3"][:1], schema)
    {'Sex': ['F', 'M'], 'size': ('0.4', None)}
    >>> parse_given(["Sex=a|b", "size="], schema)
    {'Sex': 'a|b', 'size': None}
    """
    columns = {c.name: c for c in schema.every}
    typed = parse_context(texts, schema.order, "given") or {}
    return {name: _condition(columns.get(name), text) for name, text in typed.items()}


def _condition(column: Column | None, text: str) -> Condition:
    if column is not None and text in map(str, column.categories):
        return text
    if "|" in text:
        return [part.strip() or None for part in text.split("|")]
    if ".." in text and not (column is not None and column.kind == "categorical"):
        low, _, high = text.partition("..")
        return low.strip() or None, high.strip() or None
    return text or None
