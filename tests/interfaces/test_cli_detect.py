"""Detection and augmentation on the command line."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from tiny import model

from fluvial.interfaces.cli import main

KEPT = {"train.x": model().sample_rows(300, seed=0)[0], "held_out.x": model().sample_rows(400, seed=1)[0]}
MODEL = dataclasses.replace(model(), rows=KEPT)


@pytest.fixture(autouse=True)
def _run(monkeypatch):
    monkeypatch.setattr("fluvial.tasks.fit.load_model", lambda run: MODEL)


@pytest.fixture
def table(tmp_path):
    rows = pd.DataFrame(MODEL.sample_columns(20, seed=2))
    rows.loc[7, "Rings"] = 9
    rows.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def test_each_row_gets_an_answer_and_the_strangest_are_named(capsys, table):
    assert main(["detect", "run", str(table), "--rate", "0.05"]) == 0
    out, err = capsys.readouterr()
    found = pd.read_csv(io.StringIO(out))
    assert list(found) == ["row", "score", "p", "unusual", "column", "why"]
    assert found["unusual"][7]
    assert "of 20 ordinary rows about 1 would be flagged" in err
    assert "row 7: Rings 9 is above 4, the most there can be" in err


def test_a_stream_is_answered_on_standard_output(capsys, table, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((table.read_text() + "M,broken\n").encode())))
    assert main(["detect", "run", "-", "--follow"]) == 0
    out, err = capsys.readouterr()
    assert len(pd.read_csv(io.StringIO(out))) == 20
    assert "row 20 is not judged" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table.csv", "--follow"], "give a dash in place of table.csv"),
        (["-", "--follow", "--fdr", "0.1"], "--follow answers on standard output"),
    ],
)
def test_what_a_stream_cannot_have_is_a_sentence(capsys, words, said):
    assert main(["detect", "run", *words]) == 2
    assert said in capsys.readouterr().err


def test_new_rows_are_written_and_the_rest_is_said(capsys, tmp_path):
    x = np.random.default_rng(0).normal(size=60)
    frame = pd.DataFrame({"x": x, "side": ["left"] * 20 + ["right"] * 40})
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "new.csv"
    words = ["--target", "side", "--no-check", "--epochs", "1", "-o", str(out)]
    assert main(["augment", str(tmp_path / "t.csv"), *words]) == 0
    assert (pd.read_csv(out)["side"] == "left").sum() == len(pd.read_csv(out)) == 20
    err = capsys.readouterr().err
    assert "20 new rows: 20 of left" in err
    assert "privacy:" in err
    assert main(["augment", str(tmp_path / "t.csv"), "--target", "sid"]) == 2
    assert "did you mean 'side'" in capsys.readouterr().err
