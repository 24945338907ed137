"""What people type on the command line -> values."""

from __future__ import annotations

import json
import os
import shlex
from contextvars import ContextVar
from pathlib import Path

command: ContextVar[tuple[str, ...]] = ContextVar("command", default=())
"""The words of the command that is running, kept in the records it writes."""


started: ContextVar[float | None] = ContextVar("started", default=None)
"""``time.monotonic()`` when the command began, from which a budget counts."""


def parse_assignments(texts: list[str]) -> dict[str, object]:
    """name=value each; values are read as JSON where they are, "8,8" as a list of numbers, the rest as text.

    >>> parse_assignments(["transforms=8", "hidden=64,64", "linear=false", "activation=tanh"])
    {'transforms': 8, 'hidden': [64, 64], 'linear': False, 'activation': 'tanh'}
    """
    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise _usage(f"expected name=value, such as transforms=8, got {text!r}")
        values[name.strip()] = _value(value.strip())
    return values


def one_or_more(data: tuple[str, ...]) -> str | list[str] | None:
    """One path, several, or none."""
    return list(data) if len(data) > 1 else next(iter(data), None)


def how_to_go_on(argv: list[str], folder: Path) -> str:
    """What to tell whoever has interrupted a fit."""
    again = [a for a in argv if a not in ("--resume", "--force")]
    if not any(a == "--out" or a.startswith("--out=") for a in argv):
        again += ["--out", str(folder)]
    line = shlex.join([*_program(), *again, "--resume"])
    return f"interrupted; the fit is kept in {folder} and goes on with: {line}"


def _program() -> list[str]:
    """What the words of a command stand behind, as far as torchrun tells its workers."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ["fluvial"]
    here, everywhere = (os.environ.get(name, "1") for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    nodes = [] if here == everywhere else ["--nnodes", str(int(everywhere) // int(here))]
    return ["torchrun", *nodes, "--nproc_per_node", here, "-m", "fluvial"]


def _usage(sentence: str) -> ValueError:
    from fluvial.core.errors import UsageError  # loads torch, which --help can do without

    return UsageError(sentence)


def _value(text: str) -> object:
    if text.lower() in ("none", "true", "false"):
        return {"none": None, "true": True, "false": False}[text.lower()]
    for candidate in (text, f"[{text}]"):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text
