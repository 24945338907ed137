"""Unusual rows: of a table at once, or of a stream, row by row."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fluvial.core.errors import DataError
from fluvial.data.delimited import read_delimited
from fluvial.data.tables import Table
from fluvial.kinds.tables.detect import Detector, about_drift
from fluvial.kinds.tables.model import Model

_STREAM = Path("standard input")


@dataclass(frozen=True)
class Answer:
    """What there is to say of one row of a stream.

    Args:
        row: its number, from 0.
        unread: a sentence where the row could not be read; the other fields then say nothing.
        notes: sentences about how it was read, and at first about the rate, each said once in a stream.
        drift: a sentence, once, where the stream as a whole has become another one.
    """

    row: int
    score: float = float("nan")
    p: float = float("nan")
    unusual: bool = False
    column: str = ""
    why: str = ""
    unread: str = ""
    notes: tuple[str, ...] = ()
    drift: str = ""


def follow(model: Model, lines: Iterable[str], rate: float | None = None) -> Iterator[Answer]:
    """Rows of text, as a CSV has them, judged as they come; where the fit's table has names, the first line is those.

    A line that cannot be read is answered by a sentence, and the stream goes on.

    Raises:
        DataError: the first line does not name the columns of the fit. RunError: the fit held no rows out.
    """
    detector, notes = Detector.of(model), list[str]()
    limit = detector.limit(rate, notes)
    notes += detector.warnings
    drift, told, said = detector.drift(), False, set[str]()
    filled = (line for line in lines if line.strip())
    header = next(filled, "") if model.schema.header else ""
    _check_header(model, header)
    for number, line in enumerate(filled):
        try:
            answer, more = _judged(detector, _one_row(header, line), number, limit)
        except DataError as error:
            why = str(error).replace(f"{_STREAM}, line 2: ", "").replace(" in row 1", "").replace(" in row 0", "")
            yield Answer(number, unread=f"row {number} is not judged: {why}")
            continue
        drift.watch([answer.score])
        late = "" if told or drift.since is None else about_drift(drift)[0]
        told = told or bool(late)
        new = [note for note in dict.fromkeys((*notes, *more)) if note not in said]
        said.update(new)
        notes = []
        yield replace(answer, drift=late, notes=tuple(new))


def _check_header(model: Model, header: str) -> None:
    """DataError, a sentence, unless the first line names the columns of the fit."""
    if not header:
        return
    try:
        model.schema.find(_one_row(header, header), list(model.schema.order))
    except DataError as error:
        raise DataError(f"the first line of {_STREAM} is to name the columns: {error}") from None


def _judged(detector: Detector, table: Table, number: int, limit: float) -> tuple[Answer, tuple[str, ...]]:
    """The answer to a table of one row, and what there is to say of how it was read."""
    encoded = detector.model.schema.encode(table)
    scores = detector.scores(encoded)
    p = float(detector.p(scores)[0])
    reason = detector.reasons(table, encoded, [0]).get(0) if p <= limit else None
    column, why = (reason.column, reason.sentence) if reason else ("", "")
    return Answer(number, float(scores[0]), p, p <= limit, column, why), (*table.notes, *encoded.warnings)


def _one_row(header: str, line: str) -> Table:
    text = header.rstrip("\r\n") + "\n" + line if header else line
    return read_delimited(_STREAM, io.BytesIO(text.encode("utf-8", "surrogateescape")), bool(header))
