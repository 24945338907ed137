"""How good are the models of images? One command per row, each adding a run to the row's record.

    python -m benchmarks.images maf --budget 3600 --checkpoints DIR                  # a setting, judged by validation
    python -m benchmarks.images maf --budget 3600 --checkpoints DIR --piece 1500     # 25 minutes of it; again to go on
    python -m benchmarks.images glow_cifar10 --device cuda --budget 360 --checkpoints DIR --records DIR --test
    python -m benchmarks.images glow_mnist --budget 60 --test                        # equal compute, beside the next
    python -m benchmarks.images default_mnist --budget 60 --test
    python -m benchmarks.images together maf nice --budget 300 --device cuda --checkpoints DIR --records DIR
    python -m benchmarks.images page                                                 # docs/images-benchmarks.md

Rows (benchmarks/images/rows.py): maf, maf_mog, realnvp_flat (MNIST in logit space), nice, realnvp_cifar10,
glow_cifar10 (published sizes), large_cifar10 (multiscale, for the budgets of these); for equal compute glow_mnist,
default_mnist, plain_glow_cifar10, default_cifar10, and the last two with _16 behind them for crops: on a CPU their
budget counts CPU seconds of one thread. Settings are chosen on validation images; ``--test`` scores the test images,
once, by the weights that training ended with. FLUVIAL_DATA names the folder of the data; the training files of
CIFAR-10 that lie there are used.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from cyclopts import App
from torch import Tensor

from benchmarks.common import RECORDS, clock, commit, write_record
from benchmarks.images.page import write
from benchmarks.images.pieces import Pieces
from benchmarks.images.rows import ALPHA, ROWS, Row
from fluvial.core import Density, Flow
from fluvial.core.batched import evaluate
from fluvial.training import Data, Record, Settings, negative_log_likelihood, train

app = App(help="Bits per dimension of models of images, beside published ones.")


@app.default
def run(
    row: str,
    *,
    budget: float = 3600.0,
    piece: float = math.inf,
    device: str | None = None,
    checkpoints: Path | None = None,
    records: Path = RECORDS,
    test: bool = False,
    watched: int = 1000,
    scored: int = 10_000,
    seed: int = 0,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    batch_size: int | None = None,
    ema: float | None = None,
    amp: bool | None = None,
    width: int | None = None,
    channels_last: bool = False,
) -> None:
    """Train one row and note what it scores on validation images; with ``test``, on test images too.

    Args:
        budget: seconds of training in all, over which the learning rate falls to zero.
        piece: seconds after which this call stops; the same command with the same ``checkpoints`` goes on.
        records: folder of the record.
        watched, scored: validation images that are scored along the way, and images scored at the end.
        learning_rate, weight_decay, batch_size, ema, amp, width: other ones than the row's.
        channels_last: lay out the weights of convolutions so.
    """
    given = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "batch_size": batch_size,
        "ema": ema,
        "amp": amp,
    }
    chosen = ROWS[row].changed(width, **given, seed=seed)
    data, settings = chosen.load(), replace(chosen.settings, device=device)
    cuda = settings.torch_device().type == "cuda"
    torch.manual_seed(seed)
    density = chosen.build(tuple(data.train.shape[1:]))
    if channels_last:
        density = density.to(memory_format=torch.channels_last)  # pyright: ignore
    rows = Pieces(data.train, None, min(chosen.piece, len(data.train)))
    if chosen.equal and not cuda:
        rows, settings = counted(density, rows, settings, budget)
    else:
        settings = replace(settings, budget=budget)
    done = {
        "options": chosen.options,
        "settings": asdict(settings),
        "budget": budget,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "channels_last": channels_last,
        "training_images": len(data.train),
        "parameters": sum(p.numel() for p in density.parameters()),
    }
    curve = _train(density, rows, Data(data.valid[:watched]), settings, _path(checkpoints, row, done), piece)
    if curve is None:
        print(f"{row}: stopped after {piece:.0f} s; the same command goes on")
        return
    numbers, size, last = data.train[0].numel(), settings.batch_size or 1, curve[-1]
    done |= {
        "commit": commit(),
        "seconds": round(last.elapsed, 1),
        "steps": last.step,
        "images_per_second": round(last.rows_per_second, 1),
        "skipped_steps": last.skipped,
        "best_step": next(r.step for r in curve if r.epoch == last.best_epoch),
        "peak_memory_mib": torch.cuda.max_memory_allocated() >> 20 if cuda else None,
        "curve": [
            {"step": r.step, "images": r.step * size, "seconds": round(r.elapsed, 1), "valid_bits": _bits(r, numbers)}
            for r in curve
        ],
        "valid": figures(chosen, density, data.valid[:scored]),
    }
    if test:
        done["test"] = figures(chosen, density, data.test[:scored])
    _note(row, chosen, done, records)
    print(f"{row}: valid {done['valid']}, test {done.get('test')}, {last.step} steps in {last.elapsed:.0f} s")


@app.command
def together(
    *rows: str,
    budget: float,
    checkpoints: Path,
    records: Path,
    device: str | None = None,
    piece: float = math.inf,
    test: bool = True,
) -> None:
    """Several rows at once, a process each, which share the machine; their words go to ``records``/ROW.log."""
    records.mkdir(parents=True, exist_ok=True)
    common = ["--budget", str(budget), "--piece", str(piece), "--checkpoints", checkpoints, "--records", records]
    common += ["--device", device] if device else []
    started = []
    for row in rows:
        call = [sys.executable, "-m", "benchmarks.images", row, *map(str, common), *["--test"] * test]
        started.append(
            (row, subprocess.Popen(call, stdout=(records / f"{row}.log").open("w"), stderr=subprocess.STDOUT))
        )
    for row, process in started:
        print(f"{row}: {'done' if process.wait() == 0 else f'failed, see {row}.log'}", flush=True)


@app.command
def merge(folder: Path) -> None:
    """Add the runs of records that another machine wrote in ``folder`` to those here."""
    for path in sorted(folder.glob("images-*.json")):
        record = json.loads(path.read_text())
        for run in record["runs"]:
            _note(record["row"], ROWS[record["row"]], run, RECORDS)


@app.command
def page() -> None:
    """Write the documentation's page from the records."""
    write()


