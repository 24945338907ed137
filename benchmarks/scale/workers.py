"""``python -m benchmarks.scale.workers``: rows a second of a fit in several processes beside those of one.

Each process trains on one thread; ``torchrun`` starts them. Rows a second say something only where each process has a
core to itself, so the load of the machine before the measurement is kept with them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import common
from fluvial import models
from fluvial.core.workers import joined
from fluvial.training import Data, Settings, train

COLUMNS, BATCH = 20, 512


def work(rows: int) -> None:
    """What each worker does; the first one prints rows a second and the workers' number."""
    x = torch.randn(rows, COLUMNS, generator=torch.Generator().manual_seed(0))
    with joined() as workers:
        torch.manual_seed(0)
        density = models.nsf((COLUMNS,))
        settings = Settings(epochs=1, batch_size=BATCH, device="cpu")
        last = list(train(density, Data(x), None, settings))[-1]
        if workers.first:
            print(f"measured {workers.count} {last.rows_per_second:.1f}", flush=True)


def measured(count: int, rows: int) -> dict[str, Any]:
    """Rows a second of so many workers."""
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(count)] if count > 1 else []
    command = [sys.executable, *torchrun, "-m", "benchmarks.scale.workers", "--work", "--rows", str(rows)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    load = os.getloadavg()[0]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("measured"))
    return {"workers": count, "rows_per_second": float(line.split()[2]), "load": load}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.workers", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=common.RECORDS)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.rows)
        return
    found = [measured(count, given.rows) for count in given.workers]
    print(*found, sep="\n")
    record = {"commit": common.commit(), "model": "nsf", "columns": COLUMNS, "batch_size": BATCH, "rows": given.rows}
    common.write_record("scale-workers", {**record, "measured": found}, given.out)


if __name__ == "__main__":
    main()
