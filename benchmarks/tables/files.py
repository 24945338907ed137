"""Any table in one command: eleven files as people have them, fitted, sampled, and the samples fitted again.

    python -m benchmarks.tables.files run titanic tips    # in /tmp/fluvial-files, or the folder that --out names
    python -m benchmarks.tables.files table               # what the records say, side by side

Each file goes through the commands as a new user types them: ``fluvial fit FILE --budget 2m``, ``fluvial sample run -n
500 -o new.csv`` and ``fluvial fit new.csv --budget 1m``. A record holds their seconds, the model, the likelihood beside
that of independent columns, the verdicts with their reasons, and for each column how far samples are from the data.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cyclopts import App

import fluvial
from benchmarks import common
from benchmarks.common import RECORDS, data_folder, write_record

FILES = ("titanic", "tips", "penguins", "mpg", "planets", "breast-cancer", "horse-colic", "auto_imports")
FILES += ("adult-test", "adult-train", "diamonds")
DRAWS = 500

app = App(help="Files as people have them, in one command each.")


@app.command
def run(*names: str, out: Path = Path("/tmp/fluvial-files"), budget: str = "2m") -> None:
    """Fit each file, sample, fit the samples, and write a record."""
    for name in names or FILES:
        source, folder = data_folder() / "mixed" / f"{name}.csv", out / name
        folder.mkdir(parents=True, exist_ok=True)
        new, first, second = folder / "new.csv", folder / "run", folder / "again"
        seconds = {
            "fit": _call("fit", source, "--out", first, "--budget", budget, "--force"),
            "sample": _call("sample", first, "-n", DRAWS, "-o", new),
            "again": _call("fit", new, "--out", second, "--budget", "1m", "--force"),
        }
        write_record(
            f"files-{name}",
            {
                "file": source.name,
                "commit": common.commit(),
                "seconds": seconds,
                "fit": _outcome(first),
                "again": _outcome(second),
                "columns": _apart(first, new),
            },
        )


def _call(*words: object) -> float:
    """Seconds that a command takes; it must succeed."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fluvial", *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"fluvial {' '.join(map(str, words))}\n{done.stderr}")
    return round(time.monotonic() - started, 1)


def _outcome(folder: Path) -> dict[str, Any]:
    record = fluvial.load(folder).record
    told = {
        "model": record["model"]["model"],
        "rows": record["sizes"]["train"],
        "columns": record["sizes"]["columns"],
        "epochs": record["training"]["epochs"],
        "likelihood": record["scores"]["held_out"]["log_likelihood"],
        record["scores"]["baseline"]["name"]: record["scores"]["baseline"]["log_likelihood"],
        "warnings": record["warnings"],
    }
    verdict = record.get("verdict") or {}
    return {**told, "verdict": verdict.get("level"), "reasons": verdict.get("reasons")}


def _apart(folder: Path, samples: Path) -> dict[str, float]:
    """Of each modelled column, the largest difference of the two distribution functions, or half that of the shares."""
    model = fluvial.load(folder)
    drawn = model.schema.encode(fluvial.data.tables.read(samples)).x
    real = model.rows["train.x"]
    return {c.name: round(_distance(a, b), 3) for c, a, b in zip(model.schema.columns, real.T, drawn.T)}


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    points = np.unique(np.concatenate((a, b)))
    counts = [np.array([np.mean(v == p) for p in points]) for v in (a, b)] if len(points) <= 30 else None
    gaps = abs(float(np.isnan(a).mean() - np.isnan(b).mean()))
    if counts is not None:
        return max(gaps, 0.5 * float(np.abs(counts[0] - counts[1]).sum()))
    points = points[~np.isnan(points)]
    shares = [np.searchsorted(np.sort(v[~np.isnan(v)]), points, side="right") / max(1, len(v)) for v in (a, b)]
    return max(gaps, float(np.abs(shares[0] - shares[1]).max()))


@app.command
def table() -> None:
    """What the records say."""
    rows = []
    for name in FILES:
        if (path := RECORDS / f"files-{name}.json").exists():
            found = json.loads(path.read_text())
            fit, worst = found["fit"], max(found["columns"].items(), key=lambda item: item[1])
            rows.append(
                {
                    "file": name,
                    **found["seconds"],
                    "model": fit["model"],
                    "nats": fit["likelihood"],
                    "alone": fit.get("independent columns"),
                    "verdict": fit["verdict"],
                    "of samples": found["again"]["verdict"],
                    "farthest": f"{worst[0]} {worst[1]}",
                }
            )
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    app()
