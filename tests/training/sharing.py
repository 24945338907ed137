"""Two processes that train one density over gloo: whole, again, and with one of them killed at five random moments.

Children are forked, so that torch is imported once.
"""

import contextlib
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

import torch
from training.toy import rows

from fluvial.core.workers import LostWorkerError, joined
from fluvial.models import build
from fluvial.training import Settings, train

SETTINGS = Settings(epochs=12, batch_size=32, ema=0.9, seed=5, device="cpu")
CONFIG = {"model": "maf", "event_shape": [2], "options": {"transforms": 2, "hidden": [16], "batch_norm": True}}


def run(out: Path, settings: Settings, checkpoint: Path | None = None) -> None:
    torch.manual_seed(0)
    density = build({**CONFIG, "columns": [{}, {}]})
    records = list(train(density, rows(401), rows(80, 1), settings, checkpoint, resume=True, every=0.02))
    torch.save({"weights": density.state_dict(), "train": [r.train for r in records if r.ended]}, out)


def worker(rank: int, port: int, out: Path, checkpoint: Path | None) -> int:
    """The pid of a child that takes part; a lost companion is its exit code 9."""
    pid = os.fork()
    if pid:
        return pid
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        with joined() as workers:
            run(out.with_suffix(f".{rank}"), SETTINGS, checkpoint if workers.first else None)
    except LostWorkerError:
        os._exit(9)
    os._exit(0)


def together(out: Path, checkpoint: Path | None = None) -> list[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [worker(rank, port, out, checkpoint) for rank in (0, 1)]


def killed(pids: list[int], victim: int, checkpoint: Path, pause: float) -> bool:
    """Kill one some time after a checkpoint; whether the other was still training, and noticed."""
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    while not os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
            break
        time.sleep(0.001)
    time.sleep(pause)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pids[victim], signal.SIGKILL)
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if ends[victim] == 0:
        return False
    if ends[victim] != -signal.SIGKILL or ends[1 - victim] != 9:
        sys.exit(f"worker {victim} was killed, and the two ended with {ends}")
    return True


if __name__ == "__main__":
    folder, moments = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    torch.set_num_threads(1)
    run(folder / "one", Settings(**{**vars(SETTINGS), "batch_size": 64}))
    for name in ("two", "again"):
        if any(os.waitpid(pid, 0)[1] for pid in together(folder / name)):
            sys.exit(f"{name}: a worker failed")
    checkpoint, longest, kills = folder / "killed.pt", 0.1, 0
    while kills < 5:
        if killed(together(folder / "killed", checkpoint), kills % 2, checkpoint, moments.uniform(0, longest)):
            kills += 1
        else:  # it was faster than that
            longest, kills = longest / 2, 0
            checkpoint.unlink()
    if any(os.waitpid(pid, 0)[1] for pid in together(folder / "killed", checkpoint)):
        sys.exit("resumed: a worker failed")
