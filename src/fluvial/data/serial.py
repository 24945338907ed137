"""A schema as plain JSON, and back with every part checked: the file may come from anyone."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

import numpy as np

from fluvial.core.errors import RunError
from fluvial.core.typed import typed
from fluvial.data.columns import Column, from_codes
from fluvial.data.schema import Schema

_FORMAT = 1
_MOST = 1e300
_WHAT = "the schema in this run"


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
    fields = dict(typed(data, dict[str, object], _WHAT))
    version = typed(fields.pop("format", None), int, f"{_WHAT}'s format")
    if version != _FORMAT:
        raise RunError(f"{_WHAT} has format {version}, and this version of fluvial reads {_FORMAT}: upgrade fluvial")
    schema = typed(fields, Schema, _WHAT, exact=True)
    numbers = [n for c in schema.every for n in (c.lower, c.upper, c.step)]
    numbers += [n for d in schema.dropped for n in (d.slope, d.offset, d.tolerance, *(number for _, number in d.terms))]
    if any(n is not None and abs(n) > _MOST for n in numbers):
        raise RunError(f"{_WHAT} is damaged: bounds, steps and slopes are at most {_MOST:g}, got {numbers!r:.80}")
    for column in schema.every:
        known = column.categories
        if len({type(label) for label in known}) > 1 or len(set(known)) < len(known):
            raise RunError(
                f"{_WHAT} is damaged: the categories of {column.name!r} must be distinct and of one type, "
                f"got {known!r:.80}"
            )
        if known and not _comes_back(column):
            raise RunError(f"{_WHAT} is damaged: the categories of {column.name!r} are not {column.dtype}")
    return schema


def _comes_back(column: Column) -> bool:
    """Whether the dtype of a categorical column holds its labels."""
    try:
        return from_codes(column, np.arange(len(column.categories))).tolist() == list(column.categories)
    except (ValueError, TypeError, OverflowError):
        return False
