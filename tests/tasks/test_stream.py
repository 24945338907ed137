"""Tables larger than memory: the same numbers as in one piece, and a killed scoring that goes on."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluvial import fit, load
from fluvial.core import batched
from fluvial.data import delimited
from fluvial.data import files as data_files
from fluvial.data.named import table_paths
from fluvial.data.parquet import parquet_files
from fluvial.data.pieces import Pieces
from fluvial.interfaces.cli import main
from fluvial.kinds.tables.blocks import Notes, scored_blocks
from fluvial.kinds.tables.model import Model

ROWS = 2500


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small autoregressive flow."""
    x = np.random.default_rng(0).normal(size=(300, 3))
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = {"hidden": (16,), "transforms": 1}
    fit(pd.DataFrame(x, columns=["a", "b", "c"]), "maf", epochs=1, out=folder, options=options, progress=False)
    return folder


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batched, "_ELEMENTS", 1)  # chunks of 64 rows, blocks of 512
    x = np.random.default_rng(1).normal(size=(ROWS, 3))
    frame = pd.DataFrame(x, columns=["c", "a", "b"])
    frame.to_parquet("all.parquet", row_group_size=700)
    Path("parts/deeper").mkdir(parents=True)
    for name, rows in {"a": slice(0, 40), "b": slice(40, 1333), "deeper/c": slice(1333, ROWS)}.items():
        frame.iloc[rows].to_parquet(f"parts/{name}.parquet", row_group_size=100)


def whole(run: Path, source: str = "all.parquet", *flags: str) -> pd.DataFrame:
    """The scores in one piece: npz files are written so."""
    assert main(["score", str(run), source, "-o", "whole.npz", *flags]) == 0
    with np.load("whole.npz") as arrays:
        return pd.DataFrame({name: arrays[name] for name in arrays.files})


@pytest.mark.parametrize("source", ["all.parquet", "parts", "parts/**/*.parquet"])
@pytest.mark.parametrize("out", ["s.parquet", "s.csv", None])
def test_scores_are_those_of_one_piece_bit_for_bit(run: Path, source: str, out: str | None, capsys):
    expected, said = whole(run), capsys.readouterr().err
    assert main(["score", str(run), source, *(["-o", out] if out else [])]) == 0
    told = capsys.readouterr()
    assert told.err == said
    if out is None:
        Path("s.csv").write_text(told.out)
    read = pd.read_parquet if out == "s.parquet" else pd.read_csv
    pd.testing.assert_frame_equal(read(out or "s.csv"), expected, check_exact=True)
    assert not Path("s.parquet.pieces").exists()


@pytest.mark.parametrize("form", ["csv", "csv.gz", "feather", "arrow", "folder", "csv of its own"])
def test_text_and_arrow_are_scored_as_parquet_is(run: Path, form: str, monkeypatch: pytest.MonkeyPatch, capsys):
    frame = pd.read_parquet("all.parquet")
    expected, said = whole(run), capsys.readouterr().err
    match form:
        case "folder":
            Path("texts").mkdir()
            frame[:900].to_csv("texts/a.csv", index=False)
            frame.loc[900:, ["b", "c", "a"]].to_csv("texts/b.tsv", index=False, sep="\t")
        case "csv of its own":
            frame.assign(remark="none; yet").to_csv("t.csv", sep=";", decimal=",", encoding="cp1252", index=False)
        case "csv" | "csv.gz":
            frame.to_csv(f"t.{form}", index=False)
        case _:
            frame.to_feather(f"t.{form}", compression="uncompressed" if form == "arrow" else "lz4", chunksize=600)
    source = {"folder": "texts", "csv of its own": "t.csv"}.get(form, f"t.{form}")
    monkeypatch.setenv("FLUVIAL_LIMIT", "60000")
    monkeypatch.setattr(delimited, "_BLOCK", 4 * 333)
    assert main(["score", str(run), source, "-o", "s.parquet"]) == 0
    told = capsys.readouterr().err
    pd.testing.assert_frame_equal(pd.read_parquet("s.parquet"), expected, check_exact=True)
    assert "copied to Parquet" in told
    assert told.splitlines()[-1] == said.splitlines()[-1]
    assert ("parted by semicolons" in told) is (form == "csv of its own")
    folder = re.search(r"Parquet in (\S+),", told)
    assert folder is not None
    gc.collect()
    assert not Path(folder[1]).exists()


