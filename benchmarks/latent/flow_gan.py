"""One flow taught in three ways, and the exact log-likelihood that each gives test rows (Grover et al. 2018, sec. 4).

    python -m benchmarks.latent.flow_gan run moons     # by likelihood, by a critic alone, by both; 5,000 rows
    python -m benchmarks.latent.flow_gan digits        # the same of MNIST
    python -m benchmarks.latent.flow_gan show

Data: two half moons, and two rings; 5,000 rows to fit to (fluvial holds a tenth out), 5,000 test rows. The energy
distance is that of 2,000 draws to 2,000 test rows. MNIST: 10,000 images to learn from, 2,000 test images, all halved to
14 x 14 pixels of 8 bits by means of four; log p is exact of pixels with uniform noise, of whole pixels a bound, the
energy distance that of pixels scaled to [0, 1]. The last weights are judged: no one measure would choose them fairly
for all three ways.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App
from torch import Tensor
from torch.nn.functional import avg_pool2d

import fluvial
from benchmarks.common import RECORDS, commit, data_folder, write_record
from fluvial import models
from fluvial.core import randomness
from fluvial.kinds.images.arrays import read_idx
from fluvial.kinds.images.files import grid, write_png
from fluvial.training import Data, Settings, train
from fluvial.training.objectives import ADVERSARIAL, LIKELIHOOD, Judge

RECORD = "latent-flow-gan"
DRAWN = Path(tempfile.gettempdir()) / "fluvial-benchmarks" / "latent"
ROWS, COMPARED = 5000, 2000
WAYS = {"likelihood": ("nsf_coupling", {}), "critic": ("flow_gan", {"weight": 0.0}), "both": ("flow_gan", {})}
OPTIONS = {"transforms": 4, "hidden": [64, 64]}
OF_DIGITS = {"transforms": 4, "width": (128, 128), "channels": (16, 32), "hidden": 64}
MOST = 10_000  # images of MNIST to learn from

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
            **_scores(log_p, energy(draws, test[:COMPARED])),
            **{key: fitted.record["training"][key] for key in ("epochs", "steps", "best_epoch")},
            "cpu_seconds": round(time.process_time() - began),
            "commit": commit(),
        }
        _note(f"{name}-{way}-{seed}", content)


@app.command
def digits(ways: tuple[str, ...] = tuple(WAYS), *, seed: int = 0, epochs: int = 3) -> None:
    """Teach one flow what MNIST looks like in some of the three ways, for the same steps, and draw a sheet of each."""
    folder = data_folder() / "mnist"
    images, test = (
        _halved(read_idx(folder / f"{name}-images-idx3-ubyte.gz")[:most])
        for name, most in (("train", MOST), ("t10k", COMPARED))
    )
    settings = Settings(epochs=epochs, batch_size=64, learning_rate=5e-4, weight_decay=0.0, seed=seed)
    for way in ways:
        began = time.process_time()
        options = {**OF_DIGITS, **WAYS[way][1]}
        with randomness.drawing_from(seed, lend=True):
            flow = models.build({"model": "flow_gan", "event_shape": test.shape[1:], "options": options})
        objective = replace(LIKELIHOOD if way == "likelihood" else ADVERSARIAL, judge=_later_is_better())
        for _ in train(flow, Data(images), Data(images[:1]), settings, objective=objective):
            pass
        with torch.no_grad(), randomness.drawing_from(seed):
            log_p, draws = flow.log_prob(test).double().numpy(), flow.sample(COMPARED)
        sheet = draws[:10, 0].numpy().astype(np.uint8)
        DRAWN.mkdir(parents=True, exist_ok=True)
        write_png(DRAWN / f"flow-gan-{way}-{seed}.png", grid(sheet, 10))
        content = {
            **_scores(log_p, energy(*(x.flatten(1).double().numpy() / 255 for x in (draws, test)))),
            "bits_per_dimension": -float(log_p.mean()) / (test[0].numel() * math.log(2)),
            "epochs": epochs,
            "steps": epochs * -(-len(images) // 64),
            "cpu_seconds": round(time.process_time() - began),
            "commit": commit(),
        }
        _note(f"mnist-{way}-{seed}", content)


def _halved(images: np.ndarray) -> Tensor:
    """(N, 1, H / 2, W / 2), whole numbers."""
    return avg_pool2d(torch.from_numpy(images[:, None].astype(np.float32)), 2).round()


def _later_is_better() -> Judge:
    """A judge that keeps the last weights."""
    epochs = count()
    return lambda rows, density, seed: -float(next(epochs))


def _scores(log_p: np.ndarray, distance: float) -> dict[str, float]:
    return {
        "log_p": float(log_p.mean()),
        "standard_error": float(log_p.std() / len(log_p) ** 0.5),
        "median": float(np.median(log_p)),
        "energy_distance": distance,
    }


def _note(cell: str, content: dict[str, Any]) -> None:
    print(cell, content, flush=True)
    path = RECORDS / f"{RECORD}.json"
    cells = json.loads(path.read_text())["cells"] if path.exists() else {}
    write_record(RECORD, {"cells": {**cells, cell: content}})


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
