"""Small pieces of the sentences that data errors are made of."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_MOST = 6
_SHOWN = 3  # files named in a note


def listed(names: Iterable[object], most: int = _MOST) -> str:
    """Names in quotes; a long list ends in a count.

    >>> listed(["a", "b"])
    "'a', 'b'"
    >>> listed(range(9), most=2)
    '0, 1 and 7 more'
    """
    every = [repr(name) for name in names]
    if len(every) <= most:
        return ", ".join(every)
    return f"{', '.join(every[:most])} and {len(every) - most} more"


def nearest(name: str, known: Sequence[str]) -> str:
    """A half-sentence with the known name that is closest, empty if none is close.

    >>> nearest("Lenght", ["Length", "Height"])
    "; did you mean 'Length'?"
    """
    by_lower = {k.lower(): k for k in known}
    close = get_close_matches(name.lower(), list(by_lower), n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def counted(n: int, noun: str) -> str:
    """A count with its noun, in the plural where it is one.

    >>> counted(1, "row"), counted(4177, "row")
    ('1 row', '4,177 rows')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def flag(name: str, value: str) -> str:
    """A flag of the command line as it is typed, in quotes where a shell would take it apart.

    >>> flag("drop", "Rings"), flag("kind", "Height, cm=real")
    ('--drop Rings', "--kind 'Height, cm=real'")
    """
    return f"--{name} {shlex.quote(value)}"


def noted(what: str, files: Sequence[str]) -> tuple[str, ...]:
    """A sentence about files, the first of them by name; none about no files.

    >>> noted("empty", ["a", "b", "c", "d"])
    ('empty: a, b, c and 1 more',)
    """
    if not files:
        return ()
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return (f"{what}: {', '.join(files[:_SHOWN])}{more}",)
