"""Do new rows of rare labels help a classifier? fluvial's, SMOTE's and TabularARGN's in the same folds.

``python -m benchmarks.detect balance [--budget 10] [--makers none,weights,copies,smote,fluvial,argn] [--tables adult]``

Each maker balances the training part of each fold, gradient boosting learns from it, and balanced accuracy is taken on
the part that neither has seen. Budgets are processor seconds of a fit. Makers whose library is not installed are left
to another environment, as the records grow line by line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold

from benchmarks.common import RECORDS, commit, data_folder

PATH = RECORDS / "detect-balance.jsonl"
TABLES = ("40_vowels", "44_Wilt", "27_PageBlocks", "7_Cardiotocography", "redwine", "adult")
FOLDS, _ROWS, _TARGET, _GOOD = 3, 5000, "target", 7  # rows of a table at most, and the quality from which wine is good


class Task(NamedTuple):
    """A table to classify: ``target`` is "yes" where a row is of the rare label."""

    frame: pd.DataFrame
    labels: list[str]


def task(name: str) -> Task:
    """A table by name."""
    if name == "adult":
        from benchmarks.tables.real import split

        data = split("adult", 0)
        frame = data.train.drop(columns=data.target).assign(**{_TARGET: data.train[data.target]})
        frame[_TARGET] = np.where(frame[_TARGET].astype(str).str.contains(">"), "yes", "no")
        labels = [c for c in data.labels if c != data.target]
    elif name == "redwine":
        rows = pd.read_csv(data_folder() / "uci-small" / "winequality-red.csv", header=None)
        frame = rows.iloc[:, :-1].rename(columns="x{}".format)
        frame[_TARGET], labels = np.where(rows.iloc[:, -1] >= _GOOD, "yes", "no"), []
    else:
        with np.load(data_folder() / "adbench" / f"{name}.npz") as file:
            frame = pd.DataFrame(file["X"].astype(float)).rename(columns="x{}".format)
            frame[_TARGET], labels = np.where(file["y"] == 1, "yes", "no"), []
    return Task(frame.sample(min(_ROWS, len(frame)), random_state=0).reset_index(drop=True), labels)


def wanted(frame: pd.DataFrame) -> int:
    """How many rows of "yes" make both labels as frequent."""
    counts = frame[_TARGET].value_counts()
    return int(counts["no"] - counts["yes"])


def copies(part: Task, budget: float, seed: int) -> pd.DataFrame:
    """Rows of the rare label, drawn with replacement."""
    rare = part.frame[part.frame[_TARGET] == "yes"]
    return rare.sample(wanted(part.frame), replace=True, random_state=seed)


def smote(part: Task, budget: float, seed: int) -> pd.DataFrame:
    """Points between neighbours (Chawla et al. 2002); SMOTENC where there are labels. Gaps are filled for it."""
    from imblearn.over_sampling import SMOTE, SMOTENC

    x = part.frame.drop(columns=_TARGET)
    numbers = [c for c in x if c not in part.labels]
    x[numbers] = x[numbers].astype(float).fillna(x[numbers].astype(float).median())
    x[part.labels] = x[part.labels].astype(object).fillna("missing").astype(str)
    maker = SMOTENC(part.labels, random_state=seed) if part.labels else SMOTE(random_state=seed)
    found, labels = maker.fit_resample(x, part.frame[_TARGET])
    new = found.iloc[len(x) :].assign(**{_TARGET: labels.iloc[len(x) :]})
    new[part.labels] = new[part.labels].astype(object).where(new[part.labels] != "missing")
    return new


def fluvial(part: Task, budget: float, seed: int) -> pd.DataFrame:
    """``fluvial.augment``, which balances where nothing else is asked for."""
    import fluvial as library

    time.monotonic = time.process_time  # fluvial's budgets count by it
    return library.augment(part.frame, _TARGET, check=False, budget=budget, seed=seed).frame()


def argn(part: Task, budget: float, seed: int) -> pd.DataFrame:
    """TabularARGN without value protection, given the label."""
    import importlib
    from types import SimpleNamespace

    from mostlyai.engine import TabularARGN

    importlib.import_module("mostlyai.engine._tabular.training").time = SimpleNamespace(time=time.process_time)
    seeds = pd.DataFrame({_TARGET: ["yes"] * wanted(part.frame)})
    with tempfile.TemporaryDirectory() as folder:
        how = {"value_protection": False, "random_state": seed, "device": "cpu", "workspace_dir": folder}
        return TabularARGN(max_training_time=budget / 60, **how).fit(part.frame).sample(seed_data=seeds)


MAKERS: dict[str, Callable[[Task, float, int], pd.DataFrame] | None] = {
    "none": None,
    "weights": None,
    "copies": copies,
    "smote": smote,
    "fluvial": fluvial,
    "argn": argn,
}


def main(argv: list[str]) -> None:
    """Measure what has no record yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect balance")
    parser.add_argument("--budget", type=float, default=10.0)
    parser.add_argument("--makers", default=",".join(MAKERS))
    parser.add_argument("--tables", default=",".join(TABLES))
    given = parser.parse_args(argv)
    done = {(r["table"], r["fold"], r["maker"]) for r in records()}
    for name in given.tables.split(","):
        whole = task(name)
        parts = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(whole.frame, whole.frame[_TARGET])
        for fold, (train, test) in enumerate(parts):
            for maker in given.makers.split(","):
                if (name, fold, maker) in done:
                    continue
                with warnings.catch_warnings(), contextlib.suppress(ImportError):
                    warnings.simplefilter("ignore")
                    _note({"table": name, "fold": fold, **_judged(whole, train, test, maker, given.budget)})


def _judged(whole: Task, train: np.ndarray, test: np.ndarray, maker: str, budget: float) -> dict[str, Any]:
    part = Task(whole.frame.iloc[train].reset_index(drop=True), whole.labels)
    start, make = time.process_time(), MAKERS[maker]
    new = None if make is None else make(part, budget, 0)
    seconds = time.process_time() - start
    both = part.frame if new is None else pd.concat((part.frame, new[list(part.frame)]), ignore_index=True)
    guess = _boosted(both, whole, weighted=maker == "weights")(whole.frame.iloc[test])
    truth = whole.frame[_TARGET].iloc[test]
    return {
        "maker": maker,
        "balanced accuracy": float(balanced_accuracy_score(truth, guess)),
        "new rows": 0 if new is None else len(new),
        "cpu seconds": seconds,
        "budget": budget,
        "commit": commit(),
    }


def _boosted(train: pd.DataFrame, whole: Task, weighted: bool) -> Callable[[pd.DataFrame], np.ndarray]:
    """Gradient boosting; labels of columns are categories, by their order in the whole table."""
    known = {c: sorted(whole.frame[c].dropna().astype(str).unique()) for c in whole.labels}

    def encoded(frame: pd.DataFrame) -> pd.DataFrame:
        x = frame.drop(columns=_TARGET)
        for c in x:
            words = x[c].astype(object).map(str, na_action="ignore") if c in known else None
            x[c] = x[c].astype(float) if words is None else pd.Categorical(words, known[c])
        return x

    model = HistGradientBoostingClassifier(
        categorical_features="from_dtype", class_weight="balanced" if weighted else None, random_state=0
    )
    model.fit(encoded(train), train[_TARGET])
    return lambda frame: model.predict(encoded(frame))


def _note(record: dict[str, Any]) -> None:
    with PATH.open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(*(record[k] for k in ("table", "fold", "maker")), round(record["balanced accuracy"], 3), flush=True)


def records(path: Path = PATH) -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
