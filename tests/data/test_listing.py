"""How a table is read, told before anything is learnt."""

import numpy as np
import pandas as pd
import pytest

import fluvial
from fluvial.core.errors import DataError, UsageError
from fluvial.data import infer, read
from fluvial.interfaces.cli import main

RNG = np.random.default_rng(0)
N = 60


@pytest.fixture
def path(tmp_path):
    frame = pd.DataFrame({
        "zip": RNG.choice(["02116", "10001"], N),
        "size": RNG.normal(size=N).round(6),
        "name": [f"person {i}" for i in range(N)],
        "day": pd.date_range("2024-01-01", periods=N).astype(str),
        "country": RNG.choice(["NA", "DE"], N),
        "gaps": np.where(RNG.random(N) < 0.3, np.nan, RNG.normal(size=N)),
    })  # fmt: skip
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_each_column_has_its_kind_and_why(path):
    found = fluvial.read_table(path)
    kinds = {c.name: c.kind for c in found.columns}
    assert kinds == {
        **{"zip": "categorical", "size": "real", "name": "", "day": "time", "country": "categorical", "gaps": "real"}
    }
    text = str(found)
    assert "How I read your table: 60 rows, 6 columns" in text
    assert "'02116' does not print back as a number: codes" in text or "'10001'" in text
    assert "like %Y-%m-%d, to the day" in text
    assert found.problems == ()
    assert "'name' (60 different texts in 60 rows" in text
    assert "cells 'NA' read as missing" in text


def test_all_that_is_wrong_is_said_at_once(path):
    with pytest.raises(DataError) as caught:
        infer(read(path), drop_missing=False)
    message = str(caught.value)
    for part in (
        "dates and times are modelled by mixed alone",
        "'name' (60 different",
        "no density in this model: 'zip', 'country'",
        "'gaps' ",
    ):
        assert part in message
    assert message.count("\n  - ") == 4
    assert "4 things keep this table" in message


def test_the_users_word_counts_before_the_values(path):
    found = fluvial.read_table(path, kinds={"zip": "integer", "country": "categorical"}, drop=["name", "day"])
    assert {c.name: c.kind for c in found.columns} == {
        **{"zip": "integer", "size": "real", "country": "categorical", "gaps": "real"}
    }
    table, known = read(path).without(["name", "day"]), {"country": "categorical"}
    schema, _ = infer(table, ["zip", "country"], known)
    assert [c.categories for c in schema.context] == [("02116", "10001"), ("DE", "NA")]
    # a label of the fit is one in every table, also where it would be missing
    encoded = schema.encode(table, drop_missing=True)
    assert set(np.unique(encoded.context[:, 1])) == {0, 1}
    with pytest.raises(UsageError, match=r"drop: there is no column 'nam'; did you mean 'name'\?"):
        fluvial.read_table(path, drop="nam")


def test_bounds_are_taken_and_what_lies_beyond_is_counted():
    table = read({"a": RNG.random(N), "b": RNG.random(N)})
    _, notes = infer(table)
    assert "no value is below 0 in 'a', 'b'" in notes[0]
    schema, notes = infer(table, kinds={"a": ("positive", -3), "b": "real"})
    assert [c.lower for c in schema.columns] == [-3, None]
    assert notes == []
    encoded = schema.encode(read({"a": [-4.0, -2.0, -5.0], "b": [-9.0, 1, 2]}))
    assert encoded.impossible.tolist() == [True, False, True]
    assert "column 'a' has 2 values below -3" in encoded.warnings[0]


def test_wide_gaps_name_the_columns_that_have_them():
    x = RNG.normal(size=(359, 40))
    x[:358, 30:] = np.nan
    with pytest.raises(DataError, match=r"only 1 of 359 rows .* \(by column: 'x30' 358, .* and 4 more columns\)"):
        infer(read(x))


@pytest.mark.parametrize("text", ["a:b:c", "one line of text number", "x!y"])
def test_a_file_that_is_misread_says_so(tmp_path, text):
    (tmp_path / "t.csv").write_text("\n".join(f"{text} {i}:{i}" for i in range(40)))
    with pytest.raises(DataError, match=r"labels repeat, and this column hardly does.*is a whole line"):
        infer(read(tmp_path / "t.csv"))


def test_columns_left_out_are_found_by_position_again():
    x = RNG.normal(size=(N, 4))
    schema, _ = infer(read(x).without(["x1", "x3"]))
    for source in (x, x[:, [0, 2]]):
        np.testing.assert_array_equal(schema.encode(read(source)).x, x[:, [0, 2]])
    assert type(schema).from_json(schema.to_json()) == schema


def test_info_lists_a_table_without_a_fit(path, capsys):
    assert main(["info", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("How I read your table")
    assert "note: one column holds regular times, so fit takes it for series; --table" in out
    assert "to mend: " not in out  # the default model takes such a table as it is
    assert err == ""
    assert main(["info", str(path.with_name("u.csv"))]) == 2
    assert "close to it: t.csv" in capsys.readouterr().err
