"""Plain data from files as typed values: every field is checked before anything reads it."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from fluvial.core.errors import RunError

T = TypeVar("T")
_AT = re.compile(r"(?s)(.*?)(?: - at `(?:\$\.?)?(.*)`)?")


def typed(data: object, kind: type[T], what: str, exact: bool = False) -> T:
    """``data``, of dicts, lists and scalars, as ``kind``: a dataclass, a TypedDict or any other annotation.

    Nothing is converted on the way but lists to tuples and whole numbers to floats.

    Args:
        what: of which ``data`` are, for the sentence.
        exact: a key that ``kind`` does not know is an error, and not left out.

    Raises:
        RunError: ``what`` is damaged, and where.

    >>> typed([1, 2], tuple[int, int], "x")
    (1, 2)
    """
    import msgspec

    try:
        value = msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        raise RunError(_sentence(str(error), what)) from None
    foreign = _foreign(data, plain(value)) if exact else None
    if foreign is not None:
        raise RunError(f"{what} is damaged: it has a field {foreign!r:.80} that this version of fluvial does not know")
    return value


def plain(value: object) -> Any:  # noqa: ANN401  (plain JSON)
    """What :func:`typed` gives as dicts, lists and scalars again; fields that were left out have their defaults.

    >>> from fluvial.transforms import CodeMap
    >>> plain(typed([{"lower": 1}], list[CodeMap], "x"))
    [{'lower': 1, 'classes': 2}]
    """
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def decoded(content: bytes, what: str) -> Any:  # noqa: ANN401  (plain JSON)
    """JSON as Python objects; NaN, infinity and numbers beyond a float are refused.

    Raises:
        RunError: it is not JSON.
    """
    import msgspec

    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RunError(f"{what} is damaged: it is not JSON ({str(error).strip('.')[:120]})") from None


def _sentence(message: str, what: str) -> str:
    found = _AT.fullmatch(message)
    cause, place = (found[1], found[2]) if found else (message, None)
    cause = cause.replace("`", "")
    cause = cause[:1].lower() + cause[1:] if cause.startswith(("Expected ", "Object ", "Invalid ")) else cause
    return f"{what} is damaged: {f'at {place}, ' if place else ''}{cause}"


def _foreign(data: object, known: object) -> str | None:
    """A key in ``data`` that ``known`` lacks."""
    if isinstance(data, dict) and isinstance(known, dict):
        for key, value in data.items():
            found = str(key) if key not in known else _foreign(value, known[key])
            if found is not None:
                return found
    elif isinstance(data, list) and isinstance(known, list | tuple):
        return next((f for a, b in zip(data, known) if (f := _foreign(a, b)) is not None), None)
    return None
