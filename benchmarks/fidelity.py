"""How good are the densities? One command per row, each writing a record.

python -m benchmarks.fidelity gaussian                     # fingerprints of the data and of the closed form
"""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App

from benchmarks import datasets
from fluvial import models
from fluvial.core import Density

RECORDS = Path(__file__).parent / "records"
FINGERPRINTS = {"miniboone40": (-35.35, -35.31), "miniboone43": (-37.74, -37.70), "bsds300": (96.4, 96.7)}
"""What a full-covariance Gaussian scores on the test rows, nats; BSDS300: on two other draws of patches."""
FURTHER_DRAWS = range(3, 13)

app = App(help="Held-out likelihoods, beside those of peers.")


@app.command
def gaussian() -> None:
    """The full-covariance Gaussian on every set, beside the figures known for it."""
    rows = {}
    for name in datasets.DATASETS:
        data, started = datasets.load(name), time.perf_counter()
        density = fitted_gaussian(data.train)
        scores = log_prob(density, data.test)
        rows[name] = summary(scores) | {
            "seconds": time.perf_counter() - started,
            "expected": FINGERPRINTS.get(name),
        }
        if name == "bsds300":
            draws = [log_prob(density, x).mean() for x in datasets.bsds300_test_draws(FURTHER_DRAWS)]
            rows[name]["further_draws"] = [round(float(d), 4) for d in draws]
        known = "" if name not in FINGERPRINTS else "known: {:.2f} to {:.2f}".format(*FINGERPRINTS[name])
        print(
            f"{name:12} {rows[name]['mean']:9.3f} +- {rows[name]['standard_error']:.3f}   {known}", flush=True
        )
    others = np.array(rows["bsds300"]["further_draws"])
    spread = others.std(ddof=1)
    print(f"bsds300, {len(others)} further draws: mean {others.mean():.3f}, spread of one draw {spread:.3f}")
    write("gaussian", {"rows": rows})


def fitted_gaussian(x: np.ndarray) -> Density:
    """The maximum-likelihood Gaussian of all rows of x, in float64."""
    density = models.gaussian((x.shape[1],)).double()
    density.initialize(torch.from_numpy(x).double())
    return density


def log_prob(density: torch.nn.Module, x: np.ndarray, batch: int = 10_000) -> np.ndarray:
    """Log-density of each row, (N,), in nats, in the model's own precision."""
    dtype = next(density.parameters()).dtype
    with torch.no_grad():
        return (
            torch.cat([density(part.to(dtype)) for part in torch.from_numpy(x).split(batch)]).double().numpy()
        )


def summary(scores: np.ndarray) -> dict[str, float]:
    """Mean and its standard error; what few rows cannot move: median and 1 % trimmed mean; the worst row."""
    trim = len(scores) // 100
    figures = {
        "mean": scores.mean(),
        "standard_error": scores.std(ddof=1) / len(scores) ** 0.5,
        "median": np.median(scores),
        "trimmed_mean": np.sort(scores)[trim : len(scores) - trim].mean(),
        "worst": scores.min(),
    }
    return {key: round(float(value), 4) for key, value in figures.items()}


def write(name: str, content: dict[str, Any]) -> None:
    """One record, with what it was measured on."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    content = {"command": name, "versions": versions, "threads": torch.get_num_threads(), **content}
    RECORDS.mkdir(exist_ok=True)
    path = RECORDS / f"fidelity-{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
