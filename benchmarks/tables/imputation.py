"""Gaps: 30 % of the cells of a table removed at random, and filled in by fluvial and by the field.

    python -m benchmarks.tables.imputation run                      # all cells that have no record yet
    python -m benchmarks.tables.imputation cell abalone fluvial 0   # one of them

Everybody learns from the same rows with gaps and fills in the gaps of other rows with gaps; a filler that draws does
so as often as the budget allows, 20 times at most. Numbers count in their standard deviations. Each cell is a process
of its own, and its record a line of ``benchmarks/records/imputation.jsonl``.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from cyclopts import App

from benchmarks import common
from benchmarks.common import RECORDS
from benchmarks.tables.datasets import DATASETS
from benchmarks.tables.engines import now
from benchmarks.tables.mixed import append, lines
from benchmarks.tables.real import split
from benchmarks.tables.small import table_of
from fluvial.data.tables import read

RECORD = RECORDS / "imputation.jsonl"
SETS, FOLDS, GAPS, DRAWS, BUDGET = ("abalone", "adult", "miniboone40"), 3, 0.3, 20, 30.0
LEARNT, JUDGED = 4_000, 500  # rows at most

app = App(help="Gaps filled in by fluvial and by the field.")


@dataclass(frozen=True)
class Gappy:
    """Rows to learn from and rows to fill in, both with gaps, and what stood in the latter.

    Args:
        judged: (N, D) bool, the gaps of ``test`` behind which a value is known.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    truth: pd.DataFrame
    judged: np.ndarray
    labels: tuple[str, ...]


@dataclass
class Filled:
    """Tables without gaps, and what the filler itself says of the values behind the gaps.

    Args:
        draws: several, each drawn, or one of best guesses.
        log_scores: log p(value | the cells that are there), nats and units of the table, where there is such a thing.
    """

    draws: list[pd.DataFrame]
    log_scores: dict[str, np.ndarray] = field(default_factory=dict)