@pytest.mark.parametrize("source", ["one", "one/*"])
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_folder_of_one_small_file_is_that_file(run: Path, source: str, form: str):
    rows = pd.read_parquet("parts/a.parquet")
    Path("one").mkdir()
    rows.to_parquet("one/a.parquet") if form == "parquet" else rows.to_csv("one/a.csv", index=False)
    assert main(["score", str(run), source, "-o", "s.parquet"]) == 0
    expected = whole(run, f"one/a.{form}")
    pd.testing.assert_frame_equal(pd.read_parquet("s.parquet"), expected, check_exact=True)


def test_what_is_left_out_beside_parquet_is_said(run: Path, capsys):
    Path("parts/old.csv").write_text("a,b,c\n1,2,3\n")
    assert main(["score", str(run), "parts", "-o", "s.parquet"]) == 0
    assert "of parts Parquet alone is read: left out 1 other table, the first parts/old.csv" in capsys.readouterr().err
    assert len(pd.read_parquet("s.parquet")) == ROWS


def test_rows_that_are_left_out_move_no_other_rows_score(run: Path):
    frame = pd.read_parquet("all.parquet")
    frame.loc[[3, 700, *range(1024, 1700)], "a"] = np.nan
    frame.to_parquet("gaps.parquet", row_group_size=300)
    assert main(["score", str(run), "gaps.parquet", "--drop-missing", "-o", "s.parquet"]) == 0
    expected = whole(run, "gaps.parquet", "--drop-missing")
    pd.testing.assert_frame_equal(pd.read_parquet("s.parquet"), expected, check_exact=True)


def test_blocks_are_whole_chunks_whatever_is_left_out_before_them(run: Path):
    """On some processors a row's last digits depend on how many are scored with it, so those must be the same ones."""
    frame = pd.read_parquet("all.parquet")
    frame.loc[[3, 700, *range(1024, 1700)], "a"] = np.nan
    frame.to_parquet("gaps.parquet", row_group_size=300)
    files = parquet_files([Path("gaps.parquet")])
    sizes = [len(s.names) for s in scored_blocks(load(run), files, Notes(), drop_missing=True)]
    assert sizes == [512, 512, 512, ROWS - 678 - 3 * 512]


def test_a_row_that_does_not_fit_is_named(run: Path, capsys):
    frame = pd.read_parquet("all.parquet")
    frame.loc[1500, "a"] = np.nan
    frame.to_parquet("gap.parquet")
    assert main(["score", str(run), "gap.parquet", "-o", "s.parquet"]) == 2
    assert "rows 1,025 to 1,536" in capsys.readouterr().err


@pytest.mark.parametrize("at", [1, 3, 4])
def test_a_killed_scoring_goes_on_where_it_stopped(run: Path, at: int, monkeypatch: pytest.MonkeyPatch, capsys):
    add, rows = Pieces.add, list[int]()

    def counted(self: Pieces, columns: dict[str, np.ndarray]) -> None:
        if len(self.found) == at and not rows:
            (self.folder / ".fluvial-0123456789abcdef").write_text("half a piece")
            raise KeyboardInterrupt
        add(self, columns)

    monkeypatch.setattr(Pieces, "add", counted)
    assert main(["score", str(run), "parts", "-o", "s.parquet"]) == 130
    assert not Path("s.parquet").exists()
    monkeypatch.setattr(Pieces, "add", lambda self, columns: (rows.append(len(columns["row"])), add(self, columns)))
    capsys.readouterr()
    assert main(["score", str(run), "parts", "-o", "s.parquet"]) == 0
    assert sum(rows) == ROWS - 512 * at
    assert f"behind row {512 * at:,}" in capsys.readouterr().err
    pd.testing.assert_frame_equal(pd.read_parquet("s.parquet"), whole(run), check_exact=True)


