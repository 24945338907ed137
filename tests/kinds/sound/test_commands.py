"""Sound on the command line, and its report."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fluvial
from fluvial.core.errors import RunError
from fluvial.interfaces.cli import main
from fluvial.kinds.report import write_report

TINY = [x for o in ("layers=3", "channels=8", "gates=8", "skips=8") for x in ("--set", o)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a folder of tones and a run fitted to it."""
    folder, before = tmp_path_factory.mktemp("place"), Path.cwd()
    for i in range(9):
        name = folder / "tones" / ("low", "high")[i % 2] / f"{i}.wav"
        name.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(name, 0.3 * np.sin(2 * np.pi * (200, 600)[i % 2] * np.arange(300) / 4000 + i), 4000)
    os.chdir(folder)
    assert main(["fit", "tones", "--context", "label", "--epochs", "2", "--out", "run", *TINY]) == 0
    os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _inside(place, monkeypatch):
    monkeypatch.chdir(place)


def test_fit_tells_bits_per_sample_and_writes_a_report(capsys):
    assert main(["fit", "tones/low", "--epochs", "1", *TINY]) == 0
    out, err = capsys.readouterr()
    assert "run: runs/low-wavenet" in out
    assert "bits per sample of held-out recordings, exactly" in out
    assert "each sample is predicted from the 15 before it, 4 ms" in out
    assert re.search(r"validation before training 8\.000, .* bits per sample, .* samples/s", err)
    assert (Path("runs") / "low-wavenet" / "report.html").exists()
    assert main(["fit", "tones/low/0.wav", "tones/low/2.wav", "tones/low/4.wav", "--epochs", "1", *TINY]) == 0
    assert "run: runs/low-wavenet-2" in capsys.readouterr().out


def test_names_of_files_give_labels(capsys):
    given = ["--labels", "{take}", "--context", "take", "--out", "runs/taken"]
    assert main(["fit", "tones/low", *given, "--epochs", "1", *TINY]) == 0
    assert "given:" in (main(["info", "runs/taken"]), capsys.readouterr().out)[1]
    assert fluvial.load("runs/taken").schema.context["take"] == ("0", "2", "4", "6", "8")


def test_score_gives_bits_per_sample_per_file(capsys):
    assert main(["score", "run", "tones"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 9
    want = fluvial.load("run").score("tones")
    assert [float(r["bits_per_sample"]) for r in rows] == want.values.tolist()
    assert [float(r["log_prob"]) for r in rows] == want.log_prob.tolist()
    assert rows[0]["recording"] == "tones/high/1.wav"
    assert main(["score", "run", "tones/low/0.wav", "tones/low/2.wav", "--context", "label=low", "-o", "s.csv"]) == 0
    assert len(list(csv.DictReader(Path("s.csv").read_text().splitlines()))) == 2


def test_sample_writes_sound_files(capsys):
    assert main(["sample", "run", "-n", "2", "-o", "out", "--seconds", "0.05", "--context", "label=low"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == ["out/sample-000-low.wav", "out/sample-001-low.wav"]
    again = ["sample", "run", "-n", "2", "-o", "again", "--seconds", "0.05", "--context", "label=low"]
    assert main([*again, "--seed", err.split()[-1]]) == 0
    assert Path("again/sample-001-low.wav").read_bytes() == Path("out/sample-001-low.wav").read_bytes()
    wave, rate = soundfile.read("out/sample-000-low.wav")
    assert (len(wave), rate) == (200, 4000)
    more = ["--prompt", "tones/high/1.wav", "--temperature", "0.8", "--seconds", "0.1", "--seed", "1"]
    assert main(["sample", "run", "-n", "1", "-o", "more", "--context", "label=high", *more]) == 0
    assert len(soundfile.read("more/sample-000-high.wav")[0]) == 700
    assert main(["sample", "run", "--seconds", "0.01", "--seed", "0"]) == 0
    assert len(list(Path("run/samples").glob("*.wav"))) == 4


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["fit", "tones", "--context", "speaker"], "no label 'speaker'; they have label"),
        (["fit", "tones", "--model", "nsf"], "nsf is a model of tables; for sound there is wavenet"),
        (["fit", "missing.wav"], "there is no file missing.wav"),
        (["fit", "--model", "wavenet"], "wavenet is a model of sound: give a sound file"),
        (["fit", "tones", "--drop-missing"], "about tables"),
        (["fit", "tones", "--set", "channels=many"], "option channels of wavenet: 'many' does not fit"),
        (["score", "run"], "name the data to score"),
        (["score", "run", "tones", "--drop-missing"], "about tables"),
        (["score", "run", "tones/low/0.wav"], "'label' is missing"),
        (["sample", "run", "--context", "label=middle"], "never seen; it knows high, low"),
        (["sample", "run", "--seconds", "-1"], "a positive time"),
        (["sample", "run", "--temperature", "-1"], "temperature: expected a positive number"),
        (["sample", "run", "--temperature", "0"], "temperature: expected a positive number"),
        (["sample", "run", "-n", "0"], "recordings of at least 1"),
        (["sample", "run", "--prompt", "missing.wav", "--context", "label=low"], "there is no file missing.wav"),
    ],
)
def test_mistakes_get_sentences_and_exit_code_two(argv: list[str], sentence: str, capsys):
    assert main(argv) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_flags_of_sound_are_refused_for_tables(capsys):
    np.save("table.npy", np.random.default_rng(0).normal(size=(40, 2)))
    assert main(["fit", "table.npy", "--model", "gaussian", "--out", "table"]) == 0
    for argv in (["sample", "table", "--seconds", "1"], ["score", "table", "table.npy", "--context", "a=1"]):
        assert main(argv) == 2
        assert "sound" in capsys.readouterr().err
    assert main(["fit", "table.npy", "--rate", "8000"]) == 2
    assert "rate is about sound; this is about tables" in capsys.readouterr().err
    assert main(["score", "table", "table.npy", "table.npy"]) == 2
    assert "a table is one file, got 2" in capsys.readouterr().err


def test_the_report_holds_sound_pictures_and_numbers():
    page, model = Path("run/report.html").read_text(), fluvial.load("run")
    numbers = json.loads(Path("run/report.json").read_text())
    assert page.count("<audio") == 2 * min(4, numbers["record"]["sizes"]["held_out"])
    wave, rate = soundfile.read(io.BytesIO(base64.b64decode(re.findall(r"data:audio/wav;base64,([^\"]+)", page)[0])))
    assert rate == 4000
    kept = model.schema.coding.decode(model.rows["held_out.values"][: len(wave)])
    assert np.abs(wave - kept).max() < 2**-15
    for name in ("training", "spectrograms", "spectrum", "calibration", "recordings"):
        assert (Path("run/figures") / f"{name}.png").exists()
    assert page.count("data:image/png;base64,") == 5
    assert "15 samples" in page
    assert "3.8 ms" in page
    assert "linear prediction" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert numbers["receptive_field"] == {"samples": 15, "ms": 3.75}
    assert len(numbers["bits_per_recording"]) == len(model.rows["held_out.lengths"])
    assert np.mean(numbers["pit"]) == pytest.approx(1.0)


def test_a_run_without_held_out_recordings_has_no_report(tmp_path):
    model = fluvial.fit(
        "tones", epochs=1, holdout=0.0, progress=False, options={"layers": 2, "channels": 4, "gates": 4, "skips": 4}
    )
    with pytest.raises(RunError, match="kept no held-out recordings"):
        write_report(model, tmp_path)
