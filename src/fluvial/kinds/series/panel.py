"""Series on their steps: what is measured, and what is known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Panel:
    """Series end to end, each on consecutive steps.

    Args:
        names: of the series, (M,).
        lengths: steps of each, (M,).
        start: the number of the first step of each, (M,).
        values: (S, N) float64, NaN where missing.
        known: (S, K) float64, what is known beforehand, NaN where missing.
        ahead: what is known of the steps behind the last one of each series, (F, K); ``coming`` steps of each, (M,).
        notes: sentences about what was guessed, left out or filled.
    """

    names: tuple[str, ...]
    lengths: np.ndarray
    start: np.ndarray
    values: np.ndarray
    known: np.ndarray
    ahead: np.ndarray
    coming: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def series(self) -> np.ndarray:
        """Which series each step is of, (S,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def steps(self) -> np.ndarray:
        """The number of each step, (S,)."""
        return np.concatenate([np.arange(n) + s for n, s in zip(self.lengths.tolist(), self.start.tolist())])

    def cut(self, first: np.ndarray, last: np.ndarray) -> Panel:
        """Of each series the steps from ``first`` up to, not including, ``last``, (M,) each, as it counts its own."""
        within = np.concatenate([np.arange(n) for n in self.lengths.tolist()])
        kept = (within >= first[self.series]) & (within < last[self.series])
        length = np.minimum(last, self.lengths) - first
        none = np.zeros(len(self), dtype=np.int64)
        cut = replace(self, values=self.values[kept], known=self.known[kept], lengths=length, start=self.start + first)
        return replace(cut, ahead=self.ahead[:0], coming=none)

    def take(self, which: np.ndarray) -> Panel:
        """Some of the series."""
        rows, more = (np.split(np.arange(n.sum()), np.cumsum(n)[:-1]) for n in (self.lengths, self.coming))
        at = np.concatenate([rows[i] for i in which]) if len(which) else np.zeros(0, dtype=np.int64)
        ahead = np.concatenate([more[i] for i in which]) if len(which) else np.zeros(0, dtype=np.int64)
        return replace(
            self,
            names=tuple(self.names[i] for i in which),
            lengths=self.lengths[which],
            start=self.start[which],
            values=self.values[at],
            known=self.known[at],
            ahead=self.ahead[ahead],
            coming=self.coming[which],
        )

    def joined(self, other: Panel) -> Panel:
        """The same series gone on with: those of ``other`` begin where these end, or later."""
        parts: list[np.ndarray] = []
        known: list[np.ndarray] = []
        lengths = self.lengths.copy()
        mine, theirs = (np.split(p.values, np.cumsum(p.lengths)[:-1]) for p in (self, other))
        before, after = (np.split(p.known, np.cumsum(p.lengths)[:-1]) for p in (self, other))
        for i, name in enumerate(self.names):
            j = other.names.index(name) if name in other.names else None
            pieces, told = [mine[i]], [before[i]]
            if j is not None:
                gap = int(other.start[j] - self.start[i] - self.lengths[i])
                pieces += [np.full((gap, mine[i].shape[1]), np.nan), theirs[j]]
                told += [np.full((gap, before[i].shape[1]), np.nan), after[j]]
                lengths[i] += gap + len(theirs[j])
            parts.append(np.concatenate(pieces))
            known.append(np.concatenate(told))
        return replace(
            self,
            lengths=lengths,
            values=np.concatenate(parts),
            known=np.concatenate(known),
            ahead=other.ahead,
            coming=np.array([other.coming[other.names.index(n)] if n in other.names else 0 for n in self.names]),
        )
