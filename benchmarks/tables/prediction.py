"""Prediction: the joint density of a table beside boosted trees that learnt one column only.

    python -m benchmarks.tables.prediction run                        # all cells that have no record yet
    python -m benchmarks.tables.prediction cell adult fluvial 0 60    # one of them, 0 seconds for as long as helps

Labels (income of adult, cut of diamonds) by P(label | the other columns), the price of diamonds by its quantiles. The
trees are scikit-learn's HistGradientBoosting with its defaults; for quantiles one for each. Each cell is a process of
its own, and its record a line of ``benchmarks/records/prediction.jsonl``.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from functools import cache
from typing import Any

import numpy as np
import torch
from cyclopts import App
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks import common
from benchmarks.common import RECORDS
from benchmarks.tables.engines import now
from benchmarks.tables.measures import features
from benchmarks.tables.mixed import RUNS, append, lines
from benchmarks.tables.real import Split, split

RECORD = RECORDS / "prediction.jsonl"
TASKS = (("adult", "income"), ("diamonds", "cut"), ("diamonds", "price"))
LEVELS = np.arange(1, 20) / 20
BINS = 15
SEEDS, BUDGET = 3, 60.0

app = App(help="The joint density of a table as a predictor.")


@app.command
def run(seeds: int = SEEDS, budget: float = BUDGET, sets: str = "adult,diamonds"):
    """Every cell that is not recorded yet."""
    for seed in range(seeds):
        for name in sets.split(","):
            for engine, seconds in (("trees", 0.0), ("fluvial", budget)):
                if (name, engine, seed, seconds) not in {_cell(r) for r in lines(RECORD)}:
                    call = [sys.executable, "-m", "benchmarks.tables.prediction", "cell", name, engine]
                    failed = subprocess.run([*call, str(seed), str(seconds)], check=False).returncode
                    print(name, engine, seed, "failed" if failed else "done", flush=True)


def _cell(record: dict[str, Any]) -> tuple[str, str, int, float]:
    return record["set"], record["engine"], record["seed"], record["budget"]


@app.command
def cell(name: str, engine: str, seed: int, budget: float = BUDGET):
    """All targets of one table; the fit of the drawn tables is taken again where there is one."""
    warnings.simplefilter("ignore")
    data = split(name, seed)
    began = now()
    source = _Density(data, name, seed, budget) if engine == "fluvial" else _Trees(data, seed)
    fitted, found = now() - began, {}
    for target in (t for table, t in TASKS if table == name):
        if target in data.labels:
            classes = sorted(data.train[target].unique())
            found[target] = labels_scored(data.test[target].to_numpy(), source.shares(target, classes), classes)
        else:
            found[target] = numbers_scored(data.test[target].to_numpy(float), source.quantiles(target))
    found = {t: {k: round(v, 5) for k, v in scores.items()} for t, scores in found.items()}
    seconds = {"fit": round(fitted, 1), "all": round(now() - began, 1)}
    key = {"set": name, "engine": engine, "seed": seed, "budget": budget, "commit": common.commit()}
    append(RECORD, key | {"targets": found, "seconds": seconds, "rows": [len(data.train), len(data.test)]})


class _Density:
    """One fit of all columns."""

    def __init__(self, data: Split, name: str, seed: int, budget: float) -> None:
        import fluvial

        time.monotonic = now  # fluvial's budgets count by it
        self.data, folder = data, RUNS / f"{name}-fluvial-{seed}-{budget:g}"
        if (folder / "config.json").exists():
            self.model = fluvial.load(folder)
        else:
            self.model = fluvial.fit(data.train, budget=budget or None, seed=seed, out=folder, force=True)

    def shares(self, target: str, classes: list[str]) -> np.ndarray:
        column = self.model.schema.columns[self.model.schema.names.index(target)]
        order = [list(map(str, column.categories)).index(str(label)) for label in classes]
        return self.model.predict_proba(self.data.test.drop(columns=target), target)[:, order]

    def quantiles(self, target: str) -> np.ndarray:
        return self.model.predict_quantiles(self.data.test.drop(columns=target), target, LEVELS.tolist())


class _Trees:
    """A fit for each target, and for each quantile of a number."""

    def __init__(self, data: Split, seed: int) -> None:
        self.data, self.seed = data, seed

    @cache  # noqa: B019  (one object a process)
    def _columns(self, target: str) -> Any:
        table = features(self.data, self.data.train, self.data.test).drop(columns=target)
        n = len(self.data.train)
        return table.iloc[:n], self.data.train[target], table.iloc[n:]

    def shares(self, target: str, classes: list[str]) -> np.ndarray:
        x, y, test = self._columns(target)
        model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=self.seed).fit(x, y)
        return model.predict_proba(test)[:, [list(model.classes_).index(c) for c in classes]]

    def quantiles(self, target: str) -> np.ndarray:
        x, y, test = self._columns(target)
        found = []
        for level in LEVELS:
            model = HistGradientBoostingRegressor(
                loss="quantile", quantile=level, categorical_features="from_dtype", random_state=self.seed
            )
            found.append(model.fit(x, y).predict(test))
        return np.sort(np.stack(found, 1), axis=1)  # those that cross change places, in their favour


def labels_scored(truth: np.ndarray, shares: np.ndarray, classes: list[str]) -> dict[str, float]:
    """Area under the curve (of several labels the mean of one against the rest), and how honest the shares are.

    The calibration error is the mean distance between share and frequency over 15 bins of equal share, of the second
    of two labels, else of the likeliest.
    """
    shares = shares / shares.sum(1, keepdims=True)
    hit = np.array([classes.index(t) for t in truth])
    if len(classes) == 2:
        area, sure, right = roc_auc_score(hit, shares[:, 1]), shares[:, 1], hit == 1
    else:
        area = roc_auc_score(hit, shares, multi_class="ovr")
        sure, right = shares.max(1), shares.argmax(1) == hit
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs((sure[bins == b] - right[bins == b]).sum()) for b in np.unique(bins)]
    return {
        "auc": float(area),
        "accuracy": float((shares.argmax(1) == hit).mean()),
        "log_loss": float(log_loss(hit, shares, labels=range(len(classes)))),
        "calibration_error": float(sum(gaps) / len(hit)),
    }


def numbers_scored(truth: np.ndarray, quantiles: np.ndarray) -> dict[str, float]:
    """CRPS as twice the mean pinball loss of 19 quantiles, and the mean distance between level and frequency.

    A frequency counts half of the rows whose value is the quantile: prices are whole numbers.
    """
    over = truth[:, None] - quantiles
    below = (over < 0).mean(0) + (over == 0).mean(0) / 2
    return {
        "crps": float(2 * np.maximum(LEVELS * over, (LEVELS - 1) * over).mean()),
        "mae": float(np.abs(over[:, len(LEVELS) // 2]).mean()),
        "calibration_error": float(np.abs(below - LEVELS).mean()),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
