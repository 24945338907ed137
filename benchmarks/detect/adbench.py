"""AUROC and average precision on ADBench's sets beside pyod's detectors: a line of JSON for each fit, resumable.

``python -m benchmarks.detect adbench --budget 20 --seeds 1 [--sets 4_breastw,45_wine] [--only fluvial]``
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmarks.common import RECORDS, commit
from benchmarks.detect.sets import names, split

PATH = RECORDS / "detect-adbench.jsonl"
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
}


def detectors(budget: float) -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """By name: training and test rows -> scores of the test rows, larger for stranger ones."""

    def fluvial(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        from fluvial import FlowDetector

        return -FlowDetector(budget=budget, random_state=0).fit(train).score_samples(test)

    return {"fluvial": fluvial, **{name: _pyod(*how) for name, how in _PYOD.items()}}


def _pyod(module: str, arguments: dict[str, Any]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def score(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        from importlib import import_module

        found = import_module(f"pyod.models.{module}")
        cls = next(getattr(found, each) for each in dir(found) if each.lower() == module)
        scale = StandardScaler().fit(train)  # as pyod's benchmark does
        return cls(**arguments).fit(scale.transform(train)).decision_function(scale.transform(test))

    return score


def main(argv: list[str]) -> None:
    """Fit what has no record yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect adbench")
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", default="")
    parser.add_argument("--only", default="")
    given = parser.parse_args(argv)
    done = {(r["set"], r["seed"], r["trained on"], r["detector"]) for r in records()}
    for name in given.sets.split(",") if given.sets else names():
        for seed in range(given.seeds):
            for normal in (False, True):
                parts, told = split(name, seed, normal), "normals" if normal else "mixture"
                for detector, score in detectors(given.budget).items():
                    if (name, seed, told, detector) in done or (given.only and detector not in given.only.split(",")):
                        continue
                    _note(
                        {"set": name, "seed": seed, "trained on": told, "detector": detector},
                        score,
                        parts,
                        given.budget,
                    )


def _note(record: dict[str, Any], score: Callable[..., np.ndarray], parts: Any, budget: float) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = np.nan_to_num(score(parts.train, parts.test), posinf=1e300)
    record |= {
        "auroc": float(roc_auc_score(parts.labels, scores)),
        "ap": float(average_precision_score(parts.labels, scores)),
        "rows": len(parts.train),
        "columns": parts.train.shape[1],
        "seconds": time.perf_counter() - wall,
        "cpu seconds": time.process_time() - cpu,
        "budget": budget,
        "commit": commit(),
    }
    with PATH.open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(record["set"], record["trained on"], record["detector"], round(record["auroc"], 3), flush=True)


def records() -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in PATH.read_text().splitlines()] if PATH.exists() else []
