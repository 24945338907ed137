"""M4 hourly (Makridakis et al. 2018): 414 series, the next 48 hours, beside statistical forecasts of some of them.

python -m benchmarks.series.m4 [SERIES]

The statistical methods take a second or more for each series, so they forecast SERIES of the 414, evenly spread, and
the comparison is on these; the scores of all 414 are recorded too.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

import fluvial
from benchmarks.common import commit, data_folder, write_record
from benchmarks.series.etth1 import judged
from benchmarks.series.statistical import gaussian, statistical

HORIZON, SEASON, BUDGET, PATHS = 48, 24, 330, 100


def series() -> tuple[list[str], list[np.ndarray], np.ndarray]:
    """Names, the past of each, and the next 48 values (M, 48)."""
    folder = data_folder() / "timeseries"
    train = pd.read_csv(folder / "M4-Hourly-train.csv.gz").set_index("V1")
    test = pd.read_csv(folder / "M4-Hourly-test.csv.gz").set_index("V1").loc[train.index]
    past = [row[~np.isnan(row)] for row in train.to_numpy(np.float64)]
    return list(train.index), past, test.to_numpy(np.float64)


def main(count: int) -> None:
    """One fit to all series; forecasts of all, and of ``count`` by the other methods."""
    names, past, came = series()
    table = pd.DataFrame(
        {
            "hour": np.concatenate([np.arange(len(p)) for p in past]),
            "id": np.repeat(names, [len(p) for p in past]),
            "value": np.concatenate(past),
        }
    )
    began = time.perf_counter()
    model = fluvial.fit(table, time="hour", series="id", budget=BUDGET, holdout=0.06, progress=False)
    fitted = time.perf_counter() - began
    drawn = model.simulate(None, HORIZON, PATHS, 0)
    order = [drawn.panel.names.index(name) for name in names]
    ours = time.perf_counter() - began
    scale = np.array([np.abs(p[SEASON:] - p[:-SEASON]).mean() for p in past])
    every = [judged(drawn.draws[:, j], came[i][:, None], scale[i]) for i, j in enumerate(order)]
    some = np.linspace(0, len(names) - 1, count).round().astype(int).tolist()
    found = {"wavenet_mixed": [every[i] for i in some]}
    took = dict.fromkeys(("SeasonalNaive", "AutoETS"), 0.0)
    for i in some:
        for name in took:
            began = time.perf_counter()
            mean, spread = statistical(past[i][:, None], SEASON, HORIZON, (name,))[name]
            took[name] += time.perf_counter() - began
            rows = judged(gaussian(mean, spread, PATHS, i), came[i][:, None], scale[i])
            found.setdefault(name, []).append(rows)
    results = {name: {k: float(np.mean([r[k] for r in rows])) for k in rows[0]} for name, rows in found.items()}
    all_ours = {k: float(np.mean([r[k] for r in every])) for k in every[0]}
    print(results, all_ours, flush=True)
    seconds = {"fit": fitted, "fit and forecast": ours, **took}
    content = {"commit": commit(), "budget": BUDGET, "series": count, "seconds": seconds, "epochs": len(model.metrics)}
    write_record("series-m4", {**content, "results": results, "all 414": all_ours})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
