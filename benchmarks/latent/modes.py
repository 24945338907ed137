"""Modes that a GAN finds: 25 narrow Gaussians in a square, the same square turned, and 8 in a ring.

    python -m benchmarks.latent.modes run square 0     # one fit with the defaults to 20,000 rows, 10 epochs
    python -m benchmarks.latent.modes show

Centres lie 2 apart in the squares and 2 from the middle in the ring, the standard deviation is 0.05 (0.02 in the ring).
A draw is good within 3 standard deviations of a centre (98.9 % of the data are), and a mode is found where a fifth of
its share of the draws, or more, are good draws of it.
"""

from __future__ import annotations

import json
import math
import time

import numpy as np
from cyclopts import App

import fluvial
from benchmarks.common import RECORDS, commit, write_record

RECORD = "latent-modes"
ROWS, DRAWS = 20_000, 10_000

app = App(help=__doc__)


def centers(name: str) -> tuple[np.ndarray, float]:
    """Of the modes, and their standard deviation."""
    if name == "ring":
        angle = np.arange(8) * math.pi / 4
        return 2 * np.stack((np.cos(angle), np.sin(angle)), 1), 0.02
    square = np.stack(np.meshgrid(*[np.arange(-4.0, 5.0, 2.0)] * 2), 2).reshape(-1, 2)
    cos, sin = math.cos(0.5), math.sin(0.5)
    return (square @ np.array([[cos, sin], [-sin, cos]]) if name == "turned" else square), 0.05


def rows(name: str, n: int, seed: int) -> np.ndarray:
    """Evenly from the modes."""
    middle, std = centers(name)
    rng = np.random.default_rng(seed)
    return middle[rng.integers(len(middle), size=n)] + std * rng.normal(size=(n, 2))


def judged(name: str, draws: np.ndarray) -> dict[str, float]:
    """How many modes are found, and the share of good draws."""
    middle, std = centers(name)
    distance = np.linalg.norm(draws[:, None] - middle, axis=2)
    good = distance.min(1) < 3 * std
    found = np.bincount(distance.argmin(1)[good], minlength=len(middle)) >= 0.2 * len(draws) / len(middle)
    return {"modes": int(found.sum()), "of": len(middle), "good": float(good.mean())}


@app.command
def run(name: str, seed: int, *, model: str = "gan", epochs: int = 10) -> None:
    """Fit with the defaults and judge 10,000 draws."""
    began = time.process_time()
    fitted = fluvial.fit(rows(name, ROWS, seed), model, seed=seed, epochs=epochs, progress=False)
    content = {**judged(name, fitted.sample(DRAWS, seed=seed)), **fitted.record["training"]}
    content |= {"cpu_seconds": round(time.process_time() - began), "commit": commit()}
    print(f"{name} {model} {seed}: {content}")
    path = RECORDS / f"{RECORD}.json"
    cells = json.loads(path.read_text())["cells"] if path.exists() else {}
    write_record(RECORD, {"cells": {**cells, f"{name}-{model}-{seed}": content}})


@app.command
def show() -> None:
    """All that was measured, a line each."""
    for name, cell in json.loads((RECORDS / f"{RECORD}.json").read_text())["cells"].items():
        print(
            f"{name:20} {cell['modes']:3} of {cell['of']}, good {cell['good']:.1%}, {cell['steps']} steps, "
            f"{cell['cpu_seconds']} s"
        )


if __name__ == "__main__":
    app()
