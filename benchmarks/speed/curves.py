"""What the cost depends on: ``python -m benchmarks.speed.curves``.

A spline flow of a middling size; one of its sizes at a time is varied. Each point runs in a process of its own, on one
thread: CPU seconds of the best of some rounds, and how much memory a call needs above what was there before it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import common
from benchmarks.speed.peers import LIBRARIES, Size
from benchmarks.speed.ratios import sampler, scorer, train_step
from fluvial.kernels import native

RECORD = common.RECORDS / "curves.json"
PICTURE = common.DOCS / "images" / "cost.svg"
BASE = {"features": 32, "transforms": 5, "hidden": 128, "rows": 1024}
AXES = {
    "features": (2, 8, 32, 64, 128),
    "transforms": (1, 2, 5, 10, 20),
    "hidden": (32, 64, 128, 256, 512),
    "rows": (64, 256, 1024, 4096, 16384),
}
LABELS = {
    "features": "columns D",
    "transforms": "depth",
    "hidden": "width of the hidden layers",
    "rows": "rows at once",
}
OPERATIONS: dict[str, Callable[..., Callable[[], object]]] = {
    "train": train_step,
    "log_prob": scorer,
    "sample": sampler,
}
SUBJECTS = [
    *[("fluvial", operation) for operation in OPERATIONS],
    ("zuko", "train"),
    ("zuko", "log_prob"),
]  # the other libraries sample by D passes


def point(library: str, operation: str, sizes: dict[str, int]) -> dict[str, float]:
    """CPU microseconds a row, and MiB of memory that a call needs at its peak."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    size = Size("nsf", sizes["features"], sizes["transforms"], (sizes["hidden"],) * 2)
    subject, x = LIBRARIES[library](size), torch.randn(sizes["rows"], sizes["features"])
    call, before = OPERATIONS[operation](subject, x), _most_memory()
    seconds, begin = float("inf"), time.process_time()
    for done in range(30):
        if done >= 2 and time.process_time() - begin > 1.0:
            break
        start = time.process_time()
        call()
        seconds = min(seconds, time.process_time() - start)
    return {"microseconds a row": 1e6 * seconds / len(x), "MiB": (_most_memory() - before) / 1024}


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(seconds: float, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every point that is not yet ``found``, as many as there is time for; those left out are said."""
    begin = time.monotonic()
    known = {(r["axis"], r["value"], r["library"], r["operation"]) for r in found}
    for axis, values in AXES.items():
        for value in values:
            sizes = {**BASE, axis: value}
            for library, operation in SUBJECTS:
                if (axis, value, library, operation) in known:
                    continue
                if time.monotonic() - begin > seconds:
                    print(f"left out for want of time: {library} {operation}, {axis} = {value}")
                    continue
                with multiprocessing.get_context("fork").Pool(1) as process:
                    measured = process.apply(point, (library, operation, sizes))
                found.append({"axis": axis, "value": value, "library": library, "operation": operation, **measured})
            print(axis, value, flush=True)
    return found


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Time a row above, peak memory below; zuko dashed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "fluvial"  # the same file from the same record
    figure = Figure(figsize=(12, 5.5), layout="constrained")
    axes = figure.subplots(2, len(AXES), sharex="col", sharey="row")
    colours = dict(zip(OPERATIONS, ("C0", "C1", "C2")))
    for column, axis in enumerate(AXES):
        for line, key in enumerate(("microseconds a row", "MiB")):
            ax = axes[line][column]
            for library, operation in SUBJECTS:
                own = [r for r in rows if (r["axis"], r["library"], r["operation"]) == (axis, library, operation)]
                own.sort(key=lambda r: r["value"])
                ax.plot(
                    [r["value"] for r in own],
                    [max(r[key], 0.01) for r in own],
                    color=colours[operation],
                    linestyle="-" if library == "fluvial" else "--",
                    marker=".",
                    label=f"{library}, {operation}",
                )
            ax.set(xscale="log", yscale="log")
            ax.set_xticks(AXES[axis], [str(v) for v in AXES[axis]])
            ax.minorticks_off()
        axes[1][column].set_xlabel(LABELS[axis])
    axes[0][0].set_ylabel("CPU µs a row")
    axes[1][0].set_ylabel("memory of a call, MiB")
    axes[0][0].legend(fontsize="x-small")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=900.0, help="seconds after which points are left out")
    parser.add_argument("--extend", action="store_true", help="keep the points of the record")
    parser.add_argument("--plot", action="store_true", help="draw the record and measure nothing")
    options = parser.parse_args()
    if not options.plot:
        found = json.loads(RECORD.read_text())["rows"] if options.extend and RECORD.exists() else []
        record = {
            "base": BASE,
            "kernels": native.status(),
            "commit": common.commit(),
            "versions": common.versions(),
            "rows": measure(options.budget, found),
        }
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    plot(json.loads(RECORD.read_text())["rows"], PICTURE)


if __name__ == "__main__":
    main()
