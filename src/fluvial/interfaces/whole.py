"""Whole numbers on the command line: 2.5 is none, though the parser would round it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter, Token


def _whole(_: object, tokens: Sequence[Token]) -> int:
    with suppress(ValueError):
        return int(tokens[0].value)
    raise ValueError(f"expected a whole number, got {tokens[0].value!r}")


Whole = Annotated[int, Parameter(converter=_whole)]
