"""A Gaussian vector autoregression, whose density is known: how far the model of 20,000 of its steps stays below it.

python -m benchmarks.series.vector [SEED ...]
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

import fluvial
from benchmarks.common import commit, write_record

STEPS, NEW, BUDGET = 20_000, 20_000, 60
FIRST = np.array([[0.5, 0.2, 0.0], [0.0, 0.6, -0.2], [0.1, 0.0, 0.4]])
SECOND = np.array([[0.1, 0.0, 0.1], [0.0, 0.1, 0.0], [-0.1, 0.0, 0.2]])
ROOT = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [-0.3, 0.4, 0.5]])
"""The innovations are ROOT times independent normal numbers."""


def drawn(steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (steps, 3), and log p of each step given those before it."""
    rng = np.random.default_rng(seed)
    burn = 200
    noise = rng.normal(size=(burn + steps, 3))
    x = np.zeros((burn + steps, 3))
    for t in range(2, len(x)):
        x[t] = FIRST @ x[t - 1] + SECOND @ x[t - 2] + ROOT @ noise[t]
    log_p = -0.5 * (noise**2).sum(1) - 1.5 * np.log(2 * np.pi) - np.log(np.diag(ROOT)).sum()
    return x[burn:], log_p[burn:]


def table(values: np.ndarray) -> pd.DataFrame:
    """A row for each hour."""
    dates = pd.date_range("2020-01-01", periods=len(values), freq="h")
    return pd.DataFrame({"date": dates, **{f"x{i}": values[:, i] for i in range(values.shape[1])}})


def gap(seed: int) -> dict[str, float]:
    """One fit; log p of new steps less the truth's, nats a step, and its standard error."""
    past, _ = drawn(STEPS, seed)
    new, truth = drawn(NEW, 1000 + seed)
    time.monotonic = time.process_time  # fluvial's budgets count by it
    began = time.process_time()
    model = fluvial.fit(table(past), seed=seed, budget=BUDGET, progress=False)
    seconds = time.process_time() - began
    skip = 200  # steps that have too little past
    difference = (model.log_prob(table(new)) - truth)[skip:]
    blocks = difference[: len(difference) // 100 * 100].reshape(-1, 100).mean(1)
    error = float(blocks.std(ddof=1) / len(blocks) ** 0.5)
    return {
        "seed": seed,
        "seconds": seconds,
        "epochs": len(model.metrics),
        "gap": float(difference.mean()),
        "error": error,
    }


def main(seeds: list[int]) -> None:
    """Fit once for each seed."""
    runs = []
    for seed in seeds:
        runs.append(gap(seed))
        print(runs[-1], flush=True)
    content = {"commit": commit(), "budget": BUDGET, "steps": STEPS, "runs": runs}
    write_record("series-vector", {**content, "gap": float(np.mean([r["gap"] for r in runs]))})


if __name__ == "__main__":
    main([int(s) for s in sys.argv[1:]] or [0, 1, 2])
