"""How good are the densities? One command per row, each writing a record.

    python -m benchmarks.tables gaussian                         # fingerprints of the data and of the closed form
    python -m benchmarks.tables nsf --data miniboone40           # a model with its defaults, three seeds
    python -m benchmarks.tables zuko --data miniboone40          # a peer of the same size, trained the same way
    python -m benchmarks.tables zuko-readme --data miniboone40   # a peer as its README has it
    python -m benchmarks.tables maf --data bsds300 --preset paper --seeds 1 --checkpoints DIR   # resumable
    python -m benchmarks.tables nsf --data bsds300 --device cuda --budget 360 --checkpoints DIR --records DIR
    python -m benchmarks.tables table                            # all records side by side

Every model sees standardised columns and is selected on validation rows only; the test rows are scored once, by the
weights that training ended with.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App

from benchmarks import common
from benchmarks.common import DOCS, RECORDS, write_record
from benchmarks.tables import datasets, peers
from fluvial import models
from fluvial.core import Density, Flow
from fluvial.training import Data, Record, Settings, train
from fluvial.transforms import ColumnMap, Columns

PAGE = DOCS / "fidelity.md"
FINGERPRINTS = {"miniboone40": (-35.35, -35.31), "miniboone43": (-37.74, -37.70), "bsds300": (96.4, 96.7)}
"""What a full-covariance Gaussian scores on the test rows, nats; BSDS300: on two other draws of patches."""
FURTHER_DRAWS = range(3, 13)
README = Settings(
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=0.0,
    schedule="constant",
    clip=None,
    ema=None,
    patience=30,
    batch_size=256,
)
"""Plain Adam, which both READMEs stop at, with early stopping."""
PRESETS = {
    "paper": Settings(
        optimizer="adam",
        learning_rate=1e-4,
        weight_decay=1e-6,
        schedule="constant",
        clip=None,
        ema=None,
        patience=30,
        batch_size=100,
    ),
    "nsf-paper": Settings(
        optimizer="adam", learning_rate=5e-4, weight_decay=0.0, clip=5.0, ema=None, batch_size=512, patience=10**6
    ),
}
"""How the MAF paper trains its flows (arXiv 1705.07057, appendix), and how the NSF paper does (1906.04032, appendix B):
a cosine over a known number of steps, here over the epochs or the budget."""

app = App(help="Held-out likelihoods, beside those of peers.")


@app.default
def row(
    model: str,
    *,
    data: str,
    seeds: int = 3,
    preset: str | None = None,
    epochs: int | None = None,
    budget: float | None = None,
    checkpoints: Path | None = None,
    extend: bool = False,
    device: str | None = "cpu",
    batch_size: int | None = None,
    records: Path = RECORDS,
) -> None:
    """One model on one data set: a fluvial recipe with its defaults, or a peer.

    With ``checkpoints``, a folder, the same command continues a run that was interrupted; with ``extend``, it
    keeps the seeds that are in the record and adds the others. The record goes to the folder ``records``. With
    ``device`` cuda, rows and model are there for the whole run.
    """
    rows = datasets.load(data)
    settings = replace(_settings(model, preset, epochs, budget), device=device)
    if batch_size is not None:
        settings = replace(settings, batch_size=batch_size)
    name = f"{model}-{preset}" if preset else model
    record: dict[str, Any] = {"model": name, "data": data, "settings": asdict(settings), "runs": []}
    path = records / f"fidelity-{name}-{data}.json"
    if extend and path.exists():
        record["runs"] = json.loads(path.read_text())["runs"]
    for seed in range(len(record["runs"]), seeds):
        run = _run(model, rows, preset, replace(settings, seed=seed), checkpoints, f"{name}-{data}")
        record["runs"].append(run)
        write_record(f"fidelity-{name}-{data}", record, records)
    print(f"{name} on {data}: {_mean(record):.3f}, spread over {seeds} seeds {_spread(record):.3f}")


def _settings(model: str, preset: str | None, epochs: int | None, budget: float | None) -> Settings:
    """fluvial's defaults, for its own models and for the peers of the same size; else those that the name says."""
    settings = README if model.endswith("-readme") else Settings()
    if preset:
        settings = PRESETS.get(f"{model}-{preset}", PRESETS[preset])
    return replace(settings, epochs=epochs, budget=budget)


