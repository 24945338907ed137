"""Digits that a GAN draws when asked for each by its label, read by a classifier that has learnt from real ones alone.

    python -m benchmarks.latent.digits run 0 --budget 600     # trains, or goes on, then draws and reads

The budget is seconds of this process's processor time, on one thread.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App

import fluvial
from benchmarks.common import commit, data_folder, write_record
from benchmarks.tables.engines import now
from fluvial.kinds.images.arrays import read_idx
from fluvial.kinds.images.files import grid, write_png
from fluvial.training import Settings

RUNS = Path(tempfile.gettempdir()) / "fluvial-benchmarks" / "latent"
OPTIONS = {"channels": [16, 32, 32], "hidden": 128}  # small, so that a minute holds more steps
DRAWN, READ = 200, 20_000  # draws of each digit, and real ones that the classifier learns from

app = App(help=__doc__)


@app.command
def run(seed: int = 0, budget: float = 600.0, runs: Path = RUNS) -> None:
    """Train one GAN, draw each digit, and let them be read."""
    images = data_folder() / "mnist" / "train-images-idx3-ubyte.gz"
    out = runs / f"digits-{seed}"
    time.monotonic = now  # fluvial's budgets count by it
    settings = Settings(budget=budget, seed=seed)
    model = fluvial.fit(
        str(images), "gan", labels="labels", options=OPTIONS, settings=settings, out=out, resume=out.exists()
    )
    asked = np.repeat(np.arange(10), DRAWN)
    drawn = model.sample(len(asked), context={"label": [str(digit) for digit in asked]}, seed=seed)
    write_png(out / "digits.png", grid(drawn[:: DRAWN // 10], 10))
    reader = _reader(seed)
    test, named = (read_idx(data_folder() / "mnist" / f"t10k-{n}-ubyte.gz") for n in ("images-idx3", "labels-idx1"))
    said = reader.predict(_flat(drawn))
    content: dict[str, Any] = {
        "commit": commit(),
        "seed": seed,
        "cpu_seconds": budget,
        "options": OPTIONS,
        "steps": model.record["training"]["steps"],
        "epochs": model.record["training"]["epochs"],
        "parameters": model.record["sizes"]["parameters"],
        "draws": len(asked),
        "read_as_asked": float((said == asked).mean()),
        "of_each": {str(d): float((said[asked == d] == d).mean()) for d in range(10)},
        "real_digits_read": float((reader.predict(_flat(test)) == named).mean()),
    }
    print(content)
    write_record("latent-digits", content)


def _reader(seed: int) -> Any:
    """A support vector machine over principal components of real digits."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    x, y = (read_idx(data_folder() / "mnist" / f"train-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    chosen = np.random.default_rng(seed).permutation(len(x))[:READ]
    return make_pipeline(PCA(50, random_state=seed), SVC(C=10.0)).fit(_flat(x[chosen]), y[chosen])


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1) / 255.0


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
