"""ETTh1 (Zhou et al. 2021): seven hourly series, forecasts of 24 and 168 steps beside statistical ones, one run.

python -m benchmarks.series.etth1 [WINDOWS]

The forecasts lie in the last 2,880 rows of the usual split, evenly spread; the 11,520 before them teach, but for a
tenth that stops the training and a tenth that the fit keeps to judge by. Statistical methods are fitted to the last
four weeks before each forecast. Each target is counted in the mean absolute error of its seasonal naive forecast,
a day ago, in the rows that teach (MASE, and CRPS likewise).
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

import fluvial
from benchmarks.common import commit, data_folder, write_record
from benchmarks.series.statistical import gaussian, statistical
from fluvial.kinds.series.backtest import crps

TRAIN, VALIDATION, TEST = 8640, 2880, 2880
HORIZONS = (24, 168)
BUDGET, PATHS = 150, 200


def table() -> pd.DataFrame:
    """The rows of the usual split."""
    frame = pd.read_csv(data_folder() / "timeseries" / "ETTh1.csv.gz", parse_dates=["date"])
    return frame.head(TRAIN + VALIDATION + TEST)


def judged(draws: np.ndarray, came: np.ndarray, scale: np.ndarray) -> dict[str, float]:
    """Means over steps and targets of one forecast: draws (n, H, N), what came (H, N)."""
    low, middle, high = np.quantile(draws, (0.1, 0.5, 0.9), axis=0)
    return {
        "crps": float((crps(draws, came) / scale).mean()),
        "mase": float((np.abs(came - middle) / scale).mean()),
        "coverage": float(((came >= low) & (came <= high)).mean()),
    }


def main(count: int) -> None:
    """One fit, and each horizon from ``count`` origins, by all methods."""
    frame = table()
    values = frame.drop(columns="date").to_numpy()
    scale = np.abs(values[24:TRAIN] - values[: TRAIN - 24]).mean(0)
    began = time.perf_counter()
    model = fluvial.fit(frame.head(TRAIN + VALIDATION), budget=BUDGET, holdout=0.1, progress=False)
    seconds = time.perf_counter() - began
    results: dict[str, dict[str, dict[str, float]]] = {}
    for horizon in HORIZONS:
        first = TRAIN + VALIDATION
        origins = np.linspace(first, first + TEST - horizon, count).round().astype(int)
        found: dict[str, list[dict[str, float]]] = {}
        for origin in origins.tolist():
            came, past = values[origin : origin + horizon], values[:origin]
            ours = model.simulate(frame.head(origin), horizon, PATHS, origin).draws[:, 0]
            found.setdefault("wavenet_mixed", []).append(judged(ours, came, scale))
            for name, (mean, spread) in statistical(
                past[-24 * 28 :], 24, horizon, ("SeasonalNaive", "AutoETS")
            ).items():
                found.setdefault(name, []).append(judged(gaussian(mean, spread, PATHS, origin), came, scale))
        results[str(horizon)] = {
            name: {k: float(np.mean([r[k] for r in rows])) for k in rows[0]} for name, rows in found.items()
        }
        print(horizon, results[str(horizon)], flush=True)
    content = {"commit": commit(), "budget": BUDGET, "windows": count, "seconds": seconds, "results": results}
    write_record("series-etth1", content)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
