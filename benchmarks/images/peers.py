"""Glow here and in normflows: the same levels, steps and widths, the same images, the same number of steps.

    python -m benchmarks.images.peers bits mnist          # bits per dimension after equal steps, three seeds
    python -m benchmarks.images.peers step cifar10-8      # CPU seconds of a training step, taking turns
    python -m benchmarks.images.peers memory cifar10      # what a training step takes beyond weights and optimiser
    python -m benchmarks.images.peers cell ...            # one measurement of memory, in a process of its own

Every command adds its part to benchmarks/records/images-normflows.json.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from cyclopts import App
from torch import Tensor, nn

from benchmarks import common
from benchmarks.common import RECORDS, interleave, write_record
from benchmarks.images import pictures
from benchmarks.images.likelihood import bits_per_dim
from fluvial import models

NAME = "images-normflows"
RATE, BATCH = 1e-3, 32
LogProb = Callable[[Tensor], Tensor]

app = App(help="Glow beside normflows'.")


def fluvial(shape: tuple[int, ...], levels: int, steps: int, width: int, reversible: bool) -> tuple[nn.Module, LogProb]:
    """Our recipe and log p of pixels 0, ..., 255; no ActNorm inside the networks, where theirs have none."""
    flow = models.glow(shape, levels=levels, steps=steps, width=width, factor=0.0, reversible=reversible)
    return flow, flow.log_prob


def normflows(shape: tuple[int, ...], levels: int, steps: int, width: int) -> tuple[nn.Module, LogProb]:
    """Their blocks as their image example puts them together, with noise added as our recipe does."""
    import normflows as nf

    channels, height, breadth = shape
    base, flows, merges = [], [], []
    for i in range(levels):
        blocks = [nf.flows.GlowBlock(channels * 2 ** (levels + 1 - i), width) for _ in range(steps)]
        flows.append([*blocks, nf.flows.Squeeze()])
        halvings = levels - i if i else levels
        if i:
            merges.append(nf.flows.Merge())
        latent = channels * 2 ** (levels - i if i else levels + 1)
        base.append(nf.distributions.DiagGaussian((latent, height >> halvings, breadth >> halvings)))
    flow = nf.MultiscaleFlow(base, flows, merges, class_cond=False)
    numbers = math.prod(shape)

    def log_prob(x: Tensor) -> Tensor:
        return flow.log_prob((x + torch.rand(x.shape)) / 256 - 0.5, None) - numbers * math.log(256)

    return flow, log_prob


def build(library: str, shape: tuple[int, ...], levels: int, steps: int, width: int) -> tuple[nn.Module, LogProb]:
    """``fluvial``, ``fluvial-reversible`` or ``normflows``."""
    if library == "normflows":
        return normflows(shape, levels, steps, width)
    return fluvial(shape, levels, steps, width, library.endswith("reversible"))


def stepper(module: nn.Module, log_prob: LogProb, numbers: int) -> Callable[[Tensor], None]:
    """A training step on a batch."""
    optimizer = torch.optim.Adam(module.parameters(), RATE)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        loss = bits_per_dim(log_prob(x), numbers).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()

    return step


@app.command
def bits(data: str, *, count: int = 150, levels: int = 2, steps: int = 4, width: int = 64, seeds: int = 3) -> None:
    """Validation bits per dimension of both after ``count`` steps on the same batches."""
    images = pictures.load(data)
    shape, numbers = tuple(images.train.shape[1:]), images.train[0].numel()
    found: dict[str, list[float]] = {"fluvial": [], "normflows": []}
    for seed in range(seeds):
        order = torch.randperm(len(images.train), generator=torch.Generator().manual_seed(seed))
        for library, scores in found.items():
            torch.manual_seed(seed)
            module, log_prob = build(library, shape, levels, steps, width)
            first = images.train[order[:256]].float()
            with torch.no_grad():  # both set what depends on data from the same batch
                module.initialize(first) if library == "fluvial" else log_prob(first)  # pyright: ignore
            step = stepper(module, log_prob, numbers)
            for index in order[256 : 256 + count * BATCH].split(BATCH):
                step(images.train[index].float())
            module.eval()
            torch.manual_seed(seed)
            with torch.no_grad():
                parts = [log_prob(x.float()) for x in images.valid[:500].split(100)]
            scores.append(round(bits_per_dim(torch.cat(parts), numbers).mean().item(), 4))
            print(f"{data} seed {seed} {library}: {scores[-1]}", flush=True)
    ahead = np.subtract(found["normflows"], found["fluvial"])
    size = {"levels": levels, "steps": steps, "width": width, "batch": BATCH, "count": count}
    error = float(ahead.std(ddof=1) / len(ahead) ** 0.5)
    _note("bits", data, {**size, **found, "ahead": round(float(ahead.mean()), 4), "standard_error": round(error, 4)})


@app.command
def step(data: str, *, levels: int = 2, steps: int = 8, width: int = 128, rounds: int = 7) -> None:
    """CPU seconds of a training step of one thread, and the ratios to normflows'."""
    images = pictures.load(data)
    shape, x = tuple(images.train.shape[1:]), images.train[:BATCH].float()
    calls = {}
    for library in ("normflows", "fluvial", "fluvial-reversible"):
        module, log_prob = build(library, shape, levels, steps, width)
        if library != "normflows":
            module.initialize(x)  # pyright: ignore
        trained = stepper(module, log_prob, x[0].numel())
        calls[library] = lambda trained=trained: trained(x)
    timings = interleave(calls, "normflows", rounds, budget=240.0, once_above=60.0)
    row = {name: {"median": round(t.median, 4), "best": round(t.best, 4)} for name, t in timings.items()}
    ratios = {name: round(t.median / timings["normflows"].median, 3) for name, t in timings.items()}
    print(data, row, ratios)
    size = {"levels": levels, "steps": steps, "width": width, "batch": BATCH, "rounds": rounds}
    _note("step", data, {**size, "seconds": row, "ratios": ratios})


