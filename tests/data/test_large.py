"""Tables to fit that are larger than the limit, and those that lie in several files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluvial import load
from fluvial.core.errors import DataError
from fluvial.data.large import about_sample, read_to_fit
from fluvial.interfaces.cli import main

ROWS = 200_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rows by their numbers, in three files of uneven sizes, the last with its columns in another order."""
    frame = pd.DataFrame({"x": np.arange(ROWS, dtype=float), "label": np.where(np.arange(ROWS) % 2, "odd", "even")})
    (tmp_path / "t" / "deeper").mkdir(parents=True)
    frame[:1000].to_parquet(tmp_path / "t" / "a.parquet", index=False)
    frame[1000:150_000].to_parquet(tmp_path / "t" / "b.parquet", row_group_size=20_000, index=False)
    frame.loc[150_000:, ["label", "x"]].to_parquet(tmp_path / "t" / "deeper" / "c.parquet", index=False)
    return tmp_path / "t"


@pytest.mark.parametrize("source", ["{}", "{}/**/*.parquet", ["{}/a.parquet", "{}/b.parquet", "{}/deeper/c.parquet"]])
def test_files_are_one_table(folder: Path, source: str | list[str]):
    named = [s.format(folder) for s in source] if isinstance(source, list) else source.format(folder)
    table = read_to_fit(named)
    assert table.notes == ()
    np.testing.assert_array_equal(table.columns["x"], np.arange(ROWS))
    assert table.columns["label"][150_001] == "odd"


@pytest.mark.parametrize("name", ["a.csv", "a.feather", "a.parquet"])
def test_a_folder_of_one_small_file_is_that_file(tmp_path: Path, name: str):
    frame = pd.DataFrame({"x": [1.5, 2.5]})
    frame.to_csv(tmp_path / name, index=False) if name == "a.csv" else getattr(frame, f"to_{name[2:]}")(tmp_path / name)
    table = read_to_fit(tmp_path)
    assert table.columns["x"].tolist() == [1.5, 2.5]
    assert table.notes == ()


def test_what_is_left_out_beside_parquet_is_said(folder: Path):
    (folder / "deeper" / "old.csv").write_text("x\n1\n")
    expected = f"of {folder} Parquet alone is read: left out 1 other table, the first {folder}/deeper/old.csv"
    assert read_to_fit(folder).notes == (expected,)


def test_what_is_larger_than_the_limit_is_a_random_sample_and_said(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLUVIAL_LIMIT", "2000000")
    table = read_to_fit(folder)
    x = table.columns["x"][: len(table) - table.extra]
    assert len(x) * 16 < 400_000  # a sixth of the limit, and the chance
    assert len(x) * 16 > 270_000
    assert (np.diff(x) > 0).all()
    # all parts alike: each tenth of the rows has a tenth of the sample, within five standard errors
    counts = np.histogram(x, 10, (0, ROWS))[0]
    assert np.abs(counts - len(x) / 10).max() < 5 * np.sqrt(len(x) / 10)
    assert ((table.columns["x"].astype(int) % 2 == 1) == (table.columns["label"] == "odd")).all()
    assert f"{len(table):,} of 200,000 rows, drawn at random" in about_sample(table)
    np.testing.assert_array_equal(read_to_fit(folder).columns["x"], table.columns["x"])
    np.testing.assert_array_equal(np.flatnonzero(table.sampled.holds(np.arange(ROWS))), np.sort(table.columns["x"]))


def test_a_sample_has_the_rows_with_the_ends_the_gaps_and_the_labels_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FLUVIAL_LIMIT", "1000000")
    n, rng = 60_000, np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=n), "label": rng.choice(["a", "b"], n), "day": pd.Timestamp("2020")})
    frame["x"] = frame["x"].clip(-3, 3)
    frame["day"] += pd.to_timedelta(rng.integers(0, 50, n), "D")
    frame.loc[41_234, "x"], frame.loc[5, "x"], frame.loc[777, "x"] = -99.0, 77.0, np.nan
    frame.loc[33_333, "label"], frame.loc[44_444, "label"] = "rare", None
    frame.loc[22_222, "day"] = pd.Timestamp("1999")
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=9000)
    frame["label"] = frame["label"].astype("category")
    frame.to_parquet(tmp_path / "c.parquet")
    for name in ("t.parquet", "c.parquet"):
        table = read_to_fit(tmp_path / name)
        assert len(table) < 15_000
        x, day, labels = (table.columns[c] for c in ("x", "day", "label"))
        assert (np.nanmin(x), np.nanmax(x), np.isnan(x).any()) == (-99.0, 77.0, True)
        assert set(labels) == {"a", "b", "rare", None}
        assert str(day.min())[:10] == "1999-01-01"
        assert table.extra <= 9
        assert table.rows(np.arange(len(table)) != len(table) - 1).extra == table.extra - 1


@pytest.mark.parametrize("form", ["csv", "feather"])
def test_text_and_arrow_beyond_the_limit_are_the_same_sample(folder: Path, form: str, monkeypatch: pytest.MonkeyPatch):
    frame = pd.concat([pd.read_parquet(p) for p in sorted(folder.rglob("*.parquet"))], ignore_index=True)
    path = folder.parent / f"t.{form}"
    if form == "csv":
        frame.assign(x=frame["x"] + 0.5, label=frame["label"].replace("odd", "NA")).to_csv(path, index=False)
    else:
        frame.to_feather(path)
    monkeypatch.setenv("FLUVIAL_LIMIT", "2000000")
    table, expected = read_to_fit(path, {"label": "categorical"}), read_to_fit(folder)
    assert (table.kind, len(table)) == (form, len(expected))
    np.testing.assert_array_equal(table.columns["x"], expected.columns["x"] + (form == "csv") / 2)
    assert set(table.columns["label"]) == ({"even", "NA"} if form == "csv" else {"even", "odd"})
    monkeypatch.setenv("FLUVIAL_LIMIT", "20000000")
    whole = read_to_fit(path)
    assert (whole.sampled, len(whole)) == (None, ROWS)


def test_a_fit_of_a_folder_says_what_it_is_of(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("FLUVIAL_LIMIT", "1000000")
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr("fluvial.kinds.report.write_report", lambda *_: (_ for _ in ()).throw(DataError("not now")))
    pattern = str(Path("t", "*.parquet"))
    command = ["fit", pattern, "--model", "gaussian", "--kind", "x=real", "--context", "label"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "drawn at random" in said.err
    assert "runs/t-gaussian" in said.out
    record = load("runs/t-gaussian").record
    assert any("drawn at random" in warning for warning in record["warnings"])
    assert record["data"]["files"] == 2


def test_files_of_other_columns_are_refused(folder: Path):
    pd.DataFrame({"x": [1.0], "more": [2.0]}).to_parquet(folder / "z.parquet", index=False)
    with pytest.raises(DataError, match=r"z\.parquet has other columns .*'label', 'more'"):
        read_to_fit(folder)


def test_questions_about_rows_never_take_a_sample(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Only a fit does: whoever asks about rows wants to know about each."""
    from fluvial.data.tables import read

    monkeypatch.setenv("FLUVIAL_LIMIT", "1000000")
    with pytest.raises(DataError, match="limit"):
        read(folder / "b.parquet")
