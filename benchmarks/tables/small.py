"""Small tables: the default fit beside what a statistician would try, on twelve sets, five splits each.

    python -m benchmarks.tables.small fit iris wine       # the default fit of each, with its report's checks
    python -m benchmarks.tables.small peers iris wine     # a Gaussian, a mixture by BIC, a kernel density
    python -m benchmarks.tables.small zuko iris wine      # zuko's NSF with early stopping
    python -m benchmarks.tables.small page                # all records side by side, docs/small-tables.md

A split is that of ``fluvial.fit`` with this seed: a tenth of the rows judges, a tenth stops the training, and peers
that need no stopping get both other parts. Everybody is judged by log-probabilities of the cells in which values were
recorded (7.4 is from 7.35 to 7.45), divided by their widths: peers learn rows spread over their cells, and the mean
density of a cell is that of 64 points in it. Labels are whole numbers to them. Rows with missing cells are left out.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from cyclopts import App

import fluvial
from benchmarks import common
from benchmarks.common import DOCS, RECORDS, data_folder, write_record
from fluvial.kinds.parts import Parts
from fluvial.kinds.tables.diagnose import diagnose
from fluvial.kinds.tables.verdict import judge
from fluvial.training import Data, score
from fluvial.training import train as train_by
from fluvial.transforms.laws import Laws

SPLITS, POINTS = 5, 64
SETS = ("iris", "wine", "diabetes", "breast_cancer", "banknote", "housing", "ionosphere", "redwine", "abalone")
SETS += ("penguins", "mpg", "tips")
_FILES = {
    "banknote": "uci-small/banknote_authentication.csv",
    "housing": "uci-small/housing.csv",
    "ionosphere": "uci-small/ionosphere.csv",
    "redwine": "uci-small/winequality-red.csv",
    "abalone": "uci-small/abalone.csv",
    "penguins": "mixed/penguins.csv",
    "mpg": "mixed/mpg.csv",
    "tips": "mixed/tips.csv",
}
_NAMED = ("penguins", "mpg", "tips")  # files with a header

Score = Callable[[np.ndarray], np.ndarray]

app = App(help="Small tables, beside what a statistician would try.")


def table_of(name: str) -> pd.DataFrame:
    """The rows without missing cells; names are left out."""
    if name in _FILES:
        frame = pd.read_csv(data_folder() / _FILES[name], header=0 if name in _NAMED else None)
        frame.columns = [str(c) for c in frame.columns]
        return frame.drop(columns="name", errors="ignore").dropna().reset_index(drop=True)
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True, **({"scaled": False} if name == "diabetes" else {}))
    if name == "diabetes":
        return bunch.frame
    labels = bunch.frame["target"].map(dict(enumerate(map(str, bunch.target_names))))
    return bunch.frame.assign(target=labels)


def numbers_of(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows (N, D), labels as whole numbers, and the widths (D,) of the cells that values were recorded in."""
    columns, widths = [], []
    for name in frame:
        column = frame[name]
        if not pd.api.types.is_numeric_dtype(column):
            columns.append(pd.factorize(column, sort=True)[0].astype(float))
            widths.append(1.0)
            continue
        values = column.to_numpy(float)
        digits = next((d for d in range(9) if np.allclose(values, np.round(values, d), rtol=0, atol=1e-9)), 9)
        columns.append(values)
        widths.append(10.0**-digits)
    return np.stack(columns, 1), np.array(widths)


@app.command
def fit(*names: str) -> None:
    """The default fit of tables, and what its report says of the density."""
    for name in names or SETS:
        frame = table_of(name)
        widths = dict(zip(frame.columns, numbers_of(frame)[1]))
        runs = [_fitted(frame, widths, seed) for seed in range(SPLITS)]
        _write(name, "default", runs)


