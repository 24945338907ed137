"""Labels of recordings and images: folders to words, and words to the numbers that a model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, RunError, UsageError

Known = Mapping[str, Sequence[str]]
"""The labels that a model is given, in order, each with its values."""


def folder_labels(folders: Sequence[tuple[str, ...]]) -> dict[str, np.ndarray]:
    """The names of the folders that each file lies in as labels, where all files lie equally deep.

    >>> folder_labels([("cats",), ("dogs",)])["label"].tolist()
    ['cats', 'dogs']
    """
    depths = {len(names) for names in folders}
    if len(depths) != 1 or depths == {0}:
        return {}
    (depth,) = depths
    names = ["label"] if depth == 1 else [f"label{i + 1}" for i in range(depth)]
    return {name: np.array([f[i] for f in folders]) for i, name in enumerate(names)}


def encode_labels(known: Known, given: Mapping[str, Any], n: int) -> np.ndarray | None:
    """Labels by name, one value for all or n of them, as numbers (n, C) float32; None for a model that is given none.

    Raises:
        DataError: a label is missing, unknown, or has a value that the model has never seen.
    """
    if not known:
        if given:
            raise UsageError(f"context: this model is given nothing, but got {', '.join(given)}")
        return None
    unknown = [name for name in given if name not in known]
    if unknown and not set(known) <= set(given):
        raise DataError(f"context: there is no label {unknown[0]!r}; the model is given {', '.join(known)}")
    rows = np.empty((n, len(known)), dtype=np.float32)
    for i, (name, words) in enumerate(known.items()):
        if name not in given:
            raise DataError(f"context: the model is given {', '.join(known)}, but {name!r} is missing")
        values = np.atleast_1d(np.asarray(given[name])).astype(str)
        if values.shape not in ((1,), (n,)):
            raise DataError(f"context: {name} should have one value or {n}, got {len(values)}")
        new = sorted(set(values.tolist()) - set(words))
        if new:
            raise DataError(
                f"context: {name} has the value {new[0]!r}, which the model has never seen; "
                f"it knows {', '.join(words[:20])}"
            )
        number = {word: j for j, word in enumerate(words)}
        rows[:, i] = [number[v] for v in values.tolist()] * (n if len(values) == 1 else 1)
    return rows


def label_words(known: Known, row: np.ndarray) -> dict[str, str]:
    """A row of numbers as labels again."""
    return {name: words[int(v)] for (name, words), v in zip(known.items(), row)}


def check_known(known: Known, what: str) -> None:
    """RunError, a sentence, unless each label in ``what`` has values, each of them once."""
    for name, words in known.items():
        if not words or len(set(words)) < len(words):
            raise RunError(f"{what} is damaged: the label {name!r:.80} should have values, each of them once")