def gappy(name: str, fold: int) -> Gappy:
    """A table by name; the fold decides which rows judge, and which cells are missing."""
    rng = np.random.default_rng(fold)
    if name == "miniboone40":
        parts = [pd.DataFrame(rows).rename(columns="x{}".format) for rows in _miniboone()]
    elif name == "adult":
        data = split("adult", fold)
        parts = [data.train, data.test]
    else:
        frame = table_of(name)
        frame.columns = [f"x{c}" for c in frame.columns]
        order = rng.permutation(len(frame))
        parts = [frame.iloc[order[len(frame) // 5 :]], frame.iloc[order[: len(frame) // 5]]]
    train, truth = (_some(part, most, fold) for part, most in zip(parts, (LEARNT, JUDGED)))
    labels = tuple(c for c in train if not pd.api.types.is_numeric_dtype(train[c]))
    numbers = [c for c in train if c not in labels]
    train, truth = (f.astype(dict.fromkeys(numbers, float)) for f in (train, truth))
    holes = [rng.random(f.shape) < GAPS for f in (train, truth)]
    judged = holes[1] & truth.notna().to_numpy()
    seen = train.mask(holes[0])
    for name in labels:  # nothing follows from a label that was never seen
        unseen = ~truth[name].isin(seen[name].dropna())
        holes[1][:, truth.columns.get_loc(name)] |= unseen
        judged[:, truth.columns.get_loc(name)] &= ~unseen
    return Gappy(seen, truth.mask(holes[1]), truth, judged, labels)


def _miniboone() -> tuple[np.ndarray, np.ndarray]:
    data = DATASETS["miniboone40"]()
    return data.train.astype(float), data.test.astype(float)


def _some(frame: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    return frame.sample(min(most, len(frame)), random_state=seed).reset_index(drop=True)


def by_fluvial(data: Gappy, seed: int) -> Filled:
    """``fluvial.fit(frame, budget=...)`` and ``model.impute``."""
    import fluvial

    time.monotonic = now  # fluvial's budgets count by it
    model = fluvial.fit(data.train, "mixed", budget=BUDGET, seed=seed, progress=False)
    return Filled(model.impute(data.test, draws=DRAWS, seed=seed), _log_scores(model, data))


@torch.no_grad()
def _log_scores(model: Any, data: Gappy) -> dict[str, np.ndarray]:
    """log p of each value behind a gap, given the observed cells of its row and that it is not missing; exact."""
    density = model.density.eval()
    known, truth = (torch.from_numpy(model.schema.encode(read(f)).x) for f in (data.test, data.truth))
    place = {name: model.schema.names.index(name) for name in data.test if name in model.schema.names}
    judged = {place[name]: data.judged[:, i] for i, name in enumerate(data.test) if name in place}
    found = {i: np.full(len(truth), np.nan) for i in judged}
    for row in range(len(truth)):
        there = ~known[row].isnan()
        for i in (i for i in judged if judged[i][row]):
            theta = density.theta(known[row : row + 1], i, density.known_first(there))
            law = density.laws.column(i)
            reading = law.read(truth[row : row + 1, i : i + 1])
            found[i][row] = float(law.log_prob(reading, law.present(theta)))
    return {model.schema.names[i]: values[judged[i]] for i, values in found.items()}


def by_iterative(data: Gappy, seed: int) -> Filled:
    """scikit-learn's IterativeImputer, which draws from the posterior of its Bayesian ridge regressions."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    began = now()
    x, y, back = _numbers(data)
    model = IterativeImputer(sample_posterior=True, random_state=seed, skip_complete=True).fit(x)
    return Filled([back(model.transform(y)) for _ in _within(began)])


def by_neighbours(data: Gappy, seed: int) -> Filled:
    """scikit-learn's KNNImputer: one best guess, the mean of five rows."""
    from sklearn.impute import KNNImputer

    x, y, back = _numbers(data)
    return Filled([back(KNNImputer().fit(x).transform(y))])


def by_forests(data: Gappy, seed: int) -> Filled:
    """miceforest: chained boosted trees, three rounds each.

    Numbers are found by mean matching, labels drawn with the trees' own shares, since matching ends in an error where
    a label is rare. The rows to fill in are among those learnt from: ``impute_new_data`` of 6.0.5 draws from the
    columns' marginals, whatever the rest of a row says.
    """
    from miceforest import ImputationKernel

    began = now()
    kinds = {c: pd.CategoricalDtype(sorted(data.train[c].dropna().unique())) for c in data.labels}
    table = pd.concat((data.train, data.test), ignore_index=True).astype(kinds)
    how = {c: "fast" if c in data.labels else "normal" for c in table}
    draws = []
    for i in _within(began, at_least=2):
        kernel = ImputationKernel(table, mean_match_strategy=how, random_state=DRAWS * seed + i)
        kernel.mice(3, num_threads=1)
        filled = kernel.complete_data(0).iloc[len(data.train) :].reset_index(drop=True)
        draws.append(filled.astype(dict.fromkeys(data.labels, object)))
    return Filled(draws)


def _within(began: float, at_least: int = 1) -> Iterator[int]:
    """0, 1, ... until all draws are made or the budget is spent."""
    for i in range(DRAWS):
        if i >= at_least and now() - began > BUDGET:
            return
        yield i


def _numbers(data: Gappy) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], pd.DataFrame]]:
    """Both tables as standardised numbers, labels one-hot, and the way back, on which the largest number wins."""
    places: dict[str, slice] = {}
    levels = {c: sorted(data.train[c].dropna().unique()) for c in data.labels}
    columns: list[tuple[np.ndarray, np.ndarray]] = []
    for name in data.train:
        start = len(columns)
        for level in levels.get(name, [None]):
            pair = [f[name].to_numpy() if level is None else _is(f[name], level) for f in (data.train, data.test)]
            columns.append((pair[0].astype(float), pair[1].astype(float)))
        places[name] = slice(start, len(columns))
    x, y = (np.stack(side, 1) for side in zip(*columns))
    location, scale = np.nanmean(x, 0), np.nanstd(x, 0)

    def back(filled: np.ndarray) -> pd.DataFrame:
        values = filled * scale + location
        table = {}
        for name, place in places.items():
            found = values[:, place]
            table[name] = np.array(levels[name], object)[found.argmax(1)] if name in levels else found[:, 0]
        return pd.DataFrame(table)

    return (x - location) / scale, (y - location) / scale, back


def _is(column: pd.Series, level: str) -> np.ndarray:
    return np.where(column.isna(), np.nan, (column == level).astype(float))


def scored(data: Gappy, filled: Filled) -> dict[str, float]:
    """CRPS and log score of numbers, accuracy and log score of labels: means over the columns' means."""
    numbers, labels = [], []
    for i, name in enumerate(data.test):
        rows = np.flatnonzero(data.judged[:, i])
        draws = np.stack([draw[name].to_numpy()[rows] for draw in filled.draws])
        truth = data.truth[name].to_numpy()[rows]
        if name in data.labels:
            shares = np.stack([(draws == level).mean(0) for level in _levels(data, name)])
            guesses = _levels(data, name)[shares.argmax(0)]
            labels.append((float((guesses == truth).mean()), _mean(filled.log_scores.get(name))))
        else:
            scale = data.train[name].std()
            exact = filled.log_scores.get(name)
            exact = None if exact is None else exact + np.log(scale)
            numbers.append((_crps(draws.astype(float), truth.astype(float)) / scale, _mean(exact)))
    found = dict(zip(("crps", "log_score"), np.mean(numbers, 0).tolist()))
    return found | dict(zip(("accuracy", "label_log_score"), np.mean(labels, 0).tolist() if labels else ()))


def _levels(data: Gappy, name: str) -> np.ndarray:
    return np.array(sorted(data.train[name].dropna().unique()), object)


def _mean(values: np.ndarray | None) -> float:
    return float("nan") if values is None else float(np.mean(values))


def _crps(draws: np.ndarray, truth: np.ndarray) -> float:
    """Mean of E|X - x| - E|X - X'| / 2, unbiased for draws (M, N); of one guess its absolute error."""
    error, m = np.abs(draws - truth).mean(), len(draws)
    if m == 1:
        return float(error)
    ranks = (2 * np.arange(1, m + 1) - m - 1)[:, None]
    return float(error - (np.sort(draws, 0) * ranks).sum(0).mean() / (m * (m - 1)))


ENGINES = {"fluvial": by_fluvial, "iterative": by_iterative, "neighbours": by_neighbours, "forests": by_forests}


@app.command
def run(folds: int = FOLDS, sets: str = ",".join(SETS), engines: str = ",".join(ENGINES)):
    """Every cell that is not recorded yet; one that fails says so and is left for the next time."""
    for fold in range(folds):
        for name in sets.split(","):
            for engine in engines.split(","):
                if (name, engine, fold) not in {(r["set"], r["engine"], r["fold"]) for r in lines(RECORD)}:
                    call = [sys.executable, "-m", "benchmarks.tables.imputation", "cell", name, engine, str(fold)]
                    failed = subprocess.run(call, check=False).returncode
                    print(name, engine, fold, "failed" if failed else "done", flush=True)


@app.command
def cell(name: str, engine: str, fold: int):
    """Fill in the gaps of one fold of one table."""
    warnings.simplefilter("ignore")
    data, began = gappy(name, fold), now()
    filled = ENGINES[engine](data, fold)
    found = {k: round(v, 5) for k, v in scored(data, filled).items() if v == v}
    sizes = {"rows": [len(data.train), len(data.test)], "draws": len(filled.draws), "seconds": round(now() - began, 1)}
    append(RECORD, {"set": name, "engine": engine, "fold": fold, "commit": common.commit()} | found | sizes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
