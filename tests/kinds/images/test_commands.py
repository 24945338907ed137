"""Images on the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fluvial
from fluvial.examine.verdict import Verdict
from fluvial.interfaces.cli import main

TINY = [x for o in ("levels=1", "steps=1", "width=4") for x in ("--set", o)]


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """A folder with pictures and a run fitted to them, given the names of their folders; reports are not written."""
    folder, rng = tmp_path_factory.mktemp("place"), np.random.default_rng(0)
    for i in range(60):
        path = folder / "pictures" / ("dark", "light")[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((60 * (i % 2) + rng.integers(0, 99, (4, 6))).astype(np.uint8)).save(path)
    np.save(folder / "colour.npy", rng.integers(0, 256, (30, 4, 6, 3), dtype=np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(
            "fluvial.kinds.report.write_report",
            lambda model, folder, _=None: (Path(folder, "r.html"), Verdict("good", "")),
        )
        argv = ["fit", "pictures", "--model", "glow", "--labels", "folder", "--epochs", "2", "--out", "run", *TINY]
        assert main(argv) == 0
        yield folder


def test_fit_tells_bits_per_dimension(capsys):
    argv = ["fit", "colour.npy", "--model", "glow", "--epochs", "1", "--flip", "--set", "bits=5", *TINY]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "run: runs/colour-glow" in out
    assert "6 x 4 pixels, colour, 5 bits" in out
    assert "bits per dimension of held-out images, an upper bound" in out
    assert "augmented by horizontal flip" in out
    assert "images/s" in err
    assert main([*argv, "--size", "3x2"]) == 2
    assert "can be halved 0 times" in capsys.readouterr().err
    assert main([*argv, "--size", "4"]) == 0
    assert "cropped at the centre and resized to 4 x 4" in capsys.readouterr().err
    assert fluvial.load("runs/colour-glow-2").schema.resized


def test_info_tells_what_there_is_to_know(capsys):
    assert main(["info", "run"]) == 0
    told = capsys.readouterr().out
    for words in (
        "glow: 40 images to train on, 10 held out",
        "6 x 4 pixels, grey, 8 bits",
        "label: one of dark, light",
    ):
        assert words in told


def test_score_gives_bits_per_dimension_per_file(capsys):
    assert main(["score", "run", "pictures"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    want = fluvial.load("run").score("pictures")
    assert len(rows) == 60
    assert rows[0]["image"] == "pictures/dark/00.png"
    assert [float(r["log_prob"]) for r in rows] == want.log_prob.tolist()
    assert [float(r["bits_per_dimension"]) for r in rows] == want.values.tolist()
    assert "bounds" in err
    assert main(["score", "run", "pictures/dark/00.png", "colour.npy", "-o", "s.csv"]) == 2
    assert main(["score", "run", "pictures/dark/00.png", "--context", "label=light", "-o", "s.csv"]) == 0
    (row,) = csv.DictReader(Path("s.csv").read_text().splitlines())
    assert float(row["log_prob"]) != want.log_prob[0]
    capsys.readouterr()
    assert main(["score", "run", "colour.npy", "--context", "label=light"]) == 0
    assert "note: colour, taken as grey" in capsys.readouterr().err


def test_sample_writes_a_sheet_or_files(capsys):
    argv = ["sample", "run", "-n", "9", "--temperature", "0.7", "--context", "label=dark"]
    assert main([*argv, "-o", "grid.png"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == ["grid.png"]
    sheet = np.asarray(Image.open("grid.png"))
    assert main([*argv, "-o", "again.png", "--seed", err.split()[-1]]) == 0
    assert np.array_equal(np.asarray(Image.open("again.png")), sheet)
    assert main([*argv, "-o", "many"]) == 0
    assert len(list(Path("many").glob("*.png"))) == 9
    assert np.asarray(Image.open("many/sample-000.png")).shape == (4, 6)
    assert main(["sample", "run", "--seed", "0"]) == 0
    assert Path("run/samples.png").exists()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["fit", "pictures", "--context", "label"], "such as --labels folder; leave out label"),
        (["fit", "pictures", "--model", "nsf"], "nsf is a model of tables; for images there is"),
        (["fit", "--model", "glow"], "glow is a model of images: give an image file, a folder of them"),
        (["fit", "missing.png"], "there is no file missing.png"),
        (["fit", "pictures/dark/00.png"], "one image is not enough"),
        (["fit", "pictures", "--rate", "3"], "rate is about sound; this is about images"),
        (["fit", "pictures", "--size", "big"], "size: expected width x height, such as 32x32, got 'big'"),
        (["fit", "pictures", "--labels", "colour"], "labels: expected 'folder'"),
        (["fit", "pictures", "--set", "width=many"], "option width of multiscale: 'many' does not fit"),
        (["score", "run"], "name the data to score"),
        (["score", "run", "missing.png"], "there is no file missing.png"),
        (["score", "run", "pictures", "--drop-missing"], "--drop-missing is about tables; this run is of images"),
        (["score", "run", "pictures/dark/00.png"], "do not lie in folders"),
        (["sample", "run", "--context", "label=middle"], "never seen; it knows dark, light"),
        (["sample", "run", "--seconds", "1"], "--seconds is about sound; this run is of images"),
        (["sample", "run", "--temperature", "-1"], "temperature: expected a number >= 0"),
        (["sample", "run", "-n", "0"], "images of at least 1"),
        (["sample", "run", "-o", "a.jpg"], "one .png file, or into a folder"),
    ],
)
def test_mistakes_get_sentences_and_exit_code_two(argv: list[str], sentence: str, capsys):
    before = sorted(Path().rglob("*"))
    assert main(argv) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert sorted(Path().rglob("*")) == before
