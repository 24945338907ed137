"""What every benchmark uses: where data, records and pages lie, what a record tells of its origin, and fair timing.

Timing is interleaved, A B C A B C ..., in CPU seconds of one thread, as ratios to a reference. On a machine that
others use, wall seconds of one call vary several-fold while CPU seconds repeat within about a tenth; ratios of the
best rounds within one run are sturdier than either.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benchmarks" / "records"
DOCS = ROOT / "docs"


def data_folder() -> Path:
    """Where the data lie: the folder that ``FLUVIAL_DATA`` names, or ``../shared/data`` beside this one."""
    return Path(os.environ.get("FLUVIAL_DATA", ROOT.parent / "shared" / "data"))


def versions() -> dict[str, str]:
    """Of torch and of those libraries compared that are installed."""
    found = {}
    for name in ("fluvial", "torch", "zuko", "nflows"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def commit() -> str:
    """The commit that a measurement was made with; a + behind it where the sources had been changed since."""
    call = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(call, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def write_record(name: str, content: dict[str, Any], folder: Path = RECORDS) -> None:
    """One record, with what it was measured on."""
    origin = {"python": platform.python_version(), "numpy": np.__version__, **versions()}
    content = {"versions": origin, "threads": torch.get_num_threads(), **content}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {folder.name}/{path.name}", flush=True)


@dataclass(frozen=True)
class Timing:
    """Seconds per call over the rounds, and the ratio of the best round to the reference's."""

    median: float
    best: float
    rounds: int
    ratio: float | None = None


def clock(call: Callable[[], object], repeat: int) -> float:
    start = time.process_time()
    for _ in range(repeat):
        call()
    return (time.process_time() - start) / repeat


def interleave(
    calls: Mapping[str, Callable[[], object]],
    reference: str,
    rounds: int = 7,
    budget: float = 20.0,
    quantum: float = 0.05,
    once_above: float = 5.0,
) -> dict[str, Timing]:
    """Time every call in turn, round after round.

    A warm-up finds how many calls fill ``quantum`` seconds. A call that takes longer than ``once_above`` seconds
    is not repeated. Rounds stop after ``rounds``, or after ``budget`` seconds once there are three.
    """
    series = {name: [clock(call, 1)] for name, call in calls.items()}
    repeated = {name: call for name, call in calls.items() if series[name][0] <= once_above}
    counts = {name: max(1, int(quantum / max(clock(call, 1), 1e-6))) for name, call in repeated.items()}
    begin = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - begin > budget:
            break
        for name, call in repeated.items():
            series[name].append(clock(call, counts[name]))
    base = min(series[reference])
    return {name: Timing(statistics.median(s), min(s), len(s), min(s) / base) for name, s in series.items()}
