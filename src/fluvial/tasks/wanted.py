"""How many new rows, or files, of each label are wanted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.core.numbers import whole
from fluvial.data.words import counted

_MOST = 10**9  # cells
_FEW = 10  # rows of a label, from fewer of which hardly anything is learnt
_SHOWN = 10  # labels


def check_wish(rows: int | None, balance: bool) -> int | None:
    """How many, None for as many as balance the labels; UsageError, a sentence, where both or nonsense is asked for."""
    if rows is not None and balance:
        raise UsageError("rows says how many, balance makes all labels as frequent as the most frequent one: give one")
    return None if rows is None else whole("rows", rows, 1)


def wanted(labels: np.ndarray, number: int | None) -> dict[str, int]:
    """How many of each label, (N,): so many by their shares, or as many as make all as frequent as the most frequent.

    >>> labels = np.array(["a", "a", "a", "b"])
    >>> wanted(labels, None), wanted(labels, 8)
    ({'b': 2}, {'a': 6, 'b': 2})
    """
    found = counts_of(labels)
    values, counts = list(found), np.array(list(found.values()))
    if number is None:
        return {v: int(counts.max() - n) for v, n in zip(values, counts) if counts.max() > n}
    shares = np.floor(number * counts / counts.sum()).astype(int)
    shares[np.argsort(-counts)[: number - shares.sum()]] += 1
    return {v: int(n) for v, n in zip(values, shares) if n}


def counts_of(labels: np.ndarray) -> dict[str, int]:
    """How many of (N,) each label has, in the labels' order.

    >>> counts_of(np.array(["b", "a", "b"]))
    {'a': 1, 'b': 2}
    """
    return dict(zip(*(each.tolist() for each in np.unique(labels.astype(str), return_counts=True))))


def check_amount(rows: int, columns: int) -> None:
    """UsageError, a sentence, where so many new rows are held by no memory."""
    if rows * columns > _MOST:
        raise UsageError(
            f"rows: {rows:,} new rows of {counted(columns, 'column')} are more than are drawn at once: ask for "
            f"{_MOST // columns:,} at most, or fit, and draw them with fluvial sample, which writes them as they come"
        )


def about_rare(drawn: Mapping[str, int], had: Mapping[str, int], what: str) -> list[str]:
    """A sentence about labels of a few rows (or files), of which new ones are drawn.

    >>> about_rare({"a": 5, "b": 50}, {"a": 90, "b": 2}, "row")
    ["'b' has 2 rows, from which hardly anything is learnt about it: its 50 new ones are mostly like the others' rows"]
    """
    return [
        f"{label!r} has {counted(had[label], what)}, from which hardly anything is learnt about it: its {n:,} new ones "
        f"are mostly like the others' {what}s"
        for label, n in drawn.items()
        if had.get(label, _FEW) < _FEW
    ]


def each_of(counts: Mapping[str, int]) -> str:
    """How many of each label, the most first where there are many.

    >>> each_of({"a": 2, "b": 1})
    '2 of a, 1 of b'
    """
    if len(counts) <= _SHOWN:
        return ", ".join(f"{n:,} of {label}" for label, n in counts.items())
    most = sorted(counts, key=lambda label: -counts[label])[:_SHOWN]
    return f"{', '.join(f'{counts[label]:,} of {label}' for label in most)} and of {len(counts) - _SHOWN} more labels"