def _run(
    model: str, rows: datasets.Dataset, preset: str | None, settings: Settings, checkpoints: Path | None, name: str
) -> dict[str, Any]:
    torch.manual_seed(settings.seed)
    density = build(model, rows.train, preset)
    checkpoint = None if checkpoints is None else checkpoints / f"{name}-{settings.seed}.safetensors"
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    curve, started = [], time.perf_counter()
    for record in train(density, _data(rows.train), _data(rows.valid), settings, checkpoint, True, 60.0, name):
        if record.ended:
            curve.append(record)
            print(
                f"  epoch {record.epoch} held out {-(record.held_out or math.nan):.3f}, {record.elapsed:.0f} s",
                flush=True,
            )
    last = curve[-1]
    result = {
        "seed": settings.seed,
        "commit": common.commit(),
        "test": summary(log_prob(density, rows.test)),
        "valid": summary(log_prob(density, rows.valid)),
        "parameters": sum(p.numel() for p in density.parameters()),
        "seconds": round(last.elapsed, 1),
        "seconds_of_this_call": round(time.perf_counter() - started, 1),
        "epochs": last.epoch,
        "best_epoch": last.best_epoch,
        "steps": last.step,
        "skipped_steps": last.skipped,
        "device": torch.cuda.get_device_name() if _device(density).type == "cuda" else "cpu",
        "rows_per_second": round(last.rows_per_second),
        "curve": [(r.epoch, round(-(r.held_out or math.nan), 3), round(r.elapsed, 1)) for r in _thinned(curve)],
    }
    print(f"  seed {settings.seed}: {result['test']}", flush=True)
    return result


def build(model: str, x: np.ndarray, preset: str | None = None) -> Density:
    """A recipe of fluvial or a peer, behind the same standardisation of each column."""
    maps = [ColumnMap.fit(column) for column in x.T]
    features = x.shape[1]
    if model in peers.PEERS:
        return Flow(Columns(maps), peers.PEERS[model](features), (features,))
    options = {"preset": preset} if preset else {}
    return models.build(
        {"model": model, "event_shape": [features], "columns": [asdict(m) for m in maps], "options": options}
    )


@app.command
def gaussian() -> None:
    """The full-covariance Gaussian on every set, beside the figures known for it."""
    rows = {}
    for name in datasets.DATASETS:
        data, started = datasets.load(name), time.perf_counter()
        density = fitted_gaussian(data.train)
        scores = log_prob(density, data.test)
        rows[name] = summary(scores) | {"seconds": time.perf_counter() - started, "expected": FINGERPRINTS.get(name)}
        if name == "bsds300":
            draws = [log_prob(density, x).mean() for x in datasets.bsds300_test_draws(FURTHER_DRAWS)]
            rows[name]["further_draws"] = [round(float(d), 4) for d in draws]
        known = "" if name not in FINGERPRINTS else "known: {:.2f} to {:.2f}".format(*FINGERPRINTS[name])
        print(f"{name:12} {rows[name]['mean']:9.3f} +- {rows[name]['standard_error']:.3f}   {known}", flush=True)
    others = np.array(rows["bsds300"]["further_draws"])
    spread = others.std(ddof=1)
    print(f"bsds300, {len(others)} further draws: mean {others.mean():.3f}, spread of one draw {spread:.3f}")
    write("gaussian", {"rows": rows})


@app.command
def table(against: str = "nsf") -> None:
    """All records side by side, with the paired difference over seeds to the model ``against``."""
    records = _records()
    columns = "test mean    seeds  spread   s.e.  median  trimmed    worst  parameters  seconds"
    print(f"{'data':12} {'model':15} {columns}")
    for record in sorted(records, key=lambda r: (r["data"], -_mean(r))):
        runs = record["runs"]
        each = {k: np.mean([run["test"][k] for run in runs]) for k in ("standard_error", "median", "trimmed_mean")}
        worst = min(run["test"]["worst"] for run in runs)
        seconds = np.mean([run["seconds"] for run in runs])
        reference = next((r for r in records if r["data"] == record["data"] and r["model"] == against), None)
        print(
            f"{record['data']:12} {record['model']:15} {_mean(record):9.3f} {len(runs):8}"
            f" {_spread(record):7.3f} {each['standard_error']:6.2f} {each['median']:7.2f} {each['trimmed_mean']:8.2f}"
            f" {worst:8.1f} {runs[0]['parameters']:11,} {seconds:8.0f}  {_difference(reference, record)}"
        )


INTRODUCTION = """# Fidelity

Written by `python -m benchmarks.tables page`, from `benchmarks/records/fidelity-*.json`; one command per row, such as
`python -m benchmarks.tables nsf --data gas10k`.

Mean test log-likelihood in nats of standardised columns, higher is better. `nsf` is fluvial's default model with its
default training, untouched by the user; `zuko` and `nflows` are their autoregressive spline flows of the same size,
trained the same way; `-readme` is a peer as its README has it, with Adam and early stopping. All are selected on
validation rows; the test rows are scored once. GAS, HEPMASS, POWER and MINIBOONE are small samples of the sets of the
MAF paper, so the published figures do not compare with them.
"""


