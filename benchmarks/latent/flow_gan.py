"""One flow taught in three ways, and the exact log-likelihood that each gives test rows (Grover et al. 2018, sec. 4).

    python -m benchmarks.latent.flow_gan run moons     # by likelihood, by a critic alone, by both; 5,000 rows
    python -m benchmarks.latent.flow_gan show

Data: two half moons, and two rings; 5,000 rows to fit to (fluvial holds a tenth out), 5,000 test rows. The energy
distance is that of 2,000 draws to 2,000 test rows.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from cyclopts import App

import fluvial
from benchmarks.common import RECORDS, commit, write_record

RECORD = "latent-flow-gan"
ROWS, COMPARED = 5000, 2000
WAYS = {"likelihood": ("nsf_coupling", {}), "critic": ("flow_gan", {"weight": 0.0}), "both": ("flow_gan", {})}
OPTIONS = {"transforms": 4, "hidden": [64, 64]}

app = App(help=__doc__)


def rows(name: str, n: int, seed: int) -> np.ndarray:
    """Rows (n, 2) of two moons or of two rings."""
    rng = np.random.default_rng(seed)
    second, angle = rng.integers(2, size=n), rng.uniform(0, 2 * np.pi, n)
    if name == "rings":
        radius = np.where(second, 1.5, 0.7) + 0.05 * rng.normal(size=n)
        return radius[:, None] * np.stack((np.cos(angle), np.sin(angle)), 1)
    x = np.stack((np.cos(angle / 2), np.sin(angle / 2)), 1)
    moons = np.where(second[:, None], np.array([1.0, 0.5]) - x, x)
    return moons + 0.08 * rng.normal(size=(n, 2))


@app.command
def run(name: str, *, seed: int = 0, epochs: int = 20) -> None:
    """Fit in all three ways, for the same epochs with the same data."""
    test = rows(name, ROWS, seed + 1000)
    for way, (model, options) in WAYS.items():
        began = time.process_time()
        own = {**OPTIONS, **options}
        fitted = fluvial.fit(rows(name, ROWS, seed), model, seed=seed, epochs=epochs, options=own, progress=False)
        log_p, draws = fitted.log_prob(test), fitted.sample(COMPARED, seed=seed)
        content = {
            "log_p": float(log_p.mean()),
            "standard_error": float(log_p.std() / len(log_p) ** 0.5),
            "median": float(np.median(log_p)),
            "energy_distance": energy(draws, test[:COMPARED]),
            **{key: fitted.record["training"][key] for key in ("epochs", "steps", "best_epoch")},
            "cpu_seconds": round(time.process_time() - began),
            "commit": commit(),
        }
        print(name, way, content, flush=True)
        path = RECORDS / f"{RECORD}.json"
        cells = json.loads(path.read_text())["cells"] if path.exists() else {}
        write_record(RECORD, {"cells": {**cells, f"{name}-{way}-{seed}": content}})


def energy(a: np.ndarray, b: np.ndarray) -> float:
    """Energy distance of two samples, without the pairs of a row with itself."""
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    within = sum(float(torch.cdist(z, z).sum()) / (len(z) * (len(z) - 1)) for z in (x, y))
    return 2 * float(torch.cdist(x, y).mean()) - within


@app.command
def show() -> None:
    """All that was measured, a line each."""
    for name, cell in json.loads((RECORDS / f"{RECORD}.json").read_text())["cells"].items():
        print(
            f"{name:22} log p {cell['log_p']:9.3f} ± {cell['standard_error']:.3f}, median {cell['median']:.3f}, "
            f"energy distance {cell['energy_distance']:.5f}, {cell['cpu_seconds']} s"
        )


if __name__ == "__main__":
    app()
