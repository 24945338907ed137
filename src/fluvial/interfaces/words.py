"""What people type on the command line -> values."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

command: ContextVar[tuple[str, ...]] = ContextVar("command", default=())
"""The words of the command that is running, kept in the records it writes."""


@dataclass(frozen=True)
class Draw:
    """What ``sample`` is asked for, whatever the run is of; None where it is left open."""

    run: Path
    number: int | None
    context: Mapping[str, object] | None
    out: Path | None
    seed: int


_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d*)?)\s*([smhd]?)")
_SIZE = re.compile(r"(\d+)(?:\s*[x×]\s*(\d+))?")


def parse_seconds(text: str | None) -> float | None:
    """A time span in seconds.

    >>> parse_seconds("5m"), parse_seconds("1.5h"), parse_seconds("90")
    (300.0, 5400.0, 90.0)
    """
    if text is None:
        return None
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        from fluvial.core.errors import UsageError

        raise UsageError(f"budget: expected a time such as 90s, 5m or 1h, got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Width and height.

    >>> parse_size("640x480"), parse_size("32")
    ((640, 480), (32, 32))
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        from fluvial.core.errors import UsageError

        raise UsageError(f"size: expected width x height, such as 32x32, got {text!r}")
    return int(match[1]), int(match[2] or match[1])


def listed_names(text: str | None) -> tuple[str, ...]:
    """Names separated by commas.

    >>> listed_names("Sex, Age")
    ('Sex', 'Age')
    """
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_assignments(texts: list[str]) -> dict[str, object]:
    """name=value each; values are read as JSON where they are, "8,8" as a list of numbers, the rest as text.

    >>> parse_assignments(["transforms=8", "hidden=64,64", "linear=false", "activation=tanh"])
    {'transforms': 8, 'hidden': [64, 64], 'linear': False, 'activation': 'tanh'}
    """
    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            from fluvial.core.errors import UsageError

            raise UsageError(f"expected name=value, such as transforms=8, got {text!r}")
        values[name.strip()] = _value(value.strip())
    return values


def parse_context(text: str | None) -> dict[str, object] | None:
    """Assignments separated by commas.

    >>> parse_context("digit=7,speaker=theo")
    {'digit': 7, 'speaker': 'theo'}
    """
    return parse_assignments(text.split(",")) if text else None


def one_or_more(data: tuple[str, ...]) -> str | list[str] | None:
    """One path, several, or none."""
    return list(data) if len(data) > 1 else next(iter(data), None)


def how_to_go_on(argv: list[str], folder: Path) -> str:
    """What to tell whoever has interrupted a fit."""
    again = [a for a in argv if a not in ("--resume", "--force")]
    if not any(a == "--out" or a.startswith("--out=") for a in argv):
        again += ["--out", str(folder)]
    line = shlex.join(["fluvial", *again, "--resume"])
    return f"interrupted; the fit is kept in {folder} and goes on with: {line}"


def _value(text: str) -> object:
    if text.lower() in ("none", "true", "false"):
        return {"none": None, "true": True, "false": False}[text.lower()]
    for candidate in (text, f"[{text}]"):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text
