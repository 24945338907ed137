"""Labels of recordings and images: folders to words, and words to the numbers that a model reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
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


def file_labels(files: Sequence[tuple[Path, tuple[str, ...]]], pattern: str | None) -> dict[str, np.ndarray]:
    """Labels from the pattern of file names, if there is one, else from the folders, where all files lie equally deep.

    Args:
        files: each with the names of the folders that it lies in.
        pattern: such as ``{digit}_{speaker}``.

    Raises:
        DataError: a name does not fit the pattern. UsageError: the pattern names nothing.
    """
    if pattern is not None:
        expression = _expression(pattern)
        rows: list[dict[str, str]] = []
        for path, _ in files:
            match = expression.fullmatch(path.stem)
            if match is None:
                raise DataError(f"{path}: the name {path.stem!r} does not fit the pattern {pattern!r}")
            rows.append(match.groupdict())
        return {name: np.array([r[name] for r in rows]) for name in expression.groupindex}
    return folder_labels([folders for _, folders in files])


def _expression(pattern: str) -> re.Pattern[str]:
    """``{name}`` stands for any text.

    >>> _expression("{digit}_{speaker}").fullmatch("7_theo").groupdict()
    {'digit': '7', 'speaker': 'theo'}
    """
    parts = re.split(r"\{(\w+)\}", pattern)
    names = parts[1::2]
    if not names or len(set(names)) != len(names) or not all(n.isidentifier() for n in names):
        raise UsageError(f"labels: expected names in braces, such as {{digit}}_{{speaker}}, got {pattern!r}")
    return re.compile("".join(f"(?P<{p}>.+?)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


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
