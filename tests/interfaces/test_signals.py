"""Signals that ask a fit to stop: it is saved, says how to go on, and goes on."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

# one process that has everything imported, and forks a command for each line that it reads
SERVER = """
import os, signal, sys
for name, usual in (("SIGINT", signal.default_int_handler), ("SIGTERM", signal.SIG_DFL), ("SIGHUP", signal.SIG_DFL)):
    signal.signal(getattr(signal, name), usual)  # whatever is ignored where the tests run, under nohup say
from fluvial.interfaces.cli import main
import fluvial.interfaces.fitting, fluvial.kinds.report as report, fluvial.tasks.fit
from fluvial.examine.verdict import Verdict
report.write_report = lambda model, folder, figures=None: (folder, Verdict("good", ""))  # seconds of figures
main(sys.argv[1:])  # so that children find everything imported
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        out = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        os._exit(main(line.split()))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
FIT = "fit t.csv --model maf --set transforms=1 --set hidden=4 --set patience=1000000"


class Server:
    """Runs commands in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pipe, command = subprocess.PIPE, [sys.executable, "-c", SERVER, *f"{FIT} --epochs 1 --out both".split()]
        self.process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True)
        while self.line() != "ready":
            assert self.process.poll() is None

    def line(self) -> str:
        return self.process.stdout.readline().strip()  # pyright: ignore

    def begin(self, command: str) -> int:
        self.process.stdin.write(command + "\n")  # pyright: ignore
        self.process.stdin.flush()  # pyright: ignore
        return int(self.line())

    def ended(self) -> bool:
        return bool(select.select([self.process.stdout], [], [], 0.01)[0])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("signals")
    (folder / "t.csv").write_text("a,b\n" + "\n".join(f"{i * 37 % 101},{i * i % 89 / 7:.3f}" for i in range(60)))
    found = Server(folder)
    yield found
    found.process.stdin.close()  # pyright: ignore
    found.process.wait()


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_saves_the_fit_which_then_goes_on(server: Server, name: str, code: int):
    run = server.folder / name
    pid = server.begin(f"{FIT} --epochs 1000000 --out {name}")
    while not (run / "checkpoint.pt").exists() and not server.ended():
        pass
    os.kill(pid, getattr(signal, name))
    assert int(server.line()) == code
    said = (server.folder / "said").read_text()
    assert "Traceback" not in said
    assert said.splitlines()[-1].endswith(f"--epochs 1000000 --out {name} --resume")
    assert {p.name for p in run.iterdir()} == {"checkpoint.pt", "metrics.jsonl"}
    done = len((run / "metrics.jsonl").read_text().splitlines()) - 1
    # to the end, and no further than the next epoch
    server.begin(f"{FIT} --epochs {done + 1} --out {name} --resume")
    assert int(server.line()) == 0, (server.folder / "said").read_text()
    assert json.loads((run / "config.json").read_text())["training"]["epochs"] == done + 1
    assert not (run / "checkpoint.pt").exists()


def test_a_signal_while_a_fit_replaces_a_run_leaves_both(server: Server):
    run, before = server.folder / "both", (server.folder / "both/config.json").read_bytes()
    pid = server.begin(f"{FIT} --epochs 1000000 --out both --force")
    while not (run / ".next/checkpoint.pt").exists() and not server.ended():
        pass
    os.kill(pid, signal.SIGTERM)
    assert int(server.line()) == 143
    assert (run / "config.json").read_bytes() == before
    assert (run / ".next/checkpoint.pt").exists()
