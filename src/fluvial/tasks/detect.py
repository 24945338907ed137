"""Unusual rows: of a table at once, or of a stream, row by row."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fluvial.core.errors import DataError
from fluvial.data.delimited import read_delimited
from fluvial.data.tables import Table
from fluvial.kinds.tables.detect import RATE, Detector, about_drift
from fluvial.kinds.tables.model import Model

_STREAM = Path("standard input")


@dataclass(frozen=True)
class Answer:
    """What there is to say of one row of a stream.

    Args:
        row: its number, from 0.
        drift: a sentence, once, where the stream as a whole has become another one.
        note: a sentence where the row could not be read; the other fields then say nothing.
    """

    row: int
    score: float = float("nan")
    p: float = float("nan")
    unusual: bool = False
    column: str = ""
    why: str = ""
    drift: str = ""
    note: str = ""


def follow(model: Model, lines: Iterable[str], rate: float | None = None) -> Iterator[Answer]:
    """Rows of text, as a CSV has them, judged as they come; where the fit's table has names, the first line is those.

    A line that cannot be read is answered by a note, and the stream goes on.

    Raises:
        DataError: the first line lacks columns of the fit. RunError: the fit held no rows out.
    """
    detector, notes = Detector.of(model), list[str]()
    limit = detector.least(RATE if rate is None else rate, notes)
    drift, named, told = detector.drift(), False, False
    filled = (line for line in lines if line.strip())
    header = next(filled, "") if model.schema.header else ""
    for number, line in enumerate(filled):
        try:
            table = _one_row(header, line)
            named = named or bool(model.schema.find(table, list(model.schema.order)))
            answer = _judged(detector, table, number, limit)
        except DataError as error:
            if not named and "lacks" in str(error):
                raise
            why = str(error).replace(f"{_STREAM}, line 2: ", "")
            yield Answer(number, note=f"row {number} is not judged: {why}")
            continue
        drift.watch([answer.score])
        late = "" if told or drift.since is None else about_drift(drift)[0]
        told = told or bool(late)
        yield replace(answer, drift=late)


def _judged(detector: Detector, table: Table, number: int, limit: float) -> Answer:
    """The answer to a table of one row."""
    encoded = detector.model.schema.encode(table)
    scores = detector.scores(encoded)
    p = float(detector.p(scores)[0])
    reason = detector.reasons(table, encoded, [0]).get(0) if p <= limit else None
    column, why = (reason.column, reason.sentence) if reason else ("", "")
    return Answer(number, float(scores[0]), p, p <= limit, column, why)


def _one_row(header: str, line: str) -> Table:
    text = header.rstrip("\r\n") + "\n" + line if header else line
    return read_delimited(_STREAM, io.BytesIO(text.encode()))
