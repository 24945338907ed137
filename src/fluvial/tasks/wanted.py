"""How many new rows, or files, of each label are wanted."""

from __future__ import annotations

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.core.numbers import whole


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
    values, counts = np.unique(labels.astype(str), return_counts=True)
    if number is None:
        return {v: int(counts.max() - n) for v, n in zip(values.tolist(), counts) if counts.max() > n}
    shares = np.floor(number * counts / counts.sum()).astype(int)
    shares[np.argsort(-counts)[: number - shares.sum()]] += 1
    return {v: int(n) for v, n in zip(values.tolist(), shares) if n}
