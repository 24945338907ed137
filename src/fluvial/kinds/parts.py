"""Which rows teach a model, which stop its training, and which do nothing but judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_FEW = 10  # held-out rows at least, where the table has three times as many
_THREE = 50  # rows from which there are enough for three parts
_STOPPING = 0.1  # of the rows, at most, that stop the training


@dataclass(frozen=True)
class Parts:
    """Numbers of the rows that train, of those that stop the training, and of those that judge alone.

    ``test`` is empty where there are too few rows for a part of its own; ``validation`` then judges too.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, n: int, holdout: float, seed: int, stopping: bool = True, whole: np.ndarray | None = None) -> Parts:
        """The split of n rows, the same for the same arguments.

        Args:
            holdout: share of the rows that judge; 0 keeps none aside.
            stopping: whether rows of this table are to stop the training; else they are other rows, or none.
            whole: (n,) numbers of what rows are copies of: copies of one are in one part.

        >>> [[len(p) for p in (x.train, x.validation, x.test)] for x in (Parts.of(100, 0.1, 0), Parts.of(40, 0.1, 0))]
        [[80, 10, 10], [30, 10, 0]]
        """
        if whole is not None and holdout:
            return cls._of_copies(whole, holdout, seed, stopping)
        kept, aside = split(n, holdout, seed)
        none = kept[:0]
        if not stopping or not holdout:
            return cls(kept, none, aside)
        if n < _THREE:
            return cls(kept, aside, none)
        few = max(_FEW, round(min(holdout, _STOPPING) * n))
        return cls(kept[few:], kept[:few], aside)

    @classmethod
    def _of_copies(cls, whole: np.ndarray, holdout: float, seed: int, stopping: bool) -> Parts:
        """The split of what there are copies of, each with all its copies."""
        which = np.unique(whole, return_inverse=True)[1]
        parts = cls.of(int(which.max()) + 1, holdout, seed, stopping)
        place = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which))[:-1]
        members = np.split(place, ends)
        found = [[members[i] for i in part] for part in (parts.train, parts.validation, parts.test)]
        return cls(*(np.concatenate(each) if each else place[:0] for each in found))

    @property
    def judges(self) -> np.ndarray:
        """The rows that judge the model."""
        return self.test if len(self.test) else self.validation


def split(n: int, holdout: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that are kept and of those put aside, the same for the same arguments.

    >>> [len(part) for part in split(100, 0.1, 0)]
    [90, 10]
    """
    order = np.random.default_rng(seed).permutation(n)
    aside = min(max(round(holdout * n), _FEW), n // 3) if holdout else 0
    return order[aside:], order[:aside]


def judged(what: str, train: int, validation: int, test: int, refitted: bool = False) -> dict[str, Any]:
    """How many of ``what`` (rows, say) did what, whether the judges chose nothing, and this in a sentence.

    Args:
        test: that judge alone; with 0, the ``validation`` ones judge too.
        refitted: whether all of them set the model's parameters after it was judged.
    """
    if test:
        sentence = f"It is judged by {test:,} {what} that neither trained it nor decided when to stop"
        sentence += f"; {validation:,} others decided that." if validation else "."
        if refitted:
            sentence = f"It was judged by {test:,} {what} that it had not seen, and then fitted to all, these included."
    elif validation:
        sentence = (
            f"The {validation:,} {what} that judge it also decided when to stop, so its scores are slightly "
            "optimistic: there was too little data for a part that chose nothing."
        )
    else:
        sentence = f"No {what} were held out, so nothing judges it."
    counts = {"train": train, "validation": validation, "test": test}
    return {**counts, "independent": test > 0, "sentence": sentence}