@app.command
def memory(data: str, *, depths: tuple[int, ...] = (4, 8, 16, 32), levels: int = 2, width: int = 128) -> None:
    """Peak MiB of a training step over that of one of a single image, and MiB held for the backward pass.

    The peak counts what a convolution needs while it runs, too; weights and optimiser are the same in both steps.
    """
    found: dict[str, dict[str, int]] = {}
    held: dict[str, dict[str, int]] = {}
    for library in ("normflows", "fluvial", "fluvial-reversible"):
        found[library], held[library] = {}, {}
        for steps in depths:
            cell = ["cell", data, library, "--levels", str(levels), "--steps", str(steps), "--width", str(width)]
            call = [sys.executable, "-m", "benchmarks.images.peers", *cell]
            result = subprocess.run(call, capture_output=True, text=True, check=True, cwd=common.ROOT)
            found[library][str(steps)], held[library][str(steps)] = map(int, result.stdout.split()[-2:])
            print(data, library, steps, found[library][str(steps)], held[library][str(steps)], flush=True)
    _note("memory", data, {"levels": levels, "width": width, "batch": BATCH, "mib": found, "held_mib": held})


@app.command
def cell(data: str, library: str, *, levels: int, steps: int, width: int) -> None:
    """Two numbers of ``memory``."""
    channels, size = (1, 28) if data == "mnist" else (3, int(data.partition("-")[2] or 32))
    shape = (channels, size, size)
    module, log_prob = build(library, shape, levels, steps, width)
    x = torch.randint(0, 256, (BATCH, *shape)).float()
    if library != "normflows":
        module.initialize(x[:2])  # pyright: ignore
    trained = stepper(module, log_prob, x[0].numel())
    for _ in range(2):
        trained(x[:1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trained(x)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(peak, _held(module, lambda: log_prob(x).mean()))


def _held(module: nn.Module, loss: Callable[[], Tensor]) -> int:
    """MiB of tensors other than weights that autograd keeps of a forward pass."""
    weights = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        graph = loss()
    del graph  # until here nothing that was noted is freed, and its place in memory is its own
    return sum(size for place, size in sizes.items() if place not in weights) >> 20


def _note(part: str, data: str, values: dict[str, Any]) -> None:
    path = RECORDS / f"{NAME}.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    record.setdefault(part, {})[data] = {"commit": common.commit(), **values}
    write_record(NAME, {key: record[key] for key in ("bits", "step", "memory") if key in record})


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
