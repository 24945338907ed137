"""Mixed tables: what fluvial's default draws, beside the field, with one budget on one thread.

    python -m benchmarks.tables.mixed run                        # all cells that have no record yet, seed after seed
    python -m benchmarks.tables.mixed cell adult fluvial 0 60    # one of them
    python -m benchmarks.tables.page                             # docs/tables-benchmarks.md, from the records

Each cell is a process of its own, and its record a line of ``benchmarks/records/mixed.jsonl``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from cyclopts import App

from benchmarks import common
from benchmarks.common import RECORDS
from benchmarks.tables.engines import ENGINES, now
from benchmarks.tables.measures import measured
from benchmarks.tables.real import Split, split

RECORD, RUNS = RECORDS / "mixed.jsonl", Path("runs") / "mixed"
SETS = ("penguins", "titanic", "redwine", "adult", "diamonds")
SEEDS, BUDGET = 3, 60.0

app = App(help="What fluvial's default draws of mixed tables, beside the field.")


@app.command
def run(seeds: int = SEEDS, budget: float = BUDGET, engines: str = ",".join(ENGINES), sets: str = ",".join(SETS)):
    """Every cell that is not recorded yet; one that fails says so and is left for the next time."""
    for seed in range(seeds):
        for name in sets.split(","):
            for engine in ("real", *engines.split(",")):
                if (name, engine, seed, budget) not in recorded():
                    cell = [sys.executable, "-m", "benchmarks.tables.mixed", "cell", name, engine]
                    done = subprocess.run([*cell, str(seed), str(budget)], check=False)
                    print(name, engine, seed, "failed" if done.returncode else "done", flush=True)


@app.command
def cell(name: str, engine: str, seed: int, budget: float = BUDGET):
    """Fit one engine to one table, draw as many rows, and measure them; ``real`` measures the rows themselves."""
    warnings.simplefilter("ignore")
    data = split(name, seed)
    if engine == "real":
        append(RECORD, _key(name, engine, seed, budget) | _measured(data, data.train, seed))
        return
    out = RUNS / f"{name}-{engine}-{seed}-{budget:g}"
    out.parent.mkdir(parents=True, exist_ok=True)
    began = now()
    draw, told = ENGINES[engine](data, budget, seed, out)
    fitted = now()
    drawn = draw(len(data.train))
    seconds = {"fit": round(fitted - began, 1), "draw": round(now() - fitted, 2)}
    drawn.to_pickle(f"{out}.pkl")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told |= {"seconds": seconds, "megabytes": memory, "rows": [len(data.train), told.get("rows", len(data.train))]}
    append(RECORD, _key(name, engine, seed, budget) | _measured(data, drawn, seed) | told)


def _measured(data: Split, drawn: pd.DataFrame, seed: int) -> dict[str, float]:
    return {k: round(v, 5) for k, v in measured(data, drawn, seed).items()}


def _key(name: str, engine: str, seed: int, budget: float) -> dict[str, Any]:
    return {"set": name, "engine": engine, "seed": seed, "budget": budget, "commit": common.commit()}


def append(path: Path, line: dict[str, Any]) -> None:
    """One more record."""
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def lines(path: Path) -> list[dict[str, Any]]:
    """All records so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def recorded() -> set[tuple[str, str, int, float]]:
    """The cells that need not run again."""
    return {(r["set"], r["engine"], r["seed"], r["budget"]) for r in lines(RECORD)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
