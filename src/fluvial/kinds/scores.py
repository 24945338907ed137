"""What ``score`` gives, whatever was scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fluvial.data.forms import as_kind
from fluvial.examine.scores import ratio


@dataclass(frozen=True)
class Scores:
    """log p of N rows, recordings, images or pieces, in nats.

    Args:
        thing: what each of them is, "row" for one.
        names: of each, (N,); of rows their numbers in the table.
        log_prob: (N,).
        unit: that means are in, "bits per sample" for one; ``column`` is its name where scores are written, empty
            where they are nats of whole rows; ``nats`` is what one of it comes to, negative for log-likelihoods.
        counts: how many numbers each is made of, (N,), by the name of what is counted; or empty.
        parts: for models that predict one column after the other, log p(column | columns before it) (N,), by the
            column's name; they add up to ``log_prob``.
        others: what else there is to say of each, (N,), by name.
        groups: names (N,) of parts that each have a mean of their own, such as train and test; None for one.
        warnings: sentences about all of them.
        table: the kind of table that :meth:`frame` makes, and the index of the rows that were scored.
    """

    thing: str
    names: np.ndarray
    log_prob: np.ndarray
    unit: str = "nats a row"
    column: str = ""
    nats: float = -1.0
    counts: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    parts: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    others: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    groups: np.ndarray | None = None
    warnings: tuple[str, ...] = ()
    table: tuple[str, Any] = ("dict", None)

    @property
    def values(self) -> np.ndarray:
        """The scores in their ``unit``, (N,)."""
        return self._totals / self._numbers

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """All that is known of each, by name, in the order in which it is written."""
        scored = {self.column: self.values} if self.column else {}
        shares = {f"log_prob {name}": part for name, part in self.parts.items()}
        own = {self.thing: self.names, **self.counts}
        return {**own, "log_prob": self.log_prob, **scored, **shares, **self.others}

    @property
    def means(self) -> list[str]:
        """The mean with its standard error in a sentence, one for each group."""
        if self.groups is None:
            return [f"mean: {mean_with_error(self._totals, self._numbers)} {self.unit}"]
        each = [(str(name), self.groups == name) for name in dict.fromkeys(self.groups.tolist())]
        totals, numbers = self._totals, self._numbers
        return [f"mean, {n or 'others'}: {mean_with_error(totals[w], numbers[w])} {self.unit}" for n, w in each]

    def frame(self) -> Any:  # noqa: ANN401  (a library's own type)
        """ "log_prob" and, for each part, "log_prob NAME", as a table of the kind that was scored.

        A frame of pandas has the index of its rows.
        """
        kind, index = self.table
        columns = {k: v for k, v in self.columns.items() if k != self.thing}
        return as_kind(columns, kind, index=None if index is None else index[self.names])

    @property
    def _totals(self) -> np.ndarray:
        return -self.log_prob / self.nats

    @property
    def _numbers(self) -> np.ndarray:
        return next(iter(self.counts.values()), np.ones(len(self.log_prob)))


def mean_with_error(totals: np.ndarray, counts: np.ndarray) -> str:
    """sum(totals) / sum(counts) with the standard error of such a ratio, where rows are independent.

    >>> mean_with_error(np.array([1.0, 2.0, 3.0]), np.ones(3)), mean_with_error(np.array([5.0]), np.array([2.0]))
    ('2.0000 ± 0.5774', '2.5000 (of one alone, so without a standard error)')
    """
    finite = np.isfinite(totals)
    mean, error = ratio(totals[finite], counts[finite]) if finite.any() else (np.nan, np.nan)
    return said_mean(mean, error, int(finite.sum()), int((~finite).sum()))


def spaced(mean: float, error: float | None, width: int = 0) -> str:
    """A mean, so many characters wide, and its standard error, which one alone has not.

    >>> spaced(2.0, 0.5, 7), spaced(2.0, None)
    ('  2.000 ± 0.500', '2.000')
    """
    return f"{mean:{width}.3f}" + ("" if error is None or error != error else f" ± {error:.3f}")


def how_sure(error: float, z: float, digits: int = 2) -> str:
    """A difference's standard error and how many of them it is, in brackets.

    >>> how_sure(0.25, 3.0), how_sure(float("nan"), 0.0)
    ('(± 0.25, z +3.0)', '(one alone, which does not show how surely)')
    """
    return "(one alone, which does not show how surely)" if error != error else f"(± {error:.{digits}f}, z {z:+.1f})"


def said_mean(mean: float, error: float, count: int, impossible: int) -> str:
    """A mean over ``count`` finite scores with its standard error, and that so many others are impossible.

    >>> said_mean(2.0, 0.5, 9, 1)
    'not finite, since 1 of 10 are impossible under the model; 2.0000 ± 0.5000 without them'
    """
    known = f"{mean:.4f} ± {error:.4f}" if error == error else f"{mean:.4f} (of one alone, so without a standard error)"
    if not impossible:
        return known
    rest = f"; {known} without them" if count else ""
    return f"not finite, since {impossible} of {count + impossible} are impossible under the model{rest}"
