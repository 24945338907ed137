"""The one way from fluvial to a terminal: text from files and tables may hold what a terminal would obey."""

from __future__ import annotations

import contextlib
import sys


def printable(text: str) -> str:
    r"""Text with all characters that are not visible, line ends aside, written as Python writes them.

    >>> print(printable("a\x1b[31mb\u202ec\nd"))
    a\x1b[31mb\u202ec
    d
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def say(text: object) -> None:
    """Print a result, which may quote anything, to standard output."""
    print(printable(str(text)), flush=True)


def note(text: object) -> None:
    """Print what is said beside the results to standard error; that nobody can hear it ends nothing."""
    if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]  (it is where the caller has closed it)
        with contextlib.suppress(OSError):
            print(printable(str(text)), file=sys.stderr, flush=True)
