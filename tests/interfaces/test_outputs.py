"""Wherever output goes: whole or not at all, nothing left over, and a sentence where it cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fluvial.core import files
from fluvial.interfaces.cli import main

RUNS = Path(__file__).parents[1] / "runs"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /dev/full and /proc")
SAMPLES = {"table": ".csv", "labels": ".parquet", "gaussian": ".npz", "rolls": ".npz", "images": ".png", "sound": ""}
LONG = 300 * "x"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RUNS, "runs")
    x = np.random.default_rng(0).normal(size=(40, 2))
    Path("t.csv").write_text("".join(f"{a},{b}\n" for a, b in [("a", "b"), *x.tolist()]))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that has to fail, and leave everything as it was; its sentence."""

    def run(*argv: str) -> str:
        before = {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()}
        assert main([*argv]) == 2
        told = capsys.readouterr()
        said = [line for line in told.err.splitlines() if line.startswith("fluvial: ")]
        assert len(said) == 1, told.err
        assert len(said[0]) < 1000
        assert "Traceback" not in told.err
        assert {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before
        return said[0]

    return run


def sample(kind: str, out: str) -> tuple[str, ...]:
    return ("sample", f"runs/{kind}", "-n", "1", "--seed", "0", "--out", out + SAMPLES[kind])


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("out", [LONG, f"{LONG}/x", "a\0b", "t.csv/x", "/proc/x"], ids=lambda o: repr(o[:8]))
def test_names_that_cannot_be(refused, kind: str, out: str):
    assert "could not be" in refused(*sample(kind, out))


@pytest.mark.parametrize("out", [LONG, f"{LONG}/x", "a\0b", "t.csv/x", "t.csv", "/proc/x"], ids=lambda o: repr(o[:8]))
def test_run_folders_that_cannot_be(refused, out: str):
    refused("fit", "t.csv", "--model", "gaussian", "--out", out)


def failing(number: int) -> Callable[..., int]:
    def fail(*arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, refused, kind: str):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    assert "No space left on device" in refused(*sample(kind, "new"))


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_disk_that_is_read_only(monkeypatch: pytest.MonkeyPatch, refused, kind: str):
    opened = os.open

    def refuse(path: str, flags: int, *rest: int, **named: int) -> int:
        return failing(errno.EROFS)() if flags & os.O_CREAT else opened(path, flags, *rest, **named)

    monkeypatch.setattr(files.os, "open", refuse)
    assert "Read-only file system" in refused(*sample(kind, "new"))


@pytest.fixture(params=["full", "closed"])
def deaf(request: pytest.FixtureRequest):
    """A stream that takes nothing, as on a full disk, or what Python has in place of one that the caller has closed."""
    if request.param == "closed":
        yield None
        return
    with contextlib.suppress(OSError), open("/dev/full", "w") as stream:
        yield stream


@pytest.mark.parametrize("argv", [("info", "runs/table"), ("sample", "runs/table"), ("info", "t.csv"), ("info",)])
def test_standard_output_that_takes_nothing(monkeypatch: pytest.MonkeyPatch, capsys, deaf, argv: tuple[str, ...]):
    monkeypatch.setattr(sys, "stdout", deaf)
    assert main([*argv]) == 2
    said = capsys.readouterr().err
    assert ("No space left on device" if deaf else "standard output is closed") in said
    assert "Traceback" not in said


def test_standard_error_that_takes_nothing(monkeypatch: pytest.MonkeyPatch, capsys, deaf):
    monkeypatch.setattr(sys, "stderr", deaf)
    assert main(["sample", "runs/table", "-n", "2"]) == 0
    assert main(["info", "nowhere"]) == 2
    assert main(["fit", "t.csv", "--model", "gaussian", "--out", "x", "--holdout", "2"]) == 2
    monkeypatch.undo()
    assert len(capsys.readouterr().out.splitlines()) == 3  # what is said beside the rows is not among them


def test_a_link_is_written_to_where_it_leads_and_a_planted_one_leads_nowhere(refused):
    Path("link.csv").symlink_to("target.csv")
    assert main([*sample("table", "link")]) == 0
    assert Path("link.csv").is_symlink()
    assert Path("target.csv").read_text()
    for kind, name in {"rolls": "samples.npz", "images": "samples.png"}.items():  # names that are ours
        Path(f"{kind}-kept").write_bytes(b"mine")
        Path("runs", kind, name).symlink_to(Path(f"{kind}-kept").absolute())
        assert main(["sample", f"runs/{kind}", "-n", "1", "--seed", "0"]) == 0
        assert Path(f"{kind}-kept").read_bytes() == b"mine"
        assert not Path("runs", kind, name).is_symlink()
    Path("elsewhere").mkdir()
    Path("runs/sound/samples").symlink_to(Path("elsewhere").absolute())
    assert "link, which is not followed" in refused("sample", "runs/sound", "-n", "1", "--seed", "0")
    assert not list(Path("elsewhere").iterdir())
