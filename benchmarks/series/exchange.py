"""Exchange rates as papers on multivariate forecasting have them: 8 series, 30 steps, 5 windows, GluonTS's evaluator.

python -m benchmarks.series.exchange [SEED ...]

Published CRPS-sum, lower is better (Rasul et al. 2021, TimeGrad): VAR and VES 0.005, Transformer-MAF 0.005 ± 0.003,
TimeGrad 0.006 ± 0.001, GP-Copula 0.007, Vec-LSTM 0.008, GARCH 0.023.
"""

from __future__ import annotations

import json
import sys
import tarfile
import time

import numpy as np
import pandas as pd

import fluvial
from benchmarks.common import commit, data_folder, write_record
from fluvial.interfaces.gluonts import SeriesPredictor

HORIZON, WINDOWS, SAMPLES = 30, 5, 400
EPOCHS = 10


def series() -> tuple[pd.DataFrame, list[np.ndarray], pd.Timestamp]:
    """The training rows as a table, the five test series (8, T), and where all begin."""
    with tarfile.open(data_folder() / "timeseries" / "exchange_rate_nips.tar.gz") as archive:

        def lines(part: str) -> list[dict]:
            file = archive.extractfile(f"exchange_rate_nips/{part}/{part}.json")
            assert file is not None
            return [json.loads(line) for line in file]

        train, test = lines("train"), lines("test")
    start = pd.Timestamp(train[0]["start"])
    values = np.stack([row["target"] for row in train], 1)
    dates = pd.bdate_range(start, periods=len(values))
    table = pd.DataFrame({"date": dates, **{f"c{i}": values[:, i] for i in range(values.shape[1])}})
    windows = [np.stack([row["target"] for row in test[i : i + 8]]) for i in range(0, len(test), 8)]
    return table, windows, start


def evaluated(predictor: SeriesPredictor, windows: list[np.ndarray], start: pd.Timestamp) -> dict[str, float]:
    """Metrics of GluonTS's evaluator of several targets at once, CRPS-sum among them."""
    from gluonts.dataset.common import ListDataset
    from gluonts.evaluation import MultivariateEvaluator, make_evaluation_predictions

    period = pd.Period(start, freq="B")
    data = ListDataset([{"start": period, "target": w} for w in windows], freq="B", one_dim_target=False)
    forecasts, truth = make_evaluation_predictions(data, predictor, num_samples=SAMPLES)
    evaluator = MultivariateEvaluator(quantiles=np.arange(1, 20) / 20, target_agg_funcs={"sum": np.sum}, num_workers=0)
    found, _ = evaluator(list(truth), list(forecasts), num_series=len(windows))
    names = {"crps_sum": "m_sum_mean_wQuantileLoss", "crps": "mean_wQuantileLoss", "nd_sum": "m_sum_ND", "mase": "MASE"}
    return {ours: float(found[theirs]) for ours, theirs in names.items()}


def main(seeds: list[int]) -> None:
    """Fit and judge once for each seed."""
    table, windows, start = series()
    runs = []
    for seed in seeds:
        began = time.perf_counter()
        model = fluvial.fit(table, epochs=EPOCHS, seed=seed, holdout=0.025, progress=False)
        seconds = time.perf_counter() - began
        found = evaluated(SeriesPredictor(model, HORIZON, seed), windows, start)
        runs.append({"seed": seed, "seconds": seconds, **found})
        print(runs[-1], flush=True)
    scores = np.array([r["crps_sum"] for r in runs])
    spread = float(scores.std(ddof=1)) if len(scores) > 1 else None
    content = {"commit": commit(), "epochs": EPOCHS, "samples": SAMPLES, "runs": runs}
    write_record("series-exchange", {**content, "crps_sum": float(scores.mean()), "spread": spread})


if __name__ == "__main__":
    main([int(s) for s in sys.argv[1:]] or [0, 1, 2])
