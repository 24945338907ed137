"""Train, killed with SIGKILL at ten random moments and resumed each time; prints how often it died on its way.

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


if __name__ == "__main__":
    folder, moments = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    kills = 0
    os.waitpid(child(folder / "whole.pt", folder / "whole.weights"), 0)
    for _ in range(10):
        pid = child(folder / "killed.pt", folder / "killed.weights")
        time.sleep(moments.uniform(0.02, 0.2))
        os.kill(pid, signal.SIGKILL)
        kills += os.waitpid(pid, 0)[1] == signal.SIGKILL
    os.waitpid(child(folder / "killed.pt", folder / "killed.weights"), 0)
    print(kills)
