"""VAEs of images with and without inverse autoregressive steps in the posterior; all else is the same.

    python -m benchmarks.latent.mnist run fixed vae_iaf     # trains, or goes on, and scores the test images once
    python -m benchmarks.latent.mnist run fixed vae_iaf --networks dense      # without convolutions
    python -m benchmarks.latent.mnist run fixed vae_iaf --networks shallow    # one hidden layer on either side
    python -m benchmarks.latent.mnist show                  # the table of all records

Data: ``fixed``, MNIST as Larochelle binarised it; ``dynamic``, pixels drawn anew as bits at each step, test images by
one draw; ``frey``, 1,965 frames of a face, 8 bits, of which a random 1,565 train, 200 stop the training and 200 judge.
All models of a set get the same encoder, decoder, free bits and epochs; the validation images choose the epoch that is
kept.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from cyclopts import App
from torch import Tensor

from benchmarks.common import RECORDS, commit, data_folder, write_record
from fluvial import models
from fluvial.core import Normal, randomness
from fluvial.kinds.images.arrays import read_idx
from fluvial.models import VAE
from fluvial.models.likelihoods import Features, bits
from fluvial.models.posteriors import posterior
from fluvial.training import Data, Settings, train
from fluvial.training.objectives import BOUND

RECORD = "latent-mnist"
WEIGHTS = Path(tempfile.gettempdir()) / "fluvial-benchmarks" / "latent"
SAMPLES = 1000  # of the importance-weighted estimate of log p
WEIGHED = 1000  # test images that it is made for, a random choice
SIZE: dict[str, Any] = {"latent": 32, "channels": (16, 32, 32), "hidden": 450, "components": 5}
BARE: dict[str, dict[str, Any]] = {  # networks without convolutions, which a processor trains nearly to the end
    "dense": {"encoder": (300, 300), "decoder": (300, 300), "width": (320, 320), "activation": "relu"},
    "shallow": {"encoder": (300,), "decoder": (100,), "width": (160, 160), "activation": "silu"},
}
Networks = Literal["paper", "dense", "shallow"]

app = App(help=__doc__)


@dataclass(frozen=True)
class Drawn(Data):
    """Shares of ink, which become bits anew whenever they are read."""

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        x, context = super().rows(index, device)
        return torch.bernoulli(x, generator=randomness.generator(x.device)), context


def images(data: str) -> tuple[Data, Data, Tensor]:
    """To train on, to stop by, to judge by: (N, 1, H, W)."""
    folder = data_folder()
    if data == "fixed":
        packed = np.load(folder / "made-binary" / "binarized_mnist.npz")
        parts = (np.unpackbits(packed[f"{name}_packed"], axis=1)[:, :784] for name in ("train", "valid", "test"))
        kept, valid, test = (torch.from_numpy(p.astype(np.float32)).view(-1, 1, 28, 28) for p in parts)
        return Data(kept), Data(valid[:2000]), test
    rng = np.random.default_rng(0)
    if data == "dynamic":
        ink = [
            torch.from_numpy(read_idx(folder / "mnist" / f"{n}-images-idx3-ubyte.gz") / np.float32(255))[:, None]
            for n in ("train", "t10k")
        ]
        held_out = ink[0][50000:52000], ink[1]
        valid, test = (torch.from_numpy((rng.random(x.shape) < x.numpy()).astype(np.float32)) for x in held_out)
        return Drawn(ink[0][:50000]), Data(valid), test
    faces = torch.from_numpy(np.load(folder / "freyfaces" / "freyfaces.npz")["images"].astype(np.float32))[:, None]
    faces = faces[rng.permutation(len(faces))]
    return Data(faces[:1565]), Data(faces[1565:1765]), faces[1765:]


@app.command
def run(
    data: str,
    model: str,
    *,
    epochs: int = 20,
    transforms: int | None = None,
    networks: Networks = "paper",
    free_bits: float = 0.0,
    seed: int = 0,
    weights: Path = WEIGHTS,
) -> None:
    """Train one model on one set and write what it scores; ``transforms`` are the steps of vae_iaf, 2 if not given."""
    kept, valid, test = images(data)
    group = f"{data}-{networks}-{epochs}-{free_bits:g}"
    name = f"{group}-{model}{f'-{transforms}' if transforms else ''}-{seed}"
    options: dict[str, Any] = {"free_bits": free_bits}
    if model == "vae_iaf":
        options["transforms"] = transforms or 2
    with randomness.drawing_from(seed, lend=True):
        if networks == "paper":
            options = {**SIZE, **options, "bits": 8 if data == "frey" else 1}
            density = models.build({"model": model, "event_shape": test.shape[1:], "options": options})
        else:
            options = {"latent": SIZE["latent"], **BARE[networks], **options}
            density = bare(test.shape[1:], **options)
    settings = Settings(epochs=epochs, batch_size=100, learning_rate=2e-3, weight_decay=0.0, ema=0.999, seed=seed)
    weights.mkdir(parents=True, exist_ok=True)
    path, began, record = weights / f"{name}.ckpt", time.process_time(), None
    for record in train(density, kept, valid, settings, path, path.exists(), tag=name, objective=BOUND):
        if record.ended:
            print(f"{name} epoch {record.epoch}: validation {record.held_out:.3f}", flush=True)
    scores, unit = _scores(density, test, seed), test[0].numel() * math.log(2)
    np.savez(weights / f"{name}.npz", bound=scores["bound"].numpy(), log_p=scores["log_p"].numpy())
    content: dict[str, Any] = {
        "epochs": epochs,
        "best_epoch": record and record.best_epoch,
        "cpu_seconds": round(time.process_time() - began),
        "options": options,
        "parameters": sum(p.numel() for p in density.parameters()),
        **{key: _mean(values) for key, values in scores.items()},
        "bits_per_dimension": {key: -float(values.mean()) / unit for key, values in scores.items()},
    }
    diagonal = weights / f"{group}-vae-{seed}.npz"
    if model != "vae" and diagonal.exists():
        with np.load(diagonal) as other:
            content["ahead_of_vae"] = {key: _mean(scores[key] - torch.from_numpy(other[key])) for key in scores}
    _note(name, content)


def bare(
    shape: torch.Size,
    latent: int,
    encoder: tuple[int, ...],
    decoder: tuple[int, ...],
    width: tuple[int, ...],
    activation: str,
    free_bits: float,
    transforms: int = 0,
) -> VAE:
    """A VAE of images of bits whose networks have no convolutions."""
    return VAE(
        Normal((latent,)),
        bits(shape, latent, decoder, activation),
        posterior(latent, encoder[-1], transforms=transforms, hidden=width),
        Features(shape, encoder, activation=activation),
        free_bits=free_bits,
    )


def _scores(density: Any, test: Tensor, seed: int) -> dict[str, Tensor]:
    """Bound of each test image by one draw, and log p of some by many, (N,) and (M,), nats."""
    chosen = test[torch.from_numpy(np.random.default_rng(seed).permutation(len(test))[:WEIGHED])]
    with torch.no_grad(), randomness.drawing_from(seed):
        bound = torch.cat([density.log_prob(x, samples=1) for x in test.split(500)]).double()
        log_p = torch.cat([density.log_prob(x, samples=SAMPLES) for x in chosen.split(100)]).double()
    return {"bound": bound, "log_p": log_p}


def _mean(values: Tensor) -> dict[str, Any]:
    error = float(values.std() / math.sqrt(len(values)))
    return {"nats": float(values.mean()), "standard_error": error, "images": len(values)}


def _note(name: str, content: dict[str, Any]) -> None:
    path = RECORDS / f"{RECORD}.json"
    cells = json.loads(path.read_text())["cells"] if path.exists() else {}
    write_record(RECORD, {"cells": {**cells, name: {"commit": commit(), **content}}})


@app.command
def show() -> None:
    """All that was measured, a line each."""
    for name, cell in json.loads((RECORDS / f"{RECORD}.json").read_text())["cells"].items():
        bits = cell["bits_per_dimension"]
        print(
            f"{name:32} bound {cell['bound']['nats']:9.3f} log p {cell['log_p']['nats']:9.3f} "
            f"bits {bits['bound']:.3f} {bits['log_p']:.3f}, {cell['epochs']} epochs, {cell['cpu_seconds']} s"
        )
        for key, gap in cell.get("ahead_of_vae", {}).items():
            print(f"{'':32} ahead of vae by {gap['nats']:.3f} ± {gap['standard_error']:.3f} nats of {key}, paired")


if __name__ == "__main__":
    app()