@app.command
def page() -> None:
    """Write the documentation's page from the records."""
    lines = [
        "| data | model | test mean | s.e. | seeds | spread | median | 1 % trimmed | worst row | parameters | s |",
        "|---" * 11 + "|",
    ]
    for record in sorted(_records(), key=lambda r: (r["data"], -_mean(r))):
        test = {k: np.mean([run["test"][k] for run in record["runs"]]) for k in record["runs"][0]["test"]}
        seconds = np.mean([run["seconds"] for run in record["runs"]])
        lines.append(
            f"| {record['data']} | `{record['model']}` | {test['mean']:.3f} | {test['standard_error']:.3f} "
            f"| {len(record['runs'])} | {_spread(record):.3f} | {test['median']:.2f} | {test['trimmed_mean']:.2f} "
            f"| {test['worst']:.1f} | {record['runs'][0]['parameters']:,} | {seconds:.0f} |"
        )
    gaussian = json.loads(_path("gaussian").read_text())["rows"]
    closed = [f"| {name} | {row['mean']:.3f} | {row['standard_error']:.3f} |" for name, row in gaussian.items()]
    heading = ["", "The full-covariance Gaussian in closed form, which every row must beat:", ""]
    table = "\n".join([*lines, *heading, "| data | test mean | s.e. |", "|---|---|---|", *closed])
    PAGE.write_text(f"{INTRODUCTION}\n{table.replace('nan', '')}\n")
    print(f"wrote {PAGE.name}")


def _records() -> list[dict[str, Any]]:
    records = [json.loads(path.read_text()) for path in sorted(RECORDS.glob("fidelity-*.json"))]
    return [record for record in records if record.get("runs")]


def _mean(record: dict[str, Any]) -> float:
    return float(np.mean([run["test"]["mean"] for run in record["runs"]]))


def _spread(record: dict[str, Any]) -> float:
    means = [run["test"]["mean"] for run in record["runs"]]
    return float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")


def _difference(one: dict[str, Any] | None, other: dict[str, Any]) -> str:
    """How far ``one`` is ahead, with the standard error of the difference paired by seed."""
    if one is None or one is other:
        return ""
    pairs = [a["test"]["mean"] - b["test"]["mean"] for a, b in zip(one["runs"], other["runs"])]
    if len(pairs) < 2:
        return f"{one['model']} ahead by {pairs[0]:.3f} (one seed)"
    return f"{one['model']} ahead by {np.mean(pairs):.3f} +- {np.std(pairs, ddof=1) / len(pairs) ** 0.5:.3f}"


def fitted_gaussian(x: np.ndarray) -> Density:
    """The maximum-likelihood Gaussian of all rows of x, in float64."""
    density = models.gaussian((x.shape[1],)).double()
    density.initialize(torch.from_numpy(x).double())
    return density


def log_prob(density: torch.nn.Module, x: np.ndarray, batch: int = 10_000) -> np.ndarray:
    """Log-density of each row, (N,), in nats."""
    density.eval()
    device = _device(density)
    with torch.no_grad():
        parts = [density(part.to(device).double()).cpu() for part in torch.from_numpy(x).split(batch)]
    return torch.cat(parts).double().numpy()


def _device(density: torch.nn.Module) -> torch.device:
    return next(density.parameters()).device


def _thinned(curve: list[Record], most: int = 200) -> list[Record]:
    """Every so many epochs, and the last one."""
    every = -(-len(curve) // most)
    return [r for i, r in enumerate(curve) if i % every == 0 or r is curve[-1]]


def summary(scores: np.ndarray) -> dict[str, float]:
    """Mean and its standard error; what few rows cannot move: median and 1 % trimmed mean; the worst row."""
    trim = len(scores) // 100
    figures = {
        "mean": scores.mean(),
        "standard_error": scores.std(ddof=1) / len(scores) ** 0.5,
        "median": np.median(scores),
        "trimmed_mean": np.sort(scores)[trim : len(scores) - trim].mean(),
        "worst": scores.min(),
    }
    return {key: round(float(value), 4) for key, value in figures.items()}


def write(name: str, content: dict[str, Any]) -> None:
    """One record of fidelity."""
    write_record(f"fidelity-{name}", content)


def _path(name: str) -> Path:
    return RECORDS / f"fidelity-{name}.json"


def _data(x: np.ndarray) -> Data:
    return Data(torch.from_numpy(x).double())


def main() -> None:
    torch.set_num_threads(1)
    app()
