"""A kind of data that is not fluvial's own: ``toy/walks.py`` is all that there is to it."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from kinds.toy.walks import Walks

import fluvial
from fluvial.interfaces.cli import main
from fluvial.kinds import every


@pytest.fixture
def walks(tmp_path: Path) -> str:
    steps = np.random.default_rng(0).normal(size=(400, 5))
    path = tmp_path / "many.walk"
    np.savetxt(path, steps.cumsum(1))
    return str(path)


def test_it_takes_sixty_lines():
    code = (Path(__file__).parent / "toy" / "walks.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in code) <= 60


def test_it_goes_through_the_command_line(walks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    every.register(Walks())
    run, scores, new = (str(tmp_path / name) for name in ("run", "scores.csv", "new.walk"))
    assert main(["fit", walks, "--out", run, "--epochs", "1", "--set", "hidden=[4]"]) == 0
    assert "320 walks" in capsys.readouterr().out
    assert main(["score", run, walks, "--out", scores]) == 0
    assert Path(scores).read_text().startswith("walk,log_prob\n0,")
    assert main(["sample", run, "-n", "7", "--seed", "3", "--out", new]) == 0
    assert np.loadtxt(new).shape == (7, 5)
    assert main(["report", run]) == 0
    assert "Its probabilities can be trusted" not in (page := (tmp_path / "run" / "report.html").read_text())
    assert "Only 40 held-out walks judge it" in page
    assert main(["info", run]) == 0
    np.testing.assert_array_equal(fluvial.load(run).sample(7, seed=3), np.loadtxt(new).astype(np.float32))


def test_an_installed_package_has_it_known(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    entries = [
        EntryPoint(name, value, every.GROUP) for name, value in (("a", "kinds.toy.walks:Walks"), ("b", "gone:X"))
    ]
    monkeypatch.setattr(every, "entry_points", lambda group: entries)
    every.register_installed()
    assert every.kind_of("many.walk").name == "walks"
    assert "'b' cannot be imported, and is left out" in capsys.readouterr().err
