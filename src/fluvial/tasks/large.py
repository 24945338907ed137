"""Unusual rows and filled gaps of tables larger than memory: block by block, written as they come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fluvial.data.tables import Columns
from fluvial.kinds.tables.blocks import Notes, placed
from fluvial.kinds.tables.detect import Detector, about_drift
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.reasons import Reason
from fluvial.kinds.tables.written import write_parts
from fluvial.tasks.stream import files_to_stream
from fluvial.terminal import Pace

_EXPLAINED = 1000  # rows with reasons, at most, as of tables in one piece


def detect_large(model: Model, data: str, out: Path | None, rate: float | None = None) -> list[str] | None:
    """Judge the rows block by block, and write the answers; what there is to say. None: they are judged in one piece.

    Raises:
        DataError: rows do not fit the model. RunError: the fit held no rows out.
    """
    if (files := files_to_stream(model, data, out)) is None:
        return None
    detector, notes = Detector.of(model), list[str]()
    judging = _Judging(detector, detector.limit(rate, notes))
    notes += detector.warnings
    pace, drift = Pace(len(files), "rows"), detector.drift()

    def parts() -> Iterator[Columns]:
        for first, table in files.tables(model.block_rows):
            with placed(first, table):
                encoded = model.schema.encode(table)
            judging.notes.add((*table.notes, *encoded.warnings))
            scores = detector.scores(encoded)
            drift.watch(scores)
            p = detector.p(scores)
            flagged = p <= judging.rate
            asked = np.flatnonzero(flagged)[: judging.left]
            told = detector.reasons(table, encoded, asked.tolist())
            judging.count(len(p), int(flagged.sum()), len(asked))
            why = [told.get(int(row), Reason("", "")) for row in encoded.rows]
            yield {
                "row": encoded.rows + first,
                "score": scores,
                "p": p,
                "unusual": flagged,
                "column": np.array([each.column for each in why], dtype=object),
                "why": np.array([each.sentence for each in why], dtype=object),
            }
            pace.add(len(table))

    write_parts(parts(), out)
    return [f"note: {note}" for note in (*notes, *judging.notes.sentences)] + judging.summary + about_drift(drift)


def impute_large(model: Model, data: str, out: Path | None, seed: int) -> list[str] | None:
    """Fill in missing cells block by block, and write the rows; what there is to say. None: it is done in one piece.

    Each block has draws of its own, of the seed and its number, so best guesses may differ from those of one piece by
    the chance of their draws.
    """
    if (files := files_to_stream(model, data, out, every=True)) is None:
        return None
    header, units = True, dict[str, tuple[str, str]]()
    if files.copied is not None:
        header, readings = files.copied.stated.header, files.copied.stated.readings
        units = {name: reading.affix for name, reading in readings.items()}
    notes, pace = Notes(), Pace(len(files), "rows")

    def parts() -> Iterator[Columns]:
        for number, (first, table) in enumerate(files.tables(model.block_rows)):
            notes.add(table.notes)
            with placed(first, table):
                full = model.impute(replace(table, kind="dict"), seed=seed + number)
            yield full
            pace.add(len(table))

    write_parts(parts(), out, header, units, model.schema)
    return [f"note: {note}" for note in notes.sentences]


@dataclass
class _Judging:
    """What is known of the rows so far."""

    detector: Detector
    rate: float
    rows: int = 0
    found: int = 0
    left: int = _EXPLAINED
    notes: Notes = field(default_factory=Notes)

    def count(self, rows: int, found: int, explained: int) -> None:
        self.rows, self.found, self.left = self.rows + rows, self.found + found, self.left - explained

    @property
    def expected(self) -> float:
        """The share of ordinary rows that are flagged."""
        return self.rate if self.rate >= self.detector.smallest else 0.0

    @property
    def summary(self) -> list[str]:
        """As of a table in one piece."""
        verb = "row is" if self.found == 1 else "rows are"
        told = [
            f"{self.found:,} {verb} unusual, of {self.rows:,}; of {self.rows:,} ordinary rows about "
            f"{self.expected * self.rows:.3g} would be flagged"
        ]
        if self.detector.usual is None and self.found:
            name = self.detector.model.record["model"]["model"]
            told.append(f"note: which cell is why is not told, since {name} does not condition on any columns")
        elif self.found > _EXPLAINED:
            told.append(f"note: reasons are given for the first {_EXPLAINED:,} of the {self.found:,} rows")
        return told
