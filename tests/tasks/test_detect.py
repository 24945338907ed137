"""A stream of rows is judged as a table of the same rows is, row by row."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from tiny import model

from fluvial.core.errors import DataError, UsageError
from fluvial.tasks.detect import follow

KEPT = {"train.x": model().sample_rows(300, seed=0)[0], "held_out.x": model().sample_rows(400, seed=1)[0]}
MODEL = dataclasses.replace(model(), rows=KEPT)


def lines(frame: pd.DataFrame) -> list[str]:
    return frame.to_csv(index=False).splitlines(keepends=True)


def test_rows_get_the_answers_of_the_table(tmp_path):
    rows = pd.DataFrame(MODEL.sample_columns(30, seed=2))
    rows.loc[7, "Rings"] = 9
    found = MODEL.detect(rows, rate=0.05)
    answers = list(follow(MODEL, lines(rows), 0.05))
    assert [a.row for a in answers] == list(range(30))
    assert [a.p for a in answers] == pytest.approx(found.p.tolist())
    assert [a.unusual for a in answers] == found.flagged.tolist()
    assert answers[7].why == found.reasons[7].sentence == "Rings 9 is above 4, the most there can be"


def test_answers_come_before_the_next_row_is_there():
    rows = lines(pd.DataFrame(MODEL.sample_columns(3, seed=2)))
    stream = follow(MODEL, iter(rows[:2]))
    assert next(stream).row == 0


def test_a_broken_line_is_noted_and_the_stream_goes_on():
    rows = lines(pd.DataFrame(MODEL.sample_columns(2, seed=2)))
    answers = list(follow(MODEL, [*rows[:2], "M,broken\n", "\n", *rows[2:]]))
    assert [bool(a.unread) for a in answers] == [False, True, False]
    assert answers[1].unread.startswith("row 1 is not judged: 2 cells where the first line has 6")


def test_drift_is_said_once():
    rows = MODEL.sample_columns(300, seed=2)
    p = MODEL.detect(rows).scores
    strange = pd.DataFrame(rows).loc[p > sorted(p)[150]]
    told = [a.drift for a in follow(MODEL, lines(strange)) if a.drift]
    assert len(told) == 1
    assert "the rows as a whole are unlike those of the fit" in told[0]


def test_bytes_of_another_encoding_do_not_end_the_stream():
    rows = lines(pd.DataFrame(MODEL.sample_columns(2, seed=2)))
    strange = b"\xff".decode("utf-8", "surrogateescape") + rows[1]
    answers = list(follow(MODEL, [rows[0], strange, rows[2]]))
    assert "Windows-1252" in answers[0].notes[0]
    assert [a.row for a in answers if not a.unread] == [0, 1]


def test_what_there_is_to_say_of_a_row_is_said_once():
    rows = pd.DataFrame(MODEL.sample_columns(3, seed=2)).assign(Rings=9)
    notes = [a.notes for a in follow(MODEL, lines(rows), 1e-4)]
    assert "so a rate of 0.0001 flags nothing" in notes[0][0]
    assert "above 4, which the model holds impossible" in " ".join(notes[0])
    assert notes[1:] == [(), ()]


def test_rows_of_text_alone_are_rows_under_a_header():
    rows = pd.DataFrame(MODEL.sample_columns(1, seed=2)).assign(Rings=np.nan, twice=np.nan)
    assert not next(follow(MODEL, lines(rows), 0.05)).unread


def test_what_cannot_be_followed_is_said():
    frame = pd.DataFrame(MODEL.sample_columns(2, seed=2))
    with pytest.raises(DataError, match="the first line of standard input is to name the columns"):
        list(follow(MODEL, lines(frame)[1:]))
    with pytest.raises(DataError, match="several columns called"):
        list(follow(MODEL, ["a,a\n", "1,2\n", "1,2\n"]))
    with pytest.raises(DataError, match="lacks"):
        list(follow(MODEL, ["a,b\n", "1,2\n"]))
    with pytest.raises(UsageError, match="rate: expected a share"):
        list(follow(MODEL, ["a\n"], 3.0))
