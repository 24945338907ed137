"""How good drawn tables are, measured against rows that nobody learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors

from benchmarks.tables.engines import sdtypes
from benchmarks.tables.real import Split

_QUERIES = 2_000  # rows whose nearest row is looked for
_MOST = 5_000  # drawn, and as many held-out, rows that are compared
_ENOUGH = 2_000  # rows for a two-sample test that is not repeated


def measured(data: Split, drawn: pd.DataFrame, seed: int) -> dict[str, float]:
    """All measures of a drawn table, as many rows as were learnt from."""
    drawn = alike(data, drawn)
    return {
        **similarity(data, drawn),
        "two_sample_auc": two_sample_auc(data, drawn, seed),
        "trained_on": trained_on(data, drawn, seed),
        "nearest": nearest(data, drawn, seed),
    }


def alike(data: Split, drawn: pd.DataFrame) -> pd.DataFrame:
    """The drawn table with labels and numbers as in the real one, however its engine wrote them."""
    drawn = drawn[list(data.train)].reset_index(drop=True).copy()
    for name in drawn:
        if name in data.numbers:
            drawn[name] = pd.to_numeric(drawn[name], errors="coerce").astype(float)
            continue
        known = {_text(v): v for v in data.train[name].dropna().unique()}
        drawn[name] = [None if pd.isna(v) else known.get(_text(v), f"unknown {v}") for v in drawn[name]]
    return drawn


def _text(value: object) -> str:
    """A label's text: 1, 1.0 and "1" are one label, and so are all ways to be missing."""
    if pd.isna(value):
        return "missing"
    text = str(value)
    return text.removesuffix(".0").lower() if text.lower() in ("true", "false") else text.removesuffix(".0")


def similarity(data: Split, drawn: pd.DataFrame) -> dict[str, float]:
    """SDMetrics' column shapes and column-pair trends, 1 at best."""
    from sdmetrics.reports.single_table import QualityReport

    report = QualityReport()
    rows = [frame.sample(min(len(frame), _MOST), random_state=0) for frame in (data.test, drawn)]
    real, drawn = (frame.astype(dict.fromkeys(data.labels, object)) for frame in rows)
    report.generate(real, drawn, {"columns": sdtypes(data)}, verbose=False)
    scores = dict(report.get_properties().set_index("Property")["Score"])
    return {"shapes": float(scores["Column Shapes"]), "pairs": float(scores["Column Pair Trends"])}


def two_sample_auc(data: Split, drawn: pd.DataFrame, seed: int) -> float:
    """Area under the curve with which boosted trees tell drawn from held-out rows, cross-validated: 0.5 at best.

    Of few rows, the mean over several choices of drawn rows and folds.
    """
    n = min(len(data.test), len(drawn), _MOST)
    y, areas = np.repeat((0, 1), n), []
    for part in range(seed, seed + max(1, min(5, _ENOUGH // n))):
        x = features(data, data.test.sample(n, random_state=part), drawn.sample(n, random_state=part))
        scores = np.zeros(2 * n)
        for train, test in StratifiedKFold(5, shuffle=True, random_state=part).split(x, y):
            scores[test] = _trees(seed).fit(x.iloc[train], y[train]).predict_proba(x.iloc[test])[:, 1]
        areas.append(roc_auc_score(y, scores))
    return float(np.mean(areas))


def trained_on(data: Split, drawn: pd.DataFrame, seed: int) -> float:
    """How well boosted trees that learnt from these rows predict the usual target of held-out rows.

    Area under the curve of a target of two labels, else the share of labels that are right.
    """
    left_out = [data.target, *data.twins]
    drawn = drawn[drawn[data.target].notna()]
    x = features(data, drawn, data.test).drop(columns=left_out)
    y, truth = drawn[data.target].map(_text), data.test[data.target].map(_text)
    if y.nunique() < 2:
        return 0.5 if truth.nunique() == 2 else float((truth == y.iloc[0]).mean())
    model = _trees(seed).fit(x.iloc[: len(y)], y)
    held_out = x.iloc[len(y) :]
    if truth.nunique() > 2:
        return float(accuracy_score(truth, model.predict(held_out)))
    positive = sorted(truth.unique())[1]
    chances = model.predict_proba(held_out)[:, list(model.classes_).index(positive)]
    return float(roc_auc_score(truth == positive, chances))


def nearest(data: Split, drawn: pd.DataFrame, seed: int) -> float:
    """Mean distance from drawn rows to the nearest row learnt from, over that of held-out rows: 1 at best.

    Below 1 rows are repeated, above 1 they lie off the data. Numbers count in their standard deviations, two labels
    that differ as one.
    """
    queries = [f.sample(min(len(f), _QUERIES), random_state=seed) for f in (drawn, data.test)]
    table = pd.concat((data.train, *queries), ignore_index=True)
    columns = []
    for name in table:
        known = data.train[name]
        if name in data.numbers:
            scaled = ((table[name] - known.mean()) / known.std()).astype(float)
            columns += [scaled.fillna(0.0), table[name].isna().astype(float)]
        else:
            columns.append(pd.get_dummies(table[name].map(_text)).astype(float) / 2**0.5)
    x = pd.concat(columns, axis=1).to_numpy(np.float32)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(x[: len(data.train)])
    distance = search.kneighbors(x[len(data.train) :])[0][:, 0]
    ours, theirs = distance[: len(queries[0])], distance[len(queries[0]) :]
    return float(ours.mean() / max(theirs.mean(), 1e-12))


def features(data: Split, *frames: pd.DataFrame) -> pd.DataFrame:
    """Frames under one another as boosted trees read them: labels as categories, gaps as gaps."""
    table = pd.concat(frames, ignore_index=True)
    for name in table:
        if name in data.labels:
            table[name] = table[name].map(_text, na_action="ignore").astype("category")
    return table


def _trees(seed: int) -> Any:
    return HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
