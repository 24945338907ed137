"""Rows of adult drawn by a GAN, judged by the measures of ``fluvial compare``, beside CTGAN's and a density's.

    python -m benchmarks.latent.adult run gan 0       # one engine: gan, mixed, or one of benchmarks.tables.engines
    python -m benchmarks.latent.adult show            # all that was measured

Each learns from the official training file within a budget of seconds of this process's processor time, and draws as
many rows as judge, 2,000 of the official test file.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from cyclopts import App

from benchmarks.common import RECORDS, commit
from benchmarks.tables.engines import ENGINES, Draw, now
from benchmarks.tables.mixed import append, lines
from benchmarks.tables.real import Split, split
from fluvial.data.infer import infer
from fluvial.data.tables import read
from fluvial.kinds.tables.ground import TableGround

RECORD, RUNS = RECORDS / "latent-adult.jsonl", Path("runs") / "latent"
OWN = ("gan", "vae_iaf", "mixed")
SHOWN = ("auc", "precision", "recall", "density", "coverage", "wasserstein", "utility", "closer")

app = App(help=__doc__)


def ground(data: Split, seed: int) -> TableGround:
    """The official parts, as ``compare`` judges by its own."""
    train, test = read(data.train), read(data.test)
    schema, _ = infer(read(pd.concat([data.train, data.test], ignore_index=True)), cells=True, drop_missing=False)
    return TableGround(train, schema.encode(train).x, schema.encode(test).x, seed, test, schema)


def fluvial_model(name: str, data: Split, budget: float, seed: int, out: Path) -> tuple[Draw, dict[str, Any]]:
    """``fluvial.fit(frame, name, budget=...)`` and nothing else."""
    import fluvial

    time.monotonic = now  # fluvial's budgets count by it
    model = fluvial.fit(data.train, name, budget=budget, seed=seed, out=out, force=True, progress=False)
    return lambda n: model.sample(n, seed=seed), {"epochs": model.record["training"]["epochs"]}


@app.command
def run(engine: str, seed: int = 0, budget: float = 60.0) -> None:
    """Fit one engine, draw, and judge."""
    warnings.simplefilter("ignore")
    data, out = split("adult", seed), RUNS / f"adult-{engine}-{seed}"
    out.parent.mkdir(parents=True, exist_ok=True)
    began = now()
    made = fluvial_model(engine, data, budget, seed, out) if engine in OWN else ENGINES[engine](data, budget, seed, out)
    draw, told = made
    told["seconds"] = round(now() - began, 1)
    field = ground(data, seed)
    rival = field.judge(engine, field.encoded(draw(len(field.test))))
    found = {"auc": rival.auc.auc, "closer": rival.copies.closer, "copies": rival.copies.copies}
    found |= {key: getattr(rival, key) for key in SHOWN if key not in found}
    key = {"engine": engine, "seed": seed, "budget": budget, "commit": commit()}
    append(RECORD, key | {name: round(float(value), 5) for name, value in found.items()} | told)


@app.command
def show() -> None:
    """A line each."""
    for line in lines(RECORD):
        print(json.dumps({name: line[name] for name in ("engine", "seed", "budget", *SHOWN)}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