def _train(
    density: Density, rows: Pieces, held_out: Data, settings: Settings, path: Path | None, piece: float
) -> list[Record] | None:
    """The records of ended epochs, or None if ``piece`` seconds were over before the training was."""
    curve, started = [], time.monotonic()
    for record in train(density, rows, held_out, settings, path, path is not None, every=300.0):
        if record.ended:
            curve.append(record)
            print(
                f"  step {record.step}, {record.elapsed:.0f} s, {record.rows_per_second:.0f} images/s: "
                f"{_bits(record, rows.size[1])} bits",
                flush=True,
            )
        if time.monotonic() - started > piece:
            return None
    return curve


def counted(density: Density, rows: Pieces, settings: Settings, budget: float) -> tuple[Pieces, Settings]:
    """As many steps as fit in ``budget`` CPU seconds of this thread, in eight epochs or more.

    Other processes make seconds of the clock worth less for one run than for another, and steps of a run worth the
    same in CPU seconds, nearly.
    """
    twin, size = copy.deepcopy(density), settings.batch_size or 1
    optimizer = torch.optim.AdamW(twin.parameters())

    def step() -> None:
        optimizer.zero_grad()
        negative_log_likelihood(twin, rows.x[:size]).backward()
        optimizer.step()

    twin.initialize(rows.x[:size])
    step()
    steps = budget / min(clock(step, 1) for _ in range(5))
    epochs = max(8, math.ceil(steps * size / len(rows)))
    return replace(rows, piece=max(1, round(steps / epochs)) * size), replace(settings, epochs=epochs)


def figures(row: Row, density: Density, x: Tensor) -> dict[str, float]:
    """Mean scores of images x and the standard errors: bits per dimension, and nats in the published unit."""
    with full_precision():
        scores = evaluate(density, lambda x, _: _log_prob(row, density, x), x, None, 0).double()
    bits = bits_per_dim(scores[:, 0], x[0].numel())
    found = {"bits": bits.mean(), "bits_standard_error": bits.std() / len(x) ** 0.5}
    if row.unit == "nats":
        nats = scores[:, 1] if row.logit else unit_nats(scores[:, 0], x[0].numel())
        found |= {"nats": nats.mean(), "nats_standard_error": nats.std() / len(x) ** 0.5}
    return {name: round(value.item(), 4) for name, value in found.items()}


def _log_prob(row: Row, density: Density, x: Tensor) -> Tensor:
    """log p of pixels, and that of their logits, (B, 2), with the same noise; once more the first elsewhere."""
    if not row.logit or not isinstance(density, Flow):
        return density.log_prob(x).unsqueeze(1).expand(-1, 2)
    y, log_det = density.transform(x)
    log_p = density.base.log_prob(y)
    return torch.stack((log_p + log_det, log_p), 1)


def bits_per_dim(log_p: Tensor, numbers: int) -> Tensor:
    """Bits per dimension from log p of pixels 0, ..., 255, nats."""
    return -log_p / (numbers * math.log(2))


def unit_nats(log_p: Tensor, numbers: int) -> Tensor:
    """log p of pixels scaled to [0, 1), nats, from that of pixels 0, ..., 255."""
    return log_p + numbers * math.log(256)


def bits_from_logit(log_p: Tensor, y: Tensor, alpha: float = ALPHA) -> Tensor:
    """Bits per dimension from log p of y = logit(alpha + (1 - 2 alpha) x), x in [0, 1): the MAF paper's formula."""
    slope = torch.nn.functional.logsigmoid(y) + torch.nn.functional.logsigmoid(-y)
    nats = -log_p / y.shape[1] - math.log1p(-2 * alpha) + slope.mean(1)
    return 8 + nats / math.log(2)


@contextmanager
def full_precision() -> Generator[None]:
    """No TF32 on a GPU, which training may use."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _bits(record: Record, numbers: int) -> float | None:
    return None if record.held_out is None else round(record.held_out / (numbers * math.log(2)), 4)


def _path(checkpoints: Path | None, row: str, what: dict[str, Any]) -> Path | None:
    """A file of its own for each setting."""
    if checkpoints is None:
        return None
    checkpoints.mkdir(parents=True, exist_ok=True)
    digest = hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=4).hexdigest()
    return checkpoints / f"{row}-{digest}.checkpoint"


def _note(name: str, row: Row, done: dict[str, Any], folder: Path) -> None:
    path = folder / f"images-{name}.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else []
    about = {"row": name, "data": row.data, "model": row.model, "published": row.published, "unit": row.unit}
    write_record(f"images-{name}", {**about, "runs": [*runs, done]}, folder)


def main() -> None:
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    app()
