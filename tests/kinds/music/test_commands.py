"""The commands on piano rolls, from fit to report."""

import json

import numpy as np
import pytest

from fluvial.interfaces.cli import main
from fluvial.kinds.music.rolls import read_rolls
from fluvial.tasks.fit import load

SMALL = [w for option in ("width=8", "layers=2", "channels=4", "gates=4", "skips=4") for w in ("--set", option)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    np.savez(folder / "tunes.npz", rolls=(rng.random((400, 6)) < 0.3).astype(np.uint8), length=np.full(40, 10))
    assert main(["fit", str(folder / "tunes.npz"), "--out", str(folder / "run"), "--epochs", "2", *SMALL]) == 0
    return folder


def test_a_fit_writes_its_report(run):
    page = (run / "run" / "report.html").read_text()
    assert "Held-out pieces" in page
    assert page.count("data:image/png;base64,") == 2
    found = json.loads((run / "run" / "report.json").read_text())
    assert set(found["verdict"]) == {"density", "sampling"}
    assert set(found["textures"]) == {"held out", "drawn"}


def test_scores_and_samples_are_files_and_lines(run, capsys):
    parts = np.repeat(["train", "test"], 20)
    with np.load(run / "tunes.npz") as tunes:
        np.savez(run / "split.npz", **tunes, split=parts)
    assert main(["score", str(run / "run"), str(run / "split.npz"), "--out", str(run / "parts.csv")]) == 0
    err = capsys.readouterr().err
    assert "mean, train: " in err
    assert "mean, test: " in err
    assert main(["score", str(run / "run"), str(run / "tunes.npz"), "--out", str(run / "scores.csv")]) == 0
    lines = (run / "scores.csv").read_text().splitlines()
    assert lines[0] == "piece,steps,log_prob,log_prob_per_step"
    assert len(lines) == 41
    assert main(["sample", str(run / "run"), "-n", "3", "--out", str(run / "new.npz"), "--seed", "0"]) == 0
    pieces = np.stack(read_rolls(run / "new.npz").pieces)
    assert np.array_equal(pieces, load(run / "run").sample(3, seed=0))
    capsys.readouterr()
    assert main(["info", str(run / "run")]) == 0
    assert "nats, exactly" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sample", "RUN", "--seconds", "3"], "--seconds is about sound; this run is of piano rolls"),
        (["sample", "RUN", "--context", "key=3"], "no labels"),
        (["score", "RUN", "DATA", "--drop-missing"], "is about tables"),
        (["fit", "DATA", "--context", "key"], "no labels; leave out key"),
        (["fit", "DATA", "--model", "made"], "made is a model of tables"),
        (["fit", "DATA", "--rate", "8000"], "rate is about sound"),
    ],
)
def test_flags_of_other_data_get_a_sentence(run, capsys, words, sentence):
    places = {"RUN": str(run / "run"), "DATA": str(run / "tunes.npz")}
    out = ["--out", str(run / "other")] if words[0] == "fit" else []
    assert main([*(places.get(w, w) for w in words), *out]) == 2
    assert sentence in capsys.readouterr().err


def test_no_piece_is_refused(run, capsys):
    assert main(["sample", str(run / "run"), "-n", "0"]) != 0
    assert "pieces of at least 1" in capsys.readouterr().err
