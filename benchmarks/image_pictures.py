"""The pictures of docs/images.md, and the models behind them: ``python -m benchmarks.image_pictures mnist RUN``.

Trains where RUN holds no finished run (``--budget`` seconds, resumable, ``--device``)."""

from __future__ import annotations

import argparse
import gzip
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.datasets import data_folder
from fluvial.conditioners import ContextMap
from fluvial.models import build
from fluvial.training import Data, Settings, train


@dataclass(frozen=True)
class Images:
    """Pixels (N, 1, H, W) uint8, labels (N, 1) or none; the last ``held_out`` of them judge."""

    pixels: np.ndarray
    labels: np.ndarray | None
    held_out: int


def mnist() -> Images:
    """The 60,000 training digits; the last 5,000 are held out."""
    folder = data_folder() / "mnist"
    pixels = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return Images(pixels.reshape(-1, 1, 28, 28), labels[:, None].astype(np.float32), 5000)


def frey() -> Images:
    """Frey faces, in random order; 200 are held out."""
    faces = np.load(data_folder() / "freyfaces" / "freyfaces.npz")["images"][:, None]
    return Images(faces[np.random.default_rng(0).permutation(len(faces))], None, 200)


@dataclass(frozen=True)
class Recipe:
    load: Any
    model: str
    options: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)


RECIPES = {
    "mnist": Recipe(mnist, "glow", {"steps": 8, "width": 64, "bits": 3}, {"batch_size": 32, "learning_rate": 2e-3}),
    "frey": Recipe(frey, "glow", {"steps": 8, "width": 64, "bits": 5}, {"batch_size": 32, "learning_rate": 1e-3}),
}


def fit(name: str, folder: Path, budget: float, device: str | None) -> None:
    recipe = RECIPES[name]
    images = recipe.load()
    bits = recipe.options["bits"]
    x = torch.from_numpy(images.pixels >> (8 - bits)).float()
    y = None if images.labels is None else torch.from_numpy(images.labels)
    cut = len(x) - images.held_out
    classes = None if y is None else [asdict(ContextMap(categories=int(y.max()) + 1))]
    config = {
        "model": recipe.model,
        "event_shape": list(x.shape[1:]),
        "context_shape": None if classes is None else [1],
        "context": classes,
        "options": recipe.options,
    }
    torch.manual_seed(0)
    density = build(config)
    parts = [Data(x[i], None if y is None else y[i]) for i in (slice(0, cut), slice(cut, None))]
    settings = Settings(budget=budget, device=device, weight_decay=0.0, ema=0.999, **recipe.settings)
    folder.mkdir(parents=True, exist_ok=True)
    scale = np.log(2) * x[0].numel()
    training = train(density, *parts, settings, folder / "checkpoint.pt", resume=True, tag=name)
    with closing(training):
        for record in training:
            if record.ended:
                held_out = None if record.held_out is None else record.held_out / scale
                print(record.epoch, record.step, round(record.elapsed), held_out, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=float, default=1200.0)
    parser.add_argument("--device")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fit(arguments.name, arguments.folder, arguments.budget, arguments.device)
