"""Unusual rows of a table: scores, p-values against held-out rows, which to flag, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.core.errors import RunError, UsageError
from fluvial.core.numbers import between
from fluvial.data.forms import as_kind
from fluvial.data.schema import Encoded, Schema
from fluvial.data.tables import Table, read
from fluvial.data.words import counted
from fluvial.examine.conformal import Drift, discoveries, p_values
from fluvial.kinds.tables.answers import tensor
from fluvial.kinds.tables.astray import astray
from fluvial.kinds.tables.reasons import Reason, never_saw, reasons, usual
from fluvial.kinds.tables.unusual import Unusual
from fluvial.models import AnyOrder

if TYPE_CHECKING:
    from fluvial.kinds.tables.model import Model

RATE = 0.01
_EXPLAINED = 1000  # rows with reasons, at most: each costs as many passes as there are columns
_ORDINARY = 300  # training rows that say how likely ordinary cells are


@dataclass(frozen=True)
class Detections:
    """Which rows of a table are unusual, how sure that is, and why.

    Args:
        rows: their numbers in the table, (N,).
        scores: how unusual each is, (N,): larger is more so, inf for what the model holds impossible.
        p: the share of ordinary rows that score as high, (N,): a p-value, valid whatever the model.
        flagged: which to look at, (N,) bool.
        reasons: of the flagged rows, by number.
        expected: how many ordinary rows a false-alarm rate would flag among so many; None for a false discovery rate.
        drift: whether the table as a whole is other than the fit's, by its rows in random order.
        warnings: sentences about all of them.
        table: the kind of table that :meth:`frame` makes, and the index of the rows.
    """

    rows: np.ndarray
    scores: np.ndarray
    p: np.ndarray
    flagged: np.ndarray
    reasons: Mapping[int, Reason]
    drift: Drift
    expected: float | None = None
    warnings: tuple[str, ...] = ()
    table: tuple[str, Any] = field(default=("dict", None), repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """All that is known of each row, by name."""
        told = [self.reasons.get(int(row), Reason("", "")) for row in self.rows]
        return {
            "row": self.rows,
            "score": self.scores,
            "p": self.p,
            "unusual": self.flagged,
            "column": np.array([each.column for each in told], dtype=object),
            "why": np.array([each.sentence for each in told], dtype=object),
        }

    def frame(self) -> Any:  # noqa: ANN401  (a library's own type)
        """The same as a table: of pandas with the index of its rows."""
        kind, index = self.table
        columns = {k: v for k, v in self.columns.items() if k != "row"}
        kind = "dict" if kind in ("array", "npy", "tensor") else kind  # which have no place for words
        return as_kind(columns, kind, index=None if index is None else index[self.rows])

    @property
    def summary(self) -> list[str]:
        """What was found, in sentences."""
        found = int(self.flagged.sum())
        told = f"{counted(found, 'row')} of {len(self):,} {'is' if found == 1 else 'are'} unusual"
        if self.expected is not None:
            told += f"; of {len(self):,} ordinary rows about {self.expected:.3g} would be flagged"
        return [told, *about_drift(self.drift, shuffled=True)]


def about_drift(drift: Drift, shuffled: bool = False) -> list[str]:
    """A sentence where the rows as a whole have become other ones.

    Args:
        shuffled: they were looked at in random order, else as they stand.
    """
    if drift.since is None:
        return []
    shows = f"which {drift.since:,} of them, taken at random, show" if shuffled else f"from row {drift.since:,} on"
    rare = (
        f"without drift once in {1 / drift.alarm:,.0f} tables at most{'' if shuffled else ', if rows are not sorted'}"
    )
    return [
        f"the rows as a whole are unlike those of the fit, {shows} ({rare}): it may not be single rows that are wrong"
    ]


def _labelled(reason: Reason, schema: Schema, table: Table, row: int) -> Reason:
    """With a label that the fit never saw as the table has it, of which codes say nothing."""
    if reason.sentence != never_saw(reason.column):
        return reason
    label = table.columns[schema.find(table, list(schema.order))[reason.column]][row]
    return Reason(reason.column, f"{reason.column} is {str(label)!r}, a label that the fit never saw")


@dataclass(frozen=True)
class Detector:
    """A fitted model with what it takes to judge single rows: held-out rows, and what ordinary cells are like."""

    model: Model
    unusual: Unusual
    reference: np.ndarray
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: Model) -> Detector:
        """A detector.

        Raises:
            RunError: no rows were held out of the fit, so there is nothing to compare with.
        """
        held_out = model.rows.get("held_out.x")
        if held_out is None or len(held_out) < 2:
            raise RunError(
                "no rows were held out of this fit, so there is nothing to compare new rows with: fit again with "
                "--holdout 0.1 (holdout=0.1 in Python)"
            )
        train, context = model.rows["train.x"], model.rows.get("train.context")
        unusual = Unusual.of(model, train, context)
        reference = unusual.scores(held_out, model.rows.get("held_out.context"))
        return cls(model, unusual, reference, tuple(_about_reference(model, len(held_out))))

    @cached_property
    def usual(self) -> np.ndarray | None:
        """What is :func:`usual` of the cells of each column, (D,); None where the model gives none given the others."""
        density, context = self.model.density, self.model.rows.get("train.context")
        if not isinstance(density, AnyOrder):
            return None
        few = None if context is None else tensor(context[:_ORDINARY])
        return usual(density, self.model.rows["train.x"][:_ORDINARY], few)

    def detect(self, data: object, rate: float | None = None, fdr: float | None = None) -> Detections:
        """Which rows of a table are unusual: see :meth:`fluvial.Model.detect`."""
        if rate is not None and fdr is not None:
            raise UsageError("rate is a share of false alarms among ordinary rows, fdr one among alarms: give one")
        table = read(data)
        encoded = self.model.schema.encode(table)
        scores = self.scores(encoded)
        p = self.p(scores)
        notes = [*table.notes, *encoded.warnings, *self.warnings]
        expected = None
        if fdr is None:
            limit = self.limit(rate, notes)
            flagged, expected = p <= limit, len(p) * (limit if limit >= self.smallest else 0.0)
        else:
            flagged = discoveries(p, fdr)
        if flagged.any() and not isinstance(self.model.density, AnyOrder):
            notes.append(
                f"which cell is why is not told, since {self.model.record['model']['model']} does not condition on any "
                "columns: fit with mixed, which does"
            )
        drift = self.drift()
        drift.watch(np.random.default_rng(0).permutation(scores))
        found = np.flatnonzero(flagged)
        if len(found) > _EXPLAINED:
            notes.append(f"reasons are given for the {_EXPLAINED:,} most unusual of the {len(found):,} rows")
            found = found[np.argsort(-scores[found], kind="stable")[:_EXPLAINED]]
        return Detections(
            encoded.rows,
            scores,
            p,
            flagged,
            self.reasons(table, encoded, np.sort(found).tolist()),
            drift,
            expected,
            tuple(dict.fromkeys(notes)),
            (table.kind, table.index),
        )

    @property
    def smallest(self) -> float:
        """The smallest p-value that there can be: 1 / (M + 1) with M held-out rows."""
        return 1 / (1 + len(self.reference))

    def limit(self, rate: float | None, notes: list[str]) -> float:
        """What p-values are held against: a rate, by default 0.01 or the smallest that flags rows, which is noted."""
        few = f"with {len(self.reference):,} held-out rows no p-value is below {self.smallest:.2g}"
        if rate is None:
            if self.smallest > RATE:
                notes.append(
                    f"{few}, so the rate is that in place of {RATE:g}: hold out more rows (--holdout) for less"
                )
            return max(RATE, self.smallest)
        rate = between("rate", rate, 0.0, 1.0, "a share of ordinary rows that may be flagged, such as 0.01")
        if rate < self.smallest:
            notes.append(
                f"{few}, so a rate of {rate:g} flags nothing: ask for that much, or hold out more rows (--holdout)"
            )
        return rate

    def p(self, scores: np.ndarray) -> np.ndarray:
        """The share of ordinary rows that score as high, (N,)."""
        return p_values(scores, self.reference)

    def drift(self) -> Drift:
        """A bet on rows to come, none of which it has seen."""
        return Drift(self.reference)

    def scores(self, encoded: Encoded) -> np.ndarray:
        """How unusual encoded rows are, (N,); inf for what is impossible."""
        scores = self.unusual.scores(encoded.x, encoded.context)
        return np.where(encoded.impossible, np.inf, scores)

    def reasons(self, table: Table, encoded: Encoded, which: Sequence[int]) -> dict[int, Reason]:
        """Why the rows ``which``, counted among the encoded ones, are unusual, by their numbers in the table."""
        told = astray(self.model.schema, table, encoded.rows[list(which)])
        others = [i for i in which if int(encoded.rows[i]) not in told]
        density = self.model.density
        if others and isinstance(density, AnyOrder) and self.usual is not None:
            context = None if encoded.context is None else tensor(encoded.context[others])
            found = reasons(density, self.model.schema, self.usual, encoded.x[others], context)
            told |= {
                int(number): _labelled(reason, self.model.schema, table, int(number))
                for number, reason in zip(encoded.rows[others], found)
            }
        return told


def _about_reference(model: Model, held_out: int) -> list[str]:
    """What keeps the p-values from being exact."""
    what = f"the {held_out:,} held-out rows that rows are compared with"
    if model.record.get("training", {}).get("epochs") == 0:
        return [f"{what} were fitted to as well, in the end, so slightly more ordinary rows are flagged than asked for"]
    if not model.record.get("split", {}).get("independent", True):
        return [f"{what} also decided when training stopped, so slightly more ordinary rows are flagged than asked for"]
    return []
