"""How fast the default model of tables is: ``python -m benchmarks.tables.speed``, which writes a record.

One table of 100,000 rows and 15 columns: five of real numbers, five of eight labels, five of whole numbers. On one
thread, in CPU seconds, the best of interleaved rounds:

- a training step of 512 rows, the optimiser's included, beside the dense products of its network, forward and backward,
  preallocated;
- rows scored and drawn a second by the density, and scored a second through ``model.score``, with reading and encoding;
- the most memory that a fit of one epoch and then scoring all rows add to the process, beside the table's own;
- seconds of a default fit of 20 rows.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd
import torch

import fluvial
from benchmarks import common
from benchmarks.common import interleave, write_record
from fluvial.conditioners.columns import Layers
from fluvial.core import randomness
from fluvial.data.tables import read
from fluvial.kernels import native
from fluvial.kinds.tables.prepare import prepare
from fluvial.models import build
from fluvial.models.mixed import AnyOrder

ROWS, COLUMNS, BATCH, SCORED, DRAWN = 100_000, 15, 512, 16_384, 8_192


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Each column depends on the one before it."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, COLUMNS))
    z[:, 1:] += 0.6 * z[:, :-1]
    labels = np.array(list("abcdefgh"))
    found = {}
    for i, v in enumerate(z.T):
        kinds = (3 * v + 10, labels[np.digitize(v, [-2, -1, -0.5, 0, 0.5, 1, 2])], np.round(20 * np.exp(v)).astype(int))
        found[f"c{i}"] = kinds[i % 3]
    return pd.DataFrame(found)


def calls(density: AnyOrder, rows: torch.Tensor) -> dict[str, Callable[[], object]]:
    """What is timed; the products of the network are the reference."""
    batch, network = rows[:BATCH], density.net
    optimizer = torch.optim.Adam(density.parameters(), fused=True)
    first, last, inner = (
        network.first.weight,
        network.last.weight,
        [n for n in network.modules() if isinstance(n, Layers)],
    )
    sizes = density.laws.sizes
    dense = [(torch.randn(BATCH, first.shape[1]), torch.randn(first.shape), torch.randn(BATCH, first.shape[0]))]
    for layer in inner:
        columns, width, _ = layer.weight.shape
        x = torch.randn(columns, BATCH, width)
        dense.append((x, torch.randn(layer.weight.shape), torch.randn_like(x)))
    dense += [(torch.randn(BATCH, last.shape[1]), torch.randn(n, last.shape[1]), torch.randn(BATCH, n)) for n in sizes]

    def products() -> None:
        for x, weight, g in dense:
            _ = x @ weight.mT, g @ weight, g.mT @ x

    def step() -> None:
        density.train()
        optimizer.zero_grad()
        (-density.log_prob(batch).mean()).backward()
        optimizer.step()

    @torch.no_grad()
    def score() -> None:
        density.eval().log_prob(rows[:SCORED])

    return {
        "products": products,
        "step": step,
        "score": score,
        "draw": lambda: density.eval().sample(DRAWN),
    }


def peak(call: Callable[[], object]) -> float:
    """MiB that the process holds at most during the call above what it held before, looked at every 5 ms."""

    def held() -> float:
        return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024

    over, before = Event(), held()
    most = [before]

    def watch() -> None:
        while not over.wait(0.005):
            most.append(held())

    watcher = Thread(target=watch)
    watcher.start()
    call()
    over.set()
    watcher.join()
    return round(max(most) - before, 1)


def memory(frame: pd.DataFrame) -> dict[str, float]:
    """MiB: of the table, and what a fit of one epoch, and scoring all rows, add to the process."""
    with tempfile.TemporaryDirectory() as folder:
        fluvial.fit(frame[:2_000], "mixed", out=Path(folder) / "few", epochs=1, progress=False)  # loads the libraries
        fit = peak(lambda: fluvial.fit(frame, "mixed", out=Path(folder) / "run", epochs=1, progress=False))
        model = fluvial.load(Path(folder) / "run")
        score = peak(lambda: model.score(frame))
    return {"table": round(float(frame.memory_usage(deep=True).sum() / 2**20), 1), "fit": fit, "score": score}


def small_fit(frame: pd.DataFrame) -> float:
    """CPU seconds of a default fit of 20 rows of numbers and labels."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        fluvial.fit(frame[:20], out=Path(folder) / "run", progress=False)
        return time.process_time() - start


def main() -> None:
    torch.set_num_threads(1)
    frame = table()
    mebibytes = memory(frame)
    with randomness.drawing_from(0, lend=True):
        prepared = prepare(read(frame[:20_000]), "mixed", {})
        density = build(prepared.config)
        if not isinstance(density, AnyOrder):
            raise TypeError(f"expected the default model of tables, got {type(density).__name__}")
        density.initialize(prepared.train.x[:5_000])
    every = calls(density, prepared.train.x)
    often = {name: every.pop(name) for name in ("products", "step")}
    times = {**interleave(often, "products", rounds=30, quantum=0.0), **interleave(every, "score")}
    ratio = times["step"].ratio or 0.0
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        model = fluvial.fit(frame, "mixed", out=Path(folder) / "run", epochs=1, progress=False)
        fitted = time.process_time()
        model.score(frame)
        scored = time.process_time()
    record = {
        "commit": common.commit(),
        "kernels": native.status(),
        "network": {name: list(p.shape) for name, p in density.net.named_parameters() if p.dim() > 1},
        "milliseconds": {name: round(1e3 * t.best, 2) for name, t in times.items()},
        "step_over_products": round(ratio, 2),
        "rows_scored_a_second": round(SCORED / times["score"].best),
        "rows_drawn_a_second": round(DRAWN / times["draw"].best),
        "rows_scored_a_second_from_a_frame": round(ROWS / (scored - fitted)),
        "seconds_of_an_epoch_with_reading": round(fitted - start, 1),
        "mib": mebibytes,
        "seconds_to_fit_20_rows": round(min(small_fit(frame) for _ in range(3)), 2),
    }
    for name, value in record.items():
        print(f"{name}: {value}")
    write_record("mixed-speed", record)


if __name__ == "__main__":
    main()
