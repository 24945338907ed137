"""The one way from fluvial to a terminal: text from files and tables may hold what a terminal would obey."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T", bound="tuple[Any, ...]")


def printable(text: str) -> str:
    r"""Text with all characters that are not visible, line ends aside, written as Python writes them.

    >>> print(printable("a\x1b[31mb\u202ec\nd"))
    a\x1b[31mb\u202ec
    d
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def worker() -> int:
    """Which of the processes of ``torchrun`` this one is; the first, 0, speaks for all."""
    return int(os.environ.get("RANK", "0")) if "TORCHELASTIC_RUN_ID" in os.environ else 0


def say(text: object) -> None:
    """Print a result, which may quote anything, to standard output."""
    if worker():
        return
    print(printable(str(text)), flush=True)


def note(text: object, own: bool = False) -> None:
    """Print what is said beside the results to standard error; that nobody can hear it ends nothing.

    Args:
        own: what this worker alone has to say, if there are several.
    """
    if worker() and not own:
        return
    if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]  (it is where the caller has closed it)
        with contextlib.suppress(OSError):
            print(printable(str(text)), file=sys.stderr, flush=True)


class Pace:
    """How far a long pass over rows is, at what rate, and for how long: a line on standard error every few seconds.

    Args:
        total: rows in all, None where nobody knows; ``done`` are those that an earlier pass has left behind.
    """

    def __init__(self, total: int | None, unit: str, done: int = 0, every: float = 5.0) -> None:
        self.total, self.unit, self.done, self.every = total, unit, done, every
        self.before, self.began = done, time.monotonic()
        self.told = self.began

    def over(self, parts: Iterable[T]) -> Iterator[T]:
        """The parts of a pass, tuples of arrays, counted once each has been made use of."""
        for part in parts:
            yield part
            self.add(len(part[0]))

    def add(self, rows: int) -> None:
        """So many more are done."""
        self.done += rows
        now = time.monotonic()
        if now - self.told < self.every or (self.total is not None and self.done >= self.total):
            return
        self.told: float = now
        rate = (self.done - self.before) / (now - self.began)
        if self.total is None:
            note(f"{self.done:,} {self.unit}, {rate:,.0f} a second")
            return
        left = (self.total - self.done) / max(rate, 1e-9)
        note(f"{self.done:,} of {self.total:,} {self.unit}, {rate:,.0f} {self.unit}/s, {left:,.0f} s left")
