"""The default model of mixed tables against laws that are known: likelihood, conditionals, and agreement of orders.

    python -m benchmarks.tables.truths run            # 50,000 rows of each law, two minutes of training
    python -m benchmarks.tables.truths run gaussian --rows 5000 --budget 20s

A record, ``truths-NAME.json``, holds the mean held-out log-likelihood under the truth and under the fit, their paired
difference a column with its standard error, how far the log-probabilities of whole rows in other orders are from those
in the natural one, and, for the Gaussian, the Kolmogorov-Smirnov distances of 10,000 conditional draws to the analytic
conditionals of random subsets (the 1 % point is 0.0163).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from cyclopts import App
from scipy import stats

import fluvial
from benchmarks import common
from benchmarks.common import write_record
from fluvial.core.randomness import drawing_from

HELD_OUT, DRAWS, ORDERS, SUBSETS = 5000, 10_000, 8, 6

app = App(help="Laws that are known, beside what is learnt of them.")
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Truth:
    """Rows of a known law: ``draw`` them, and ``log_prob`` of each (N,), atoms counted as probabilities."""

    draw: Callable[[int, np.random.Generator], Columns]
    log_prob: Callable[[Columns], np.ndarray]


CORRELATED = np.array([[1.0, 0.8, 0.3, -0.2], [0.8, 1.0, 0.1, 0.0], [0.3, 0.1, 1.0, 0.5], [-0.2, 0.0, 0.5, 1.0]])


def _gaussian_rows(n: int, rng: np.random.Generator) -> Columns:
    x = rng.multivariate_normal(np.zeros(4), CORRELATED, n)
    return {f"x{i}": column for i, column in enumerate(x.T)}


def _gaussian_log_prob(rows: Columns) -> np.ndarray:
    return stats.multivariate_normal(np.zeros(4), CORRELATED).logpdf(np.stack(list(rows.values()), 1))


def _messy_rows(n: int, rng: np.random.Generator) -> Columns:
    """A label, and a copy; money, mostly 0; a number whose gaps depend on its own value; heavy tails; a count."""
    label = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    none = rng.random(n) < np.array([0.9, 0.5, 0.2])[label]
    money = np.where(none, 0.0, rng.lognormal(label * 0.5, 0.6, n))
    number = rng.normal(np.where(none, -1.0, 1.0), 1.0)
    number = np.where(rng.random(n) < stats.norm.cdf(number - 1.0), np.nan, number)
    heavy = 2.0 * label + stats.t(3).rvs(n, random_state=rng)
    count = rng.poisson(2.0 + 4.0 * none)
    names = np.array(["a", "b", "c"], dtype=object)[label]
    longer = np.array(["alpha", "beta", "gamma"], dtype=object)[label]
    return {"label": names, "money": money, "number": number, "heavy": heavy, "count": count, "longer": longer}


def _messy_log_prob(rows: Columns) -> np.ndarray:
    label = np.searchsorted(["a", "b", "c"], rows["label"].astype(str))
    money, number, none = rows["money"], rows["number"], rows["money"] == 0
    p = np.log(np.array([0.5, 0.3, 0.2])[label])
    chance = np.array([0.9, 0.5, 0.2])[label]
    paid = stats.lognorm(0.6, scale=np.exp(label * 0.5)).logpdf(np.where(none, 1.0, money))
    p += np.where(none, np.log(chance), np.log1p(-chance) + paid)
    mean = np.where(none, -1.0, 1.0)
    gap = stats.norm.logcdf((mean - 1.0) / np.sqrt(2.0))  # of a Gaussian's probit, in closed form
    seen = stats.norm.logpdf(number, mean) + stats.norm.logcdf(1.0 - number)
    p += np.where(np.isnan(number), gap, seen)
    p += stats.t(3).logpdf(rows["heavy"] - 2.0 * label)
    return p + stats.poisson.logpmf(rows["count"], 2.0 + 4.0 * none)


TRUTHS = {"gaussian": Truth(_gaussian_rows, _gaussian_log_prob), "messy": Truth(_messy_rows, _messy_log_prob)}


@app.command
def run(*names: str, rows: int = 50_000, budget: str = "2m", seed: int = 0) -> None:
    """Fit each law and write a record."""
    for name in names or TRUTHS:
        truth, rng = TRUTHS[name], np.random.default_rng(seed)
        known, new = truth.draw(rows, rng), truth.draw(HELD_OUT, rng)
        model = fluvial.fit(known, "mixed", budget=budget, seed=seed, progress=False)
        right, found = truth.log_prob(new), model.log_prob(new)
        apart, columns = found - right, len(model.schema.columns)
        record: dict[str, Any] = {
            "law": name,
            "rows": rows,
            "columns": columns,
            "epochs": model.record["training"]["epochs"],
            "commit": common.commit(),
            "truth": float(right.mean()),
            "fit": float(found.mean()),
            "difference a column": float(apart.mean() / columns),
            "standard error": float(apart.std(ddof=1) / np.sqrt(HELD_OUT) / columns),
            "orders": _orders(model, new, rng),
        }
        if name == "gaussian":
            record["conditionals"] = _conditionals(model, rng)
        print(record, flush=True)
        write_record(f"truths-{name}", record)


def _orders(model: fluvial.Model, rows: Columns, rng: np.random.Generator) -> dict[str, float]:
    """Other orders beside the natural one: mean difference, and the usual one of a row, nats."""
    x = torch.from_numpy(model.schema.encode(fluvial.data.tables.read(rows)).x)
    density = model.density
    with torch.no_grad():
        natural = density.log_prob(x).double()
        others = [
            density._by_rows(x, None, torch.from_numpy(rng.permutation(x.shape[1]))).double().sum(1)
            for _ in range(ORDERS)
        ]
    apart = torch.stack(others) - natural
    return {"mean": float(apart.mean()), "usual": float(apart.abs().median())}


def _conditionals(model: fluvial.Model, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draws given random subsets beside the analytic Gaussian ones: the largest distance of a column."""
    found = []
    for _ in range(SUBSETS):
        known = np.zeros(4, dtype=bool)
        known[rng.permutation(4)[: rng.integers(1, 4)]] = True
        given = rng.multivariate_normal(np.zeros(4), CORRELATED)
        at = torch.from_numpy(np.tile(np.where(known, given, 0.0), (DRAWS, 1)))
        with drawing_from(int(rng.integers(2**31))):
            drawn = model.density.complete(at, torch.from_numpy(known)).numpy()[:, ~known]
        gain = CORRELATED[np.ix_(~known, known)] @ np.linalg.inv(CORRELATED[np.ix_(known, known)])
        spread = np.sqrt(np.diag(CORRELATED[np.ix_(~known, ~known)] - gain @ CORRELATED[np.ix_(known, ~known)]))
        far = [stats.kstest(c, "norm", args=(m, s)).statistic for c, m, s in zip(drawn.T, gain @ given[known], spread)]
        found.append({"known": np.flatnonzero(known).tolist(), "farthest": round(float(max(far)), 4)})
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
