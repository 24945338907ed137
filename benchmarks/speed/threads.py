"""How much more threads help: ``python -m benchmarks.speed.threads --out benchmarks/records --threads 2``.

Wall seconds at 4,096 rows, one thread and several in turn, round after round; the best rounds are compared, since on a
machine with other work only they are undisturbed. The load of the machine stands in the record.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import common
from benchmarks.speed.peers import Floor, Size, fluvial
from benchmarks.speed.ratios import DEPTH, scorer, train_step
from fluvial.kernels import native

RECORD = "threads.json"
ROWS, FEATURES = 4096, 63
WORK = [(operation, family) for family in ("maf", "nsf", "nsf_coupling") for operation in ("train", "log_prob")]


def calls(operation: str, family: str) -> dict[str, Callable[[], object]]:
    """One call of fluvial, and one of the dense products alone, which no threads of ours share."""
    size = Size(family, FEATURES, DEPTH[family])
    x = torch.randn(ROWS, FEATURES, generator=torch.Generator().manual_seed(0))
    floor, train = Floor(size), operation == "train"
    floor.prepare(ROWS)
    make = train_step if train else scorer
    return {"fluvial": make(fluvial(size), x), "products": floor.passes_and_gradients if train else floor.passes}


def best(call: Callable[[], object], threads: list[int], rounds: int, budget: float) -> list[float]:
    """Wall seconds of the best round for each number of threads."""
    found, begin = [float("inf")] * len(threads), time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - begin > budget:
            break
        for i, count in enumerate(threads):
            torch.set_num_threads(count)
            call()  # the team wakes up
            start = time.perf_counter()
            call()
            found[i] = min(found[i], time.perf_counter() - start)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--budget", type=float, default=100.0, help="seconds in all, about")
    parser.add_argument("--out", type=Path, required=True, help="folder of the record")
    options = parser.parse_args()
    counts, rows = [1, *options.threads], list[dict[str, object]]()
    for operation, family in WORK:
        timed = {
            name: best(call, counts, options.rounds, options.budget / (2 * len(WORK)))
            for name, call in calls(operation, family).items()
        }
        faster = {name: [s[0] / t for t in s[1:]] for name, s in timed.items()}
        rows.append({"operation": operation, "family": family, "seconds": timed, "faster": faster})
        print(operation, family, {n: [round(f, 2) for f in each] for n, each in faster.items()}, flush=True)
    record = {
        "threads": counts,
        "load": os.getloadavg()[1],
        "cores": os.cpu_count(),
        "kernels": native.status(),
        "commit": common.commit(),
        "versions": common.versions(),
        "rows": rows,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / RECORD).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
