"""The one way from fluvial to a terminal: text from files and tables may hold what a terminal would obey."""

from __future__ import annotations

from typing import TextIO


def printable(text: str) -> str:
    r"""Text in which what is no visible character, line ends aside, is written as Python writes it.

    >>> print(printable("a\x1b[31mb\u202ec\nd"))
    a\x1b[31mb\u202ec
    d
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def say(text: object, to: TextIO | None = None) -> None:
    """Print text that may quote anything; to stdout where nothing else is named."""
    print(printable(str(text)), file=to, flush=True)
