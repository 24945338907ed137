"""Unusual rows and filled gaps of tables larger than memory: what one piece gives, block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluvial import fit, load
from fluvial.core import batched
from fluvial.interfaces.cli import main

ROWS = 1500


def frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pd.DataFrame({"a": x, "b": x + rng.normal(size=rows) / 4, "label": rng.choice(["u", "v"], rows)})
    table.loc[rng.random(rows) < 0.1, "b"] = np.nan
    return table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit(frame(400, 0), "mixed", epochs=2, out=folder, options={"hidden": [16], "classes": 0}, progress=False)
    return folder


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batched, "_ELEMENTS", 1)  # blocks of 512 rows
    table = frame(ROWS, 1)
    Path("parts").mkdir()
    table[:600].to_parquet("parts/a.parquet", row_group_size=100)
    table[600:].to_parquet("parts/b.parquet")
    table.to_parquet("all.parquet")


@pytest.mark.parametrize("source", ["all.parquet", "parts"])
def test_rows_are_judged_as_in_one_piece(run: Path, source: str, capsys: pytest.CaptureFixture[str]):
    assert main(["detect", str(run), "all.parquet", "-o", "whole.npz", "--rate", "0.05"]) == 0
    said = capsys.readouterr().err
    assert main(["detect", str(run), source, "-o", "d.parquet", "--rate", "0.05"]) == 0
    told, found = capsys.readouterr().err, pd.read_parquet("d.parquet")
    with np.load("whole.npz") as whole:
        assert list(found) == list(whole.files)
        np.testing.assert_array_equal(found["row"], whole["row"])
        np.testing.assert_allclose(found["score"], whole["score"], rtol=1e-4)
        np.testing.assert_allclose(found["p"], whole["p"], atol=0.01)
        assert (found["unusual"] == whole["unusual"]).mean() > 0.995
        both = np.flatnonzero(found["unusual"] & whole["unusual"])
        assert len(both) > 5
        assert found["column"][both].tolist() == whole["column"][both].tolist()
    assert f"of {ROWS:,} ordinary rows about 75 would be flagged" in said
    assert f"of {ROWS:,} ordinary rows about 75 would be flagged" in told


def test_gaps_are_filled_block_by_block_and_other_cells_stay(run: Path):
    for out in ("f.parquet", "again.parquet"):
        assert main(["impute", str(run), "parts", "-o", out]) == 0
    before, after = pd.read_parquet("all.parquet"), pd.read_parquet("f.parquet")
    pd.testing.assert_frame_equal(after, pd.read_parquet("again.parquet"))
    assert not after.isna().any(axis=None)
    seen = before["b"].notna()
    np.testing.assert_array_equal(after["b"][seen], before["b"][seen])
    np.testing.assert_array_equal(after["a"], before["a"])
    first = load(run).impute(before[:500], seed=0)  # the first block, five row groups, is as a table of its own
    np.testing.assert_array_equal(after["b"][:500], first["b"])
    assert list(after["label"]) == list(before["label"])


def test_text_is_judged_and_filled_as_parquet_is(run: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("FLUVIAL_LIMIT", "100000")
    text = pd.read_parquet("all.parquet").assign(b=lambda t: t["b"].map(lambda b: "" if b != b else f"{b!r} kg"), id=7)
    text.to_csv("t.csv", index=False)
    for verb, more in (("detect", ["--rate", "0.05"]), ("impute", ["--seed", "3"])):
        assert main([verb, str(run), "all.parquet", "-o", "p.parquet", *more]) == 0
        assert main([verb, str(run), "t.csv", "-o", "t.parquet", *more]) == 0
        found = pd.read_parquet("t.parquet")
        pd.testing.assert_frame_equal(found[list(pd.read_parquet("p.parquet"))], pd.read_parquet("p.parquet"))
    assert (found["id"] == 7).all()
    assert main(["impute", str(run), "t.csv", "-o", "u.csv", "--seed", "3"]) == 0
    assert pd.read_csv("u.csv")["b"].str.endswith(" kg").all()
    assert "copied to Parquet" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["detect", "impute"])
def test_what_does_not_fit_names_its_rows(run: Path, verb: str, capsys: pytest.CaptureFixture[str]):
    broken = pd.read_parquet("parts/b.parquet")
    broken.loc[broken.index[300], "a"] = np.inf
    broken.to_parquet("parts/b.parquet")
    assert main([verb, str(run), "parts", "-o", "x.csv"]) == 2
    assert "in rows 601 to 1,112, of which the first counts as 1" in capsys.readouterr().err
    assert not Path("x.csv").exists()
