"""A schema with one of its columns changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import EllipsisType

from fluvial.core.errors import UsageError
from fluvial.data.columns import Column, Label
from fluvial.data.schema import Schema
from fluvial.data.words import listed, nearest


def edited(
    schema: Schema,
    name: str,
    kind: str | None,
    unit: str | None,
    numbers: tuple[float | EllipsisType | None, float | EllipsisType | None, float | EllipsisType | None],
    order: Sequence[Label] | None,
) -> Schema:
    """As :meth:`Schema.edit`; ``numbers`` are lower, upper and step."""
    lower, upper, step = numbers
    old = next((c for c in schema.every if c.name == name), None)
    if old is None:
        raise UsageError(f"there is no column {name!r}{nearest(name, schema.order)} (columns: {listed(schema.order)})")
    kind = old.kind if kind is None else kind
    if order is not None:
        return _swapped(schema, _ordered(schema, old, tuple(order)))
    if kind != old.kind and {kind, old.kind} & {"categorical", "ordinal", "circular", "time"}:
        raise UsageError(f"column {name!r}: say that it is {kind} when inferring the schema, which reads the data")
    kept = _bounds_kept(old, kind)
    new = replace(
        old,
        kind=kind,
        unit=old.unit if unit is None else unit,
        lower=kept[0] if lower is ... else lower,
        upper=kept[1] if upper is ... else upper,
        step=(1.0 if kind in ("integer", "time") else old.step) if step is ... else step,
    )
    return _swapped(schema, new)


def _ordered(schema: Schema, old: Column, order: tuple[Label, ...]) -> Column:
    """A column of labels with an order."""
    if not old.categorical or sorted(map(str, order)) != sorted(map(str, old.categories)):
        has = f"its labels are {listed(old.categories)}" if old.categorical else f"it is {old.kind}"
        raise UsageError(f"column {old.name!r}: order has each label once, and {has}; got {listed(order)}")
    if any(d.mapping and old.name in (d.source, d.column.name) for d in schema.dropped):
        raise UsageError(f"column {old.name!r}: say its order when inferring the schema, since others follow from it")
    by_text = {str(label): label for label in old.categories}
    return replace(old, kind="ordinal", categories=tuple(by_text[str(label)] for label in order))


def _swapped(schema: Schema, new: Column) -> Schema:
    """The schema with this column in place of the one of its name."""
    swap = {new.name: new}
    return replace(
        schema,
        columns=tuple(swap.get(c.name, c) for c in schema.columns),
        context=tuple(swap.get(c.name, c) for c in schema.context),
        dropped=tuple(replace(d, column=swap.get(d.column.name, d.column)) for d in schema.dropped),
    )


def _bounds_kept(old: Column, kind: str) -> tuple[float | None, float | None]:
    """The bounds that a column takes along into another kind."""
    if kind == "real":
        return None, None
    if kind == "positive":
        return (0.0 if old.lower is None else old.lower), None
    return old.lower, old.upper
