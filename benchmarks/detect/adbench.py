"""AUROC and average precision on ADBench's sets beside pyod's detectors: a line of JSON for each fit, resumable.

``python -m benchmarks.detect adbench --budget 10 --seeds 1 [--sets 4_breastw,45_wine] [--only fluvial] [--keep RUNS]``

The budget is of processor seconds, so that what else a machine does takes nothing away. With ``--keep`` fluvial's fits
stay in a folder and are not made again, so that other scores can be tried on them.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmarks.common import RECORDS, commit
from benchmarks.detect.sets import Split, names, split

if TYPE_CHECKING:
    from fluvial import Model
    from fluvial.data.schema import Encoded

PATH = RECORDS / "detect-adbench.jsonl"
Score = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]]
"""Training and test rows -> scores of the test rows, larger for stranger ones, and CPU seconds."""
_PYOD = {
    "ECOD": ("ecod", {}),
    "COPOD": ("copod", {}),
    "IForest": ("iforest", {"random_state": 0}),
    "KNN": ("knn", {}),
    "LOF": ("lof", {}),
    "HBOS": ("hbos", {}),
    "PCA": ("pca", {"random_state": 0}),
    "OCSVM": ("ocsvm", {}),
    "CBLOF": ("cblof", {"random_state": 0}),
    "DeepSVDD": ("deep_svdd", {"random_state": 0, "verbose": 0}),
}


def detectors(budget: float, run: Path | None) -> dict[str, Score]:
    """What is compared, by name; ``run`` is where fluvial's fit is kept."""

    def fluvial(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, float]:
        model = kept(train, budget, run)
        start = time.process_time()
        scores = detected(model, test)
        return scores, model.record["cpu seconds"] + time.process_time() - start

    return {"fluvial": fluvial, **{name: _pyod(*how) for name, how in _PYOD.items()}}


def kept(train: np.ndarray, budget: float, run: Path | None) -> Model:
    """The fit of these rows, from its folder where it has been made."""
    import fluvial

    if run is not None and run.exists():
        return fluvial.load(run)  # pyright: ignore[reportReturnType]
    time.monotonic = time.process_time  # fluvial's budgets count by it
    start = time.process_time()
    model = fluvial.FlowDetector(budget=budget, random_state=0).fit(train).model_
    model.record["cpu seconds"] = time.process_time() - start
    if run is not None:
        run.parent.mkdir(parents=True, exist_ok=True)
        model.save(run)
    return model


def encoded(model: Model, rows: np.ndarray) -> Encoded:
    """Rows as the model has them."""
    from fluvial.data.tables import read

    return model.schema.encode(read({f"x{j}": column for j, column in enumerate(rows.T)}))


def detected(model: Model, rows: np.ndarray) -> np.ndarray:
    """How unusual rows are."""
    from fluvial.kinds.tables.detect import Detector

    return Detector.of(model).scores(encoded(model, rows))


def _pyod(module: str, arguments: dict[str, Any]) -> Score:
    def score(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, float]:
        from importlib import import_module

        found = import_module(f"pyod.models.{module}")  # imported before the clock starts: the first call compiles
        cls = next(getattr(found, each) for each in dir(found) if each.lower() == module.replace("_", ""))
        own = {"n_features": train.shape[1]} if module == "deep_svdd" else {}
        start = time.process_time()
        scale = StandardScaler().fit(train)  # as pyod's benchmark does
        scores = cls(**arguments, **own).fit(scale.transform(train)).decision_function(scale.transform(test))
        return scores, time.process_time() - start

    return score


def main(argv: list[str]) -> None:
    """Fit what has no record yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect adbench")
    parser.add_argument("--budget", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path, default=None)
    given = parser.parse_args(argv)
    done = {(r["set"], r["seed"], r["trained on"], r["detector"]) for r in records()}
    for seed in range(given.seeds):  # so that all sets have as many seeds at any time
        for name in given.sets.split(",") if given.sets else names():
            for normal in (False, True):
                parts, told = split(name, seed, normal), "normals" if normal else "mixture"
                run = given.keep and given.keep / f"{name}-{told}-{seed}"
                for detector, score in detectors(given.budget, run).items():
                    if (name, seed, told, detector) in done or (given.only and detector not in given.only.split(",")):
                        continue
                    key = {"set": name, "seed": seed, "trained on": told, "detector": detector}
                    _note({**key, **measured(score, parts), "budget": given.budget, "commit": commit()})


def measured(score: Score, parts: Split) -> dict[str, Any]:
    """How well one detector tells the anomalies of the test rows."""
    scores, seconds = quietly(score, parts.train, parts.test)
    return {
        **judged(scores, parts.labels),
        "rows": len(parts.train),
        "columns": parts.train.shape[1],
        "cpu seconds": seconds,
    }


def quietly(score: Score, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, float]:
    """Without warnings, which detectors have many of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return score(train, test)


def judged(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Area under the ROC curve, and average precision."""
    scores = np.nan_to_num(scores, posinf=1e300)
    return {"auroc": float(roc_auc_score(labels, scores)), "ap": float(average_precision_score(labels, scores))}


def _note(record: dict[str, Any]) -> None:
    with PATH.open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(*(record[k] for k in ("set", "trained on", "detector")), round(record["auroc"], 3), flush=True)


def records() -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in PATH.read_text().splitlines()] if PATH.exists() else []