def _fitted(frame: pd.DataFrame, widths: dict[str, float], seed: int) -> dict[str, Any]:
    started = time.process_time()
    model = fluvial.fit(frame, seed=seed)
    seconds = time.process_time() - started
    names, rows = (
        model.schema.names,
        (Data(torch.from_numpy(model.rows[f"{part}.x"])) for part in ("train", "held_out")),
    )
    checks = [c for c in judge(diagnose(model.density, *rows, names, seed=seed), names) if c.topic == "density"]
    return {
        "seed": seed,
        "model": model.record["model"]["model"],
        "parameters": model.record["sizes"]["parameters"],
        "epochs": model.record["training"]["epochs"],
        "seconds": round(seconds, 1),
        "scores": _scores(model, widths),
        "density": {level: [c.sentence for c in checks if c.level == level] for level in ("fail", "warn")},
    }


def _scores(model: fluvial.Model, widths: dict[str, float]) -> list[float]:
    """log-probability of each held-out row per unit of its cells."""
    x = torch.from_numpy(model.rows["held_out.x"])
    density = model.density
    with torch.no_grad():
        if not hasattr(density, "laws"):
            return [round(v, 4) for v in model.log_prob_rows(x.numpy()).tolist()]
        parts, atom = density.parts(x).double(), Laws(density.laws.laws).read(x).atom
    for i, (column, law) in enumerate(zip(model.schema.columns, density.laws.laws)):
        if not law.labels and law.step is None:  # a spike off any grid has a probability, not one per unit
            parts[:, i] -= torch.where(atom[:, i] >= 0, math.log(widths[column.name]), 0.0)
    return [round(v, 4) for v in parts.sum(1).tolist()]


@app.command
def peers(*names: str) -> None:
    """Closed forms and kernels."""
    for name in names or SETS:
        _compare(name, {"gaussian": _gaussian, "gmm": _mixture, "kde": _kernels})


@app.command
def zuko(*names: str) -> None:
    """zuko's neural spline flow as its README builds it, stopped by the rows that stop fluvial."""
    for name in names or SETS:
        _compare(name, {"zuko": _spline_flow})


def _compare(name: str, models: dict[str, Callable[[np.ndarray, np.ndarray], Score]]) -> None:
    x, widths = numbers_of(table_of(name))
    for peer, learn in models.items():
        runs = []
        for seed in range(SPLITS):
            parts, started = Parts.of(len(x), 0.1, seed), time.process_time()
            scores = _judged(x, widths, parts, learn, seed)
            seconds = round(time.process_time() - started, 1)
            runs.append({"seed": seed, "seconds": seconds, "scores": [round(float(v), 4) for v in scores]})
        _write(name, peer, runs)


