"""Small pieces of the sentences that data errors are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_MOST = 6


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
