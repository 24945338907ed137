"""Questions on the command line, to a model that needs no fit."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from tiny import SCHEMA, model

from fluvial.core.errors import UsageError
from fluvial.data.columns import Column
from fluvial.data.schema import Schema
from fluvial.interfaces.cli import main
from fluvial.kinds.tables.asked import parse_given

MODEL = model()


@pytest.fixture(autouse=True)
def _run(monkeypatch):
    monkeypatch.setattr("fluvial.tasks.fit.load_model", lambda run: MODEL)


@pytest.fixture
def table(tmp_path):
    rows = [("M", 2, "no", "adult", "Earth", 4), ("", 1, "yes", "", "Earth", 2), ("I", "", "no", "infant", "Earth", "")]
    path = tmp_path / "table.csv"
    pd.DataFrame(rows, columns=["Sex", "Rings", "is old", "stage", "planet", "twice"]).to_csv(path, index=False)
    return path


def told(capsys, *words: object, code: int = 0) -> str:
    assert main([str(w) for w in words]) == code
    out, err = capsys.readouterr()
    return err if code else out


def frame(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def test_what_is_given_is_typed_as_values_ranges_and_sets():
    odd = Schema(
        (Column("a=b", "real"), Column("a", "categorical", "str", categories=("x|y", "x", "1..2", "p, q", "NA")))
    )
    assert parse_given(["a=b=-1.5..2"], odd) == {"a=b": ("-1.5", "2")}
    assert parse_given(["a=b=..2,a=x"], odd) == {"a=b": (None, "2"), "a": "x"}
    assert parse_given(["a=b=0.5..", "a=1..2"], odd) == {"a=b": ("0.5", None), "a": "1..2"}
    assert parse_given(["a=b=..", "a=x|y"], odd) == {"a=b": (None, None), "a": "x|y"}
    assert parse_given(["a=p, q,a=b=1|2|3"], odd) == {"a": "p, q", "a=b": ["1", "2", "3"]}
    assert parse_given(["a=x|"], odd) == {"a": ["x", None]}
    assert parse_given(["a=", "a=b="], odd) == {"a": None, "a=b": None}
    assert parse_given(["a=NA"], odd) == {"a": "NA"}
    assert parse_given(None, odd) == {}
    with pytest.raises(UsageError, match="given: gives a twice"):
        parse_given(["a=x", "a=x"], odd)
    with pytest.raises(UsageError, match="given: expected NAME=VALUE"):
        parse_given(["a"], odd)


def test_labels_that_are_no_text_are_typed_too():
    flags = Schema((Column("on", "categorical", "bool", categories=(False, True)), SCHEMA.columns[1]), gaps=True)
    laws = (MODEL.density.laws.laws[2], MODEL.density.laws.laws[1])  # pyright: ignore
    other = model(flags, laws)
    drawn = other.given(parse_given(["on=True,Rings=1..2"], flags)).sample(9, seed=0)
    assert drawn["on"].all()
    assert set(drawn["Rings"].tolist()) <= {1, 2}


def test_sample_draws_given_what_is_known(capsys, tmp_path):
    words = ("sample", "run", "-n", 40, "--seed", 1, "--given", "Sex=M|F", "--given", "Rings=1..3,is old=yes")
    found = frame(told(capsys, *words))
    assert len(found) == 40
    assert set(found["Sex"]) <= {"M", "F"}
    assert found["Rings"].between(1, 3).all()
    assert set(found["is old"]) == {"yes"}
    told(capsys, *words, "-o", tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), found, check_dtype=False)


def test_probability_says_how_exact_it_is(capsys):
    exact = told(capsys, "probability", "run", "Rings > 2", "--given", "Sex=M")
    assert exact.strip() == str(MODEL.probability("Rings > 2", {"Sex": "M"}))
    assert exact.strip().endswith(", exactly")
    words = ("probability", "run", "`is old` == 'yes'", "--given", "Rings=2..", "--given", "Sex=I|", "--draws", 500)
    weighted = told(capsys, *words, "--seed", 3)
    assert re.fullmatch(r"[01][.0-9]* ± 0\.\d+ \(500 weighted draws, worth \d+\)\n", weighted)
    assert weighted == told(capsys, *words, "--seed", 3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("probability", "run", "Rings >"), "could not be read"),
        (("probability", "run", "Rings > 2", "--given", "Sx=M"), "did you mean 'Sex'"),
        (("probability", "run", "Rings > 2", "--given", "Sex=Q"), "no label 'Q'"),
        (("probability", "run", "Rings > 2", "--given", "Rings=3..1"), "wrong way round"),
        (("sample", "run", "--given", "Sex=F..M"), "no label 'F..M'"),
        (("predict", "run", "TABLE", "--target", "Ring"), "did you mean 'Rings'"),
        (("impute", "run", "TABLE", "--draws", 0), "at least 1"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(capsys, table, words, sentence):
    assert sentence in told(capsys, *(table if w == "TABLE" else w for w in words), code=2)


def test_impute_fills_gaps_and_leaves_the_rest(capsys, table):
    before = table.read_text().splitlines()
    found = told(capsys, "impute", "run", table).splitlines()
    assert len(found) == len(before)
    for line, filled in zip(before, found):
        for cell, other in zip(line.split(","), filled.split(",")):
            assert other
            assert cell.removesuffix(".0") in ("", other)


def test_impute_by_draws_numbers_them(capsys, table, tmp_path):
    out = tmp_path / "filled.feather"
    told(capsys, "impute", "run", "--draws", 3, table, "-o", out)
    found = pd.read_feather(out)
    assert found["draw"].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert (found.groupby("draw")["Sex"].first() == "M").all()
    found.to_csv(table, index=False)
    assert 'a column "draw"' in told(capsys, "impute", "run", "--draws", 2, table, code=2)


def test_predict_gives_labels_with_their_probabilities_and_numbers_with_quantiles(capsys, table, monkeypatch):
    found = frame(told(capsys, "predict", "run", table, "--target", "Sex"))
    shares = found[["P(Sex=F)", "P(Sex=M)", "P(Sex=I)"]].to_numpy()
    np.testing.assert_allclose(shares, MODEL.predict_proba(str(table), "Sex"))
    assert found["Sex"].tolist() == ["FMI"[i] for i in shares.argmax(1)]
    numbers = frame(told(capsys, "predict", "run", table, "--target", "Rings"))
    assert list(numbers) == ["row", "Rings", "Rings 5 %", "Rings 50 %", "Rings 95 %"]
    np.testing.assert_allclose(numbers.to_numpy()[:, 2:], MODEL.predict_quantiles(str(table), "Rings"))


def test_models_that_cannot_answer_say_which_can(capsys, table, monkeypatch):
    from fluvial.kinds.tables.model import Model
    from fluvial.models import gaussian

    other = Model(gaussian((1,)), Schema((Column("x", "real"),)), {"model": {"model": "gaussian"}})
    monkeypatch.setattr("fluvial.tasks.fit.load_model", lambda run: other)
    for words in (
        ("sample", "run", "--given", "x=1"),
        ("impute", "run", table),
        ("predict", "run", table, "--target", "x"),
    ):
        assert "fit with model='mixed'" in told(capsys, *words, code=2)
    monkeypatch.setattr("fluvial.tasks.fit.load_model", lambda run: object())
    assert "run is not a run of a table" in told(capsys, "impute", "run", table, code=2)
