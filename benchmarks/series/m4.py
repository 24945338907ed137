"""M4 hourly (Makridakis et al. 2018): 414 series, the next 48 hours, by all methods in one run.

python -m benchmarks.series.m4 [SERIES]

The statistical methods take a second or more for each series, so they forecast SERIES of the 414, evenly spread, and
the comparison is on these; the scores of all 414 are recorded too. DeepAR and TFT learn from all series, with the same
processor seconds as ours. Events are judged on all series: any of the 48 hours below, the sum of all above, a bound at
which that happened with a stated frequency in the spans of 48 hours before.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

import fluvial
from benchmarks.common import commit, data_folder, write_record
from benchmarks.series.etth1 import judged, summary
from benchmarks.series.neural import drawn, trained
from benchmarks.series.statistical import gaussian, statistical

HORIZON, SEASON, BUDGET, PATHS = 48, 24, 120, 200
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
_STATISTICAL = ("SeasonalNaive", "AutoETS", "AutoARIMA")


def series() -> tuple[list[str], list[np.ndarray], np.ndarray]:
    """Names, the past of each, and the next 48 values (M, 48)."""
    folder = data_folder() / "timeseries"
    train = pd.read_csv(folder / "M4-Hourly-train.csv.gz").set_index("V1")
    test = pd.read_csv(folder / "M4-Hourly-test.csv.gz").set_index("V1").loc[train.index]
    past = [row[~np.isnan(row)] for row in train.to_numpy(np.float64)]
    return list(train.index), past, test.to_numpy(np.float64)


def events(past: list[np.ndarray], draws: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Probabilities said of events, and whether they came, (events, 2): draws (n, M, H), what came (M, H).

    Of each series each kind of event once, at one of the levels in turn.
    """
    found = []
    for i, y in enumerate(past):
        spans = np.lib.stride_tricks.sliding_window_view(y, HORIZON)[::SEASON]
        for kind, (statistic, sign) in enumerate(((np.min, -1.0), (np.sum, 1.0), (np.max, 1.0))):
            level = LEVELS[(i + 2 * kind) % len(LEVELS)]
            bound = np.quantile(sign * statistic(spans, axis=1), 1 - level)
            said = (sign * statistic(draws[:, i], axis=1) > bound).mean()
            found.append((said, float(sign * statistic(came[i]) > bound)))
    return np.array(found)


def reliability(said: np.ndarray, bins: int = 5) -> list[dict[str, float]]:
    """Of events of like probability: the probability said, the share that came, and its binomial deviation."""
    rows = []
    for part in np.array_split(said[np.argsort(said[:, 0], kind="stable")], bins):
        p = part[:, 0].mean()
        deviation = float(np.sqrt((part[:, 0] * (1 - part[:, 0])).mean() / len(part)))
        rows.append({"events": len(part), "said": float(p), "came": float(part[:, 1].mean()), "deviation": deviation})
    return rows


def main(count: int) -> None:
    """One fit to all series by each method that learns; forecasts of all, and of ``count`` by the other methods."""
    names, past, came = series()
    table = pd.DataFrame(
        {
            "hour": np.concatenate([np.arange(len(p)) for p in past]),
            "id": np.repeat(names, [len(p) for p in past]),
            "value": np.concatenate(past),
        }
    )
    time.monotonic = time.process_time  # fluvial's budgets count by it
    seconds: dict[str, float] = {}
    began = time.process_time()
    model = fluvial.fit(table, time="hour", series="id", budget=BUDGET, holdout=0.06, progress=False)
    seconds["fit"] = time.process_time() - began
    forecast = model.simulate(None, HORIZON, PATHS, 0)
    order = [forecast.panel.names.index(name) for name in names]
    seconds["fit and forecast"] = time.process_time() - began
    draws = {"wavenet_mixed": forecast.draws[..., 0][:, order]}
    print("ours", seconds, len(model.metrics), flush=True)
    for name in ("DeepAR", "TFT"):
        began = time.process_time()
        predictor = trained(name, past, "h", HORIZON, BUDGET)
        draws[name] = drawn(predictor, past, "h", PATHS).transpose(0, 2, 1)
        seconds[name] = time.process_time() - began
        print(name, seconds[name], flush=True)
    scale = np.array([np.abs(p[SEASON:] - p[:-SEASON]).mean() for p in past])
    every = {
        name: [judged(d[:, i, :, None], came[i][:, None], scale[i]) for i in range(len(names))]
        for name, d in draws.items()
    }
    some = np.linspace(0, len(names) - 1, count).round().astype(int).tolist()
    found = {name: [rows[i] for i in some] for name, rows in every.items()}
    for i in some:
        for name in _STATISTICAL:
            began = time.process_time()
            mean, spread = statistical(past[i][:, None], SEASON, HORIZON, (name,))[name]
            seconds[name] = seconds.get(name, 0.0) + time.process_time() - began
            rows = judged(gaussian(mean, spread, PATHS, i), came[i][:, None], scale[i])
            found.setdefault(name, []).append(rows)
    results = {name: {k: summary([r[k] for r in rows]) for k in rows[0]} for name, rows in found.items()}
    alls = {name: {k: summary([r[k] for r in rows]) for k in rows[0]} for name, rows in every.items()}
    reliable = {name: reliability(events(past, d, came)) for name, d in draws.items()}
    content = {"commit": commit(), "budget": BUDGET, "series": count, "seconds": seconds, "epochs": len(model.metrics)}
    write_record("series-m4", {**content, "results": results, "all 414": alls, "events": reliable})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
