"""Train, killed with SIGKILL at ten random moments and resumed each time.

Each life gets as far as a checkpoint of its own, however slow the machine; if one trains to the end before it is
killed, however fast the machine, all begins anew.

Children are forked, so that torch is imported once.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from training.toy import rows

from fluvial.models import build
from fluvial.training import Settings, train

SETTINGS = Settings(epochs=60, batch_size=32, ema=0.9, seed=5, device="cpu")
CONFIG = {"model": "maf", "event_shape": [2], "options": {"transforms": 2, "hidden": [16], "batch_norm": True}}


def run(checkpoint: Path, out: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    density = build({**CONFIG, "columns": [{"step": 0.1}, {"step": 0.5}]})
    for _ in train(density, rows(400), rows(80, 1), SETTINGS, checkpoint, resume=True, every=0.02):
        pass
    torch.save(density.state_dict(), out)


def child(checkpoint: Path, out: Path) -> int:
    pid = os.fork()
    if pid == 0:
        run(checkpoint, out)
        os._exit(0)
    return pid


def written(checkpoint: Path) -> int:
    return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0


def kill(pid: int, checkpoint: Path, pause: float) -> bool:
    """Kill the process ``pause`` seconds after it wrote a checkpoint; False if it had ended by then."""
    before = written(checkpoint)
    while written(checkpoint) == before and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.001)
    time.sleep(pause)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1] == signal.SIGKILL


if __name__ == "__main__":
    folder, moments = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    run(folder / "whole.pt", folder / "whole.weights")  # here, so that children find everything imported
    checkpoint, weights = folder / "killed.pt", folder / "killed.weights"
    longest, kills = 0.1, 0
    while kills < 10:
        if kill(child(checkpoint, weights), checkpoint, moments.uniform(0, longest)):
            kills += 1
        else:
            longest, kills = longest / 2, 0
            checkpoint.unlink()
            weights.unlink()
    os.waitpid(child(checkpoint, weights), 0)