def test_pieces_of_other_data_are_not_gone_on_with(run: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Pieces, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(["score", str(run), "all.parquet", "-o", "s.parquet"]) == 130
    (pd.read_parquet("all.parquet") + 0.5).to_parquet("all.parquet")
    assert main(["score", str(run), "all.parquet", "-o", "s.parquet"]) == 0
    assert "thrown away" in capsys.readouterr().err
    pd.testing.assert_frame_equal(pd.read_parquet("s.parquet"), whole(run), check_exact=True)


def test_a_folder_of_pieces_with_something_else_in_it_is_left_alone(run: Path, capsys):
    Path("s.parquet.pieces").mkdir()
    Path("s.parquet.pieces/mine.txt").write_text("dear diary")
    assert main(["score", str(run), "all.parquet", "-o", "s.parquet"]) == 2
    assert "mine.txt" in capsys.readouterr().err
    assert Path("s.parquet.pieces/mine.txt").exists()


def test_what_streams_may_be_larger_than_the_limit(run: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("FLUVIAL_LIMIT", "40000")
    assert main(["score", str(run), "all.parquet", "-o", "s.npz"]) == 2
    assert "limit" in capsys.readouterr().err
    assert main(["score", str(run), "all.parquet", "-o", "s.parquet"]) == 0
    monkeypatch.setenv("FLUVIAL_LIMIT", "4000")  # less than a column of a row group
    assert main(["score", str(run), "all.parquet", "-o", "s.parquet"]) == 2


def test_models_that_draw_noise_to_score_are_scored_in_one_piece(run: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(Model, "draws_to_score", True)
    assert main(["score", str(run), "all.parquet", "-o", "s.parquet"]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet("s.parquet"), whole(run), check_exact=True)
    capsys.readouterr()
    assert main(["score", str(run), "parts", "-o", "s.parquet"]) == 2
    assert "draws noise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (["none"], "no file"),
        (["*.pq"], "no file fits"),
        (["empty"], "without tables"),
        (["all.parquet", "x.csv"], "x.csv"),
    ],
)
def test_what_cannot_be_streamed_is_said(run: Path, source: list[str], said: str, capsys):
    Path("empty").mkdir()
    Path("x.csv").write_text("a,b,c\n1,2,3\n")
    assert main(["score", str(run), *source, "-o", "s.parquet"]) == 2
    assert said in capsys.readouterr().err


def test_files_start_at_any_row():
    files = parquet_files(table_paths("parts"))
    expected = pd.read_parquet("all.parquet")["a"].to_numpy()
    for start in (0, 39, 40, 41, 139, 1400, ROWS - 1):
        found = [(first, table.columns["a"]) for first, table in files.tables(64, start)]
        assert found[0][0] == start
        np.testing.assert_array_equal(np.concatenate([values for _, values in found]), expected[start:])


@pytest.mark.parametrize("out", ["n.parquet", "n.csv", "n.npz"])
def test_samples_are_written_as_they_come(run: Path, out: str, monkeypatch: pytest.MonkeyPatch):
    assert main(["sample", str(run), "-n", "1300", "--seed", "5", "-o", out]) == 0
    expected = load(run).sample(1300, seed=5)
    if out == "n.npz":
        with np.load(out) as arrays:
            found = pd.DataFrame({name: arrays[name] for name in arrays.files})
    else:
        found = pd.read_parquet(out) if out == "n.parquet" else pd.read_csv(out)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_column_that_begins_with_gaps_alone_gets_the_type_that_it_shows_later(tmp_path: Path):
    gaps = np.array([None, None], dtype=object)
    parts = [{"a": gaps}, {"a": gaps}, {"a": np.array(["x", None], dtype=object)}, {"a": gaps}]
    data_files.write_parts(iter(parts), tmp_path / "a.parquet")
    found = pd.read_parquet(tmp_path / "a.parquet")["a"]
    assert [v if isinstance(v, str) else None for v in found] == [None, None, None, None, "x", None, None, None]
