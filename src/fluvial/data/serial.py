"""A schema as plain JSON, and back with every part checked: the file may come from anyone."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import TypeVar, cast

from fluvial.core.errors import DataError, RunError
from fluvial.data.columns import Column, Label
from fluvial.data.schema import Derived, Schema

T = TypeVar("T")

_FORMAT = 1
_MISFIT = "the schema in this run cannot be used"


def schema_to_json(schema: Schema) -> dict[str, object]:
    plain = cast("dict[str, object]", _plain(asdict(schema)))
    return {"format": _FORMAT, **plain}


def _plain(value: object) -> object:
    """Tuples as lists, the way JSON gives them back."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in cast("list[object]", value)]
    return value


def schema_from_json(data: object) -> Schema:
    """Raises RunError for anything that ``schema_to_json`` does not write."""
    fields = _fields(data, "schema", ("format", "columns", "context", "dropped", "order", "header"))
    version = _typed(fields["format"], int, "format")
    if version != _FORMAT:
        raise RunError(
            f"{_MISFIT}: its format is {version}, and this version of fluvial reads {_FORMAT}; upgrade fluvial"
        )

    def derived(item: object) -> Derived:
        part = _fields(item, "dropped", ("column", "source", "slope", "offset", "tolerance"))
        slope, offset, tolerance = (_number(part[key], key) for key in ("slope", "offset", "tolerance"))
        return Derived(_column(part["column"]), _typed(part["source"], str, "source"), slope, offset, tolerance)

    try:
        return Schema(
            columns=tuple(_column(item) for item in _items(fields["columns"], "columns")),
            context=tuple(_column(item) for item in _items(fields["context"], "context")),
            dropped=tuple(derived(item) for item in _items(fields["dropped"], "dropped")),
            order=tuple(_typed(name, str, "order") for name in _items(fields["order"], "order")),
            header=_typed(fields["header"], bool, "header"),
        )
    except DataError as error:
        raise RunError(f"{_MISFIT}: {error}") from None


def _column(data: object) -> Column:
    keys = ("name", "kind", "dtype", "unit", "lower", "upper", "step", "categories")
    part = _fields(data, "column", keys)
    name, kind, dtype, unit = (_typed(part[key], str, key) for key in keys[:4])
    lower, upper, step = (None if part[key] is None else _number(part[key], key) for key in keys[4:7])
    categories = tuple(_label(item) for item in _items(part["categories"], "categories"))
    if len({type(label) for label in categories}) > 1 or len(set(categories)) < len(categories):
        raise RunError(
            f"{_MISFIT}: the categories of {name!r} must be distinct and of one type, got {categories!r:.80}"
        )
    return Column(name, kind, dtype, unit, lower, upper, step, categories)


def _fields(data: object, what: str, keys: tuple[str, ...]) -> dict[str, object]:
    fields = cast("dict[str, object]", _typed(data, dict, what))
    if set(fields) != set(keys):
        raise RunError(
            f"{_MISFIT}: a {what} has the fields {', '.join(keys)}, got {', '.join(map(str, fields))!s:.200}"
        )
    return fields


def _items(data: object, what: str) -> list[object]:
    return cast("list[object]", _typed(data, list, what))


def _typed(value: object, kind: type[T], what: str) -> T:
    # bool is an int to Python, not to JSON
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RunError(f"{_MISFIT}: {what!r} should be of type {kind.__name__}, got {value!r:.80}")
    return value


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300 or not isfinite(value):
        raise RunError(f"{_MISFIT}: {what!r} should be a finite number, got {value!r:.80}")
    return value


def _label(value: object) -> Label:
    if not isinstance(value, str | bool | int | float) or (isinstance(value, float) and not isfinite(value)):
        raise RunError(f"{_MISFIT}: a category should be text or a number, got {value!r:.80}")
    return value
