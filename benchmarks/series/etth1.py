"""ETTh1 (Zhou et al. 2021): seven hourly series, forecasts of 24 and 168 steps by all methods in one run.

python -m benchmarks.series.etth1 [WINDOWS]

The forecasts lie in the last 2,880 rows of the usual split, evenly spread; the 11,520 before them teach, but for the
last 288, which the fit keeps to judge by, and the 288 before these, which stop the training. DeepAR and TFT learn from
all 11,520, a model for each horizon, with the same processor seconds each as the one fit of ours. Statistical methods
are fitted to the last four weeks before each forecast. Each target is counted in the mean absolute error of its
seasonal naive forecast, a day ago, in the rows that teach (MASE, and all scores likewise).

Energy and variogram scores judge all hours and targets of a forecast together; the Gaussian copula joins DeepAR's laws
of each hour and target by the correlations of the last days' moves from the day before.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

import fluvial
from benchmarks.common import commit, data_folder, write_record
from benchmarks.series.neural import drawn, trained
from benchmarks.series.statistical import gaussian, statistical
from fluvial.kinds.series.backtest import crps

TRAIN, VALIDATION, TEST = 8640, 2880, 2880
HORIZONS, SEASON = (24, 168), 24
BUDGET, PATHS = 150, 200
_STATISTICAL = ("SeasonalNaive", "AutoETS", "AutoARIMA")


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


def together(draws: np.ndarray, came: np.ndarray, scale: np.ndarray) -> dict[str, float]:
    """Energy score (Gneiting and Raftery 2007) and variogram score of order a half (Scheuerer and Hamill 2015)."""
    x, y = (draws / scale).reshape(len(draws), -1), (came / scale).ravel()
    other = np.roll(x, 1, 0)
    energy = np.linalg.norm(x - y, axis=1).mean() - np.linalg.norm(x - other, axis=1).mean() / 2
    apart = np.zeros((len(y), len(y)))
    for row in x:
        apart += np.sqrt(np.abs(row[:, None] - row)) / len(x)
    variogram = np.square(np.sqrt(np.abs(y[:, None] - y)) - apart).mean()
    return {"energy": float(energy), "variogram": float(variogram)}


def copula(draws: np.ndarray, past: np.ndarray, seed: int) -> np.ndarray:
    """The same laws of each hour and target, joined by a Gaussian copula of past moves from a season ago."""
    n, horizon, values = draws.shape
    moves = past[SEASON:] - past[:-SEASON]
    blocks = moves[len(moves) % horizon :].reshape(-1, horizon * values)
    scores = norm.ppf((rankdata(blocks, axis=0) - 0.5) / len(blocks))
    correlation = 0.8 * np.corrcoef(scores.T) + 0.2 * np.eye(horizon * values)
    normal = np.random.default_rng(seed).multivariate_normal(np.zeros(len(correlation)), correlation, n)
    ranks = np.argsort(np.argsort(normal, 0), 0).reshape(draws.shape)
    return np.take_along_axis(np.sort(draws, 0), ranks, 0)


def main(count: int) -> None:
    """One fit of each method that learns, and each horizon from ``count`` origins."""
    frame = table()
    values = frame.drop(columns="date").to_numpy()
    scale = np.abs(values[SEASON:TRAIN] - values[: TRAIN - SEASON]).mean(0)
    time.monotonic = time.process_time  # fluvial's budgets count by it
    began = time.process_time()
    model = fluvial.fit(frame.head(TRAIN + VALIDATION), budget=BUDGET, holdout=0.025, progress=False)
    seconds = {"wavenet_mixed": time.process_time() - began}
    results: dict[str, dict[str, dict[str, float]]] = {}
    taught = list(values[: TRAIN + VALIDATION].T)
    for horizon in HORIZONS:
        neural = {}
        for name in ("DeepAR", "TFT"):
            began = time.process_time()
            neural[name] = trained(name, taught, "h", horizon, BUDGET)
            seconds[f"{name} {horizon}"] = time.process_time() - began
        first = TRAIN + VALIDATION
        origins = np.linspace(first, first + TEST - horizon, count).round().astype(int)
        found: dict[str, list[dict[str, float]]] = {}
        for origin in origins.tolist():
            came, past = values[origin : origin + horizon], values[:origin]
            draws = {"wavenet_mixed": model.simulate(frame.head(origin), horizon, PATHS, origin).draws[:, 0]}
            for name, predictor in neural.items():
                draws[name] = drawn(predictor, list(past.T), "h", PATHS, origin)
            for name, (mean, spread) in statistical(past[-24 * 28 :], SEASON, horizon, _STATISTICAL).items():
                draws[name] = gaussian(mean, spread, PATHS, origin)
            if horizon == SEASON:
                draws["Gaussian copula of DeepAR"] = copula(draws["DeepAR"], past, origin)
            for name, drawn_ in draws.items():
                row = judged(drawn_, came, scale)
                row |= together(drawn_, came, scale) if horizon == SEASON else {}
                found.setdefault(name, []).append(row)
            print(horizon, origin, {name: round(rows[-1]["crps"], 3) for name, rows in found.items()}, flush=True)
        results[str(horizon)] = {
            name: {k: summary([r[k] for r in rows]) for k in rows[0]} for name, rows in found.items()
        }
        ours = [r["crps"] for r in found["wavenet_mixed"]]
        results[str(horizon)]["CRPS above ours"] = {
            name: summary(np.subtract([r["crps"] for r in rows], ours)) for name, rows in found.items()
        }
    content = {"commit": commit(), "budget": BUDGET, "windows": count, "seconds": seconds, "results": results}
    write_record("series-etth1", content)


def summary(values: object) -> dict[str, float]:
    """The mean over windows, and its standard error."""
    found = np.asarray(values)
    return {"mean": float(found.mean()), "error": float(found.std(ddof=1) / len(found) ** 0.5)}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
