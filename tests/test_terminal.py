"""What files and tables hold never steers a terminal."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial.core.errors import DataError
from fluvial.interfaces.cli import main
from fluvial.terminal import printable, say

RUNS = Path(__file__).parent / "runs"
STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e\ud800"


@given(st.text())
def test_text_is_printable_and_what_was_printable_is_unchanged(text):
    shown = printable(text)
    assert shown.replace("\n", "").isprintable()
    assert shown == text or not text.replace("\n", "").isprintable()
    assert str(DataError(text)) == shown


def test_what_is_said_can_be_encoded(capsys):
    say(STEERING)
    assert capsys.readouterr().out == r"\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e\ud800" + "\n"


def strings(value, at=()):
    if isinstance(value, str):
        yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from strings(part, (*at, key))


@pytest.mark.parametrize("kind", sorted(p.name for p in RUNS.iterdir() if p.is_dir()))
def test_info_on_a_run_whose_every_text_steers(tmp_path, capsys, kind):
    shutil.copytree(RUNS / kind, tmp_path / "run")
    kept = (RUNS / kind / "config.json").read_text()
    for *way, last in strings(json.loads(kept)):
        config = json.loads(kept)
        config["command"] = STEERING[:-1]
        config["warnings"] = [STEERING[:-1]]
        place = config
        for key in way:
            place = place[key]
        place[last] += STEERING[:-1]
        (tmp_path / "run" / "config.json").write_text(json.dumps(config))
        main(["info", str(tmp_path / "run")])
        told = capsys.readouterr()
        assert (told.out + told.err).replace("\n", "").isprintable(), (*way, last)
        assert "Traceback" not in told.err


def test_a_table_whose_names_and_cells_steer(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("a\x1b[31m,b\x9b2J\n" + "\n".join(f"{i},x\x1b[2J{i}" for i in range(40)))
    for argv in (["info", "t.csv"], ["fit", "t.csv", "--context", "a\x1b[0m"], ["fit", "\x1b[31m.csv"], ["\x1b[2Jfit"]):
        main(argv)
        told = capsys.readouterr()
        assert told.out or told.err
        assert (told.out + told.err).replace("\n", "").isprintable(), argv