def _judged(
    x: np.ndarray, widths: np.ndarray, parts: Parts, learn: Callable[[np.ndarray, np.ndarray], Score], seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    known = np.concatenate((parts.train, parts.validation))
    spread = x[known] + widths * (rng.random((len(known), x.shape[1])) - 0.5)
    location, scale = spread.mean(0), spread.std(0)
    scaled = (spread - location) / scale
    score = learn(scaled[: len(parts.train)], scaled[len(parts.train) :])
    test = x[parts.test]
    points = (test + widths * (rng.random((POINTS, *test.shape)) - 0.5) - location) / scale
    each = score(points.reshape(-1, x.shape[1])).reshape(POINTS, -1)
    return np.logaddexp.reduce(each, 0) - math.log(POINTS) - np.log(scale).sum()


def _gaussian(train: np.ndarray, stop: np.ndarray) -> Score:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(1).fit(np.concatenate((train, stop))).score_samples


def _mixture(train: np.ndarray, stop: np.ndarray) -> Score:
    """Of 1 to 10 components and every kind of covariance, the one that BIC prefers."""
    from sklearn.mixture import GaussianMixture

    x = np.concatenate((train, stop))
    found = [
        GaussianMixture(k, covariance_type=kind, random_state=0).fit(x)
        for kind in ("full", "tied", "diag", "spherical")
        for k in range(1, 11)
    ]
    return min(found, key=lambda m: m.bic(x)).score_samples


def _kernels(train: np.ndarray, stop: np.ndarray) -> Score:
    """Gaussian kernels, the bandwidth by cross-validation."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity

    x = np.concatenate((train, stop))
    search = GridSearchCV(KernelDensity(), {"bandwidth": np.logspace(-2, 0.5, 20)}, cv=5)
    return search.fit(x).best_estimator_.score_samples


def _spline_flow(train: np.ndarray, stop: np.ndarray) -> Score:
    from benchmarks.tables.fidelity import README
    from benchmarks.tables.peers import zuko_readme

    torch.manual_seed(0)
    density = zuko_readme(train.shape[1])
    rows = (Data(torch.from_numpy(part).float()) for part in (train, stop))
    for _ in train_by(density, *rows, README):
        pass
    return lambda x: score(density, torch.from_numpy(x).float(), None).double().numpy()


def _write(name: str, model: str, runs: list[dict[str, Any]]) -> None:
    mean = np.mean(np.concatenate([run["scores"] for run in runs]))
    print(f"{name} {model}: {mean:.3f}, {np.mean([run['seconds'] for run in runs]):.1f} s", flush=True)
    write_record(f"small-{name}-{model}", {"set": name, "model": model, "commit": common.commit(), "runs": runs})


INTRODUCTION = """# Small tables

Written by `python -m benchmarks.tables.small page`, from `benchmarks/records/small-*.json`.

Small tables, five splits each: the default fit, `fluvial fit FILE` and nothing else, beside a
Gaussian, scikit-learn's GaussianMixture with the number of components and the kind of covariance that BIC prefers, a
kernel density with its bandwidth by cross-validation, and zuko's NSF as its README builds it, stopped early. Everybody
learns from the same nine tenths of the rows and is judged by the other tenth, in nats a row: log-probabilities of the
cells that values were recorded in, per unit. Peers see labels as whole numbers, and all values spread over their cells.
A positive difference is in the default's favour; behind it its standard error over all judging rows. The last columns
say in how many of the splits the report's checks of the density fail, or warn, beyond saying that few rows judge it,
and how many seconds of one core a fit takes. What is not there was not measured.
"""


@app.command
def page() -> None:
    """Write the documentation's page from the records: the default's mean, and how far it is ahead of each peer."""
    names = ("gaussian", "gmm", "kde", "zuko")
    lines = ["| table | rows | default | " + " | ".join(names) + " | fails | warns | s |", "|---" * 10 + "|"]
    for name in SETS:
        if (own := _record(name, "default")) is None:
            continue
        mean = np.mean(np.concatenate([run["scores"] for run in own["runs"]]))
        levels = [sum(bool(_told(run["density"][level])) for run in own["runs"]) for level in ("fail", "warn")]
        seconds = np.mean([run["seconds"] for run in own["runs"]])
        cells = [name, f"{len(table_of(name)):,}", f"{mean:.2f}", *(_ahead(own, _record(name, peer)) for peer in names)]
        lines.append("| " + " | ".join([*cells, *map(str, levels), f"{seconds:.0f}"]) + " |")
    (DOCS / "small-tables.md").write_text(INTRODUCTION + "\n" + "\n".join(lines) + "\n")
    print("\n".join(lines))


def _told(sentences: list[str]) -> list[str]:
    """What is not only that there are few rows."""
    return [s for s in sentences if "held-out rows judge it" not in s]


def _ahead(own: dict[str, Any], peer: dict[str, Any] | None) -> str:
    """By how much the default is ahead, over all judging rows."""
    if peer is None:
        return ""
    differences = np.concatenate([np.subtract(a["scores"], b["scores"]) for a, b in zip(own["runs"], peer["runs"])])
    return f"{differences.mean():+.2f} ± {differences.std(ddof=1) / len(differences) ** 0.5:.2f}"


def _record(name: str, model: str) -> dict[str, Any] | None:
    path = RECORDS / f"small-{name}-{model}.json"
    return json.loads(path.read_text()) if path.exists() else None


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
