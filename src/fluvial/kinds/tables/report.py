"""The report: one page that says how far a model can be trusted, its figures, and its numbers as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fluvial.core import RunError, Sampler
from fluvial.data.columns import Column
from fluvial.examine.page import Report, Sentences, number, numbers, plus_minus
from fluvial.kinds.tables.baseline import COVARIANCE
from fluvial.kinds.tables.diagnose import TOLERANCE, Diagnosis, Likelihood, diagnose
from fluvial.kinds.tables.drawn import compare
from fluvial.kinds.tables.model import Model, why_bound
from fluvial.kinds.tables.verdict import judge, judge_draws
from fluvial.training import Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOPICS: dict[str, Sentences] = {
    "density": (
        "Its densities can be trusted.",
        "Use its densities with care.",
        "Do not rely on its densities.",
    ),
    "sampling": (
        "Its samples look like the data.",
        "Look closely before you use its samples.",
        "Its samples differ from the data.",
    ),
    "numerics": (
        "Its arithmetic holds.",
        "Its arithmetic holds, with exceptions.",
        "Its arithmetic fails on some rows.",
    ),
}
_LISTED = 200  # columns in the data table at most
_SCORES = (
    ("standardised units, nats", "standardised"),
    ("bits per dimension (−log₂ p / D), data units", "bits_per_dimension"),
    ("median, nats, data units", "median"),
)
_MIXED = (("median, nats", "median"),)  # neither bits nor standard deviations add up over labels and numbers
_PROBABILITIES = (("bits per column (−log₂ P / D)", "bits_per_dimension"), ("median, nats", "median"))


def table_report(model: Model) -> Report:
    """Examine ``model`` with the rows that its run kept.

    Raises:
        RunError: the run kept no rows.
    """
    train, held_out = _rows(model, "train"), _rows(model, "held_out")
    if train is None:
        raise RunError("the run has kept no rows to examine the model with: fit it again to get a report")
    truly = held_out is not None
    if held_out is None:
        train, held_out = _halves(train)
    names = model.schema.names
    if isinstance(model.density, Sampler):
        return _of_draws(model, train, held_out, truly)
    diagnosis = diagnose(model.density, train, held_out, names, seed=int(model.record.get("seed") or 0))
    skipped = int(_at(model.record, "training", "skipped") or 0)
    checks = judge(diagnosis, names, skipped)
    content = {"columns": list(names), "diagnosis": numbers(diagnosis)}
    facts = {"d": diagnosis, **_facts(model, diagnosis, train, truly)}
    return Report(checks, _TOPICS, _figures(model, diagnosis), content, facts, f"{__package__}/report.html.j2")


def _of_draws(model: Model, train: Data, held_out: Data, truly: bool) -> Report:
    """The report of a model that only draws: the checks that need a density are left out."""
    from fluvial.examine import drawing
    from fluvial.kinds.tables import figures

    d = compare(model.density, train, held_out, seed=int(model.record.get("seed") or 0))
    labels, columns = [_label(c) for c in model.schema.columns], model.schema.columns
    drawn: dict[str, Figure | None] = {
        "pairs": figures.pairs(d, labels, _numbers(columns)),
        "marginals": figures.marginals(d, labels, [c.categories for c in columns]),
        "training": drawing.training_curve(model.metrics, "energy distance", 1.0),
        "memorisation": drawing.memorisation(d.memorisation, "row", "standard deviations"),
    }
    checks = judge_draws(d, model.schema.names, int(_at(model.record, "training", "skipped") or 0))
    shown = {name: figure for name, figure in drawn.items() if figure is not None}
    content = {"columns": list(model.schema.names), "diagnosis": numbers(d)}
    facts = {"d": d, "held_out": truly}
    return Report(checks, _TOPICS, shown, content, facts, f"{__package__}/sampled.html.j2")


def _figures(model: Model, d: Diagnosis) -> dict[str, Figure]:
    from fluvial.examine import drawing
    from fluvial.kinds.tables import figures

    labels = [_label(c) for c in model.schema.columns]
    drawn: dict[str, Figure | None] = {
        "training": drawing.training_curve(model.metrics, "nats a row", -1.0),
        "pairs": None if d.discrete else figures.pairs(d, labels, _numbers(model.schema.columns)),
        "rows": figures.rows(d, labels) if d.discrete else None,
        "dependence": figures.dependence(d) if d.discrete else None,
        "marginals": figures.marginals(d, labels, [c.categories for c in model.schema.columns]),
        "calibration": None if d.calibration is None else figures.calibration(d.calibration),
        "noise": None if d.latent is None else figures.noise(d.latent),
        "round_trip": _round_trip(d),
        "memorisation": drawing.memorisation(d.memorisation, "row", "standard deviations"),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _round_trip(d: Diagnosis) -> Figure | None:
    """None for densities without an inverse."""
    from fluvial.examine import drawing

    if d.round_trip is None or d.round_trip_of_samples is None:
        return None
    return drawing.round_trip(d.round_trip, d.round_trip_of_samples, TOLERANCE, "row", "standard deviations")


def _facts(model: Model, d: Diagnosis, train: Data, held_out: bool) -> dict[str, Any]:
    """What the page says besides the diagnosis."""
    sizes = model.record.get("sizes") or {}
    counts = {"train": sizes.get("train") or len(train), "held_out": sizes.get("held_out") or d.likelihood.rows}
    seen, columns = d.likelihood.rows, _columns(model, train)
    return {
        "quantity": "log-probability" if d.discrete else "log-density",
        "why_bound": why_bound(model.density),
        "held_out": held_out,
        "rows": {
            "train": f"{counts['train']:,}",
            "held_out": f"{counts['held_out']:,}" if held_out else "no",
            "examined": f"{seen:,}" if held_out and seen < counts["held_out"] else "",
        },
        "columns": columns[:_LISTED],
        "unlisted": max(0, len(columns) - _LISTED),
        "units": any(c["unit"] for c in columns),
        "gaps": any(c["missing"] for c in columns),
        "context_columns": model.schema.context,
        "scores": _scores(model, d),
        "covariance": d.x.shape[1] <= COVARIANCE,
        "gain": plus_minus(*d.gain),
        "detectable": f"{100 * 1.63 * math.sqrt(2 / len(d.x)):.0f} %",
    }


def _scores(model: Model, d: Diagnosis) -> list[tuple[str, list[str]]]:
    """The table of likelihoods, from the whole held-out set where the fit recorded it."""
    kept = [_kept(model.record, key, likelihood) for key, likelihood in _likelihoods(d)]
    mean = [plus_minus(s["log_likelihood"], s["standard_error"]) for s in kept]
    shown = _MIXED if d.mixed else _PROBABILITIES if d.discrete else _SCORES
    rest = [(label, [number(s[key]) for s in kept]) for label, key in shown]
    unit = "" if d.discrete or d.mixed else "data units, "
    return [(f"{unit}nats ± standard error", mean), *rest, ("rows", [f"{s['rows']:,}" for s in kept])]


def _likelihoods(d: Diagnosis) -> tuple[tuple[str, Likelihood], ...]:
    return ("held_out", d.likelihood), ("baseline", d.baseline), ("train", d.training)


def _kept(record: Mapping[str, Any], key: str, likelihood: Likelihood) -> dict[str, Any]:
    return _at(record, "scores", key) or {**asdict(likelihood), "log_likelihood": likelihood.mean}


def _columns(model: Model, train: Data) -> list[dict[str, Any]]:
    """One row of the data table for each column."""
    described = [_described(c, "modelled", train.x[:, i].numpy()) for i, c in enumerate(model.schema.columns)]
    if train.context is not None:
        for i, c in enumerate(model.schema.context):
            described.append(_described(c, "context", train.context[:, i].numpy()))
    described += [_described(left.column, "left out", np.empty(0)) for left in model.schema.dropped]
    return described


def _described(column: Column, role: str, values: np.ndarray) -> dict[str, Any]:
    low = median = high = None
    missing = float(np.isnan(values).mean()) if len(values) else 0.0
    if missing < 1 and len(values) and not column.categories:
        low, median, high = (float(v) for v in np.nanquantile(values, [0, 0.5, 1]))
    return {
        "name": column.name,
        "role": role,
        "kind": column.kind,
        "unit": column.unit,
        "low": low,
        "median": median,
        "high": high,
        "support": _support(column),
        "missing": f"{100 * missing:.2g} %" if missing else "",
    }


def _support(column: Column) -> str:
    if column.categories:
        return ", ".join(map(str, column.categories[:12])) + (" …" if len(column.categories) > 12 else "")
    parts: list[str] = []
    if column.lower is not None or column.upper is not None:
        low, high = (number(v) if v is not None else "∞" for v in (column.lower, column.upper))
        parts.append(f"{'−' if column.lower is None else ''}{low} to {high}")
    if column.step is not None:
        parts.append(f"steps of {number(column.step)}")
    return ", ".join(parts)


def _numbers(columns: Sequence[Column]) -> tuple[int, ...]:
    """Which of the columns hold numbers, whose correlations mean something."""
    return tuple(i for i, c in enumerate(columns) if not c.categorical)


def _label(column: Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit else column.name


def _rows(model: Model, name: str) -> Data | None:
    x, context = model.rows.get(f"{name}.x"), model.rows.get(f"{name}.context")
    if x is None or not len(x):
        return None
    return Data(torch.from_numpy(x), None if context is None else torch.from_numpy(context))


def _halves(data: Data) -> tuple[Data, Data]:
    """Rows to compare with where none were held out: every other one."""
    first, second = (Data(data.x[i::2], None if data.context is None else data.context[i::2]) for i in (0, 1))
    return first, second


def _at(record: Mapping[str, Any], outer: str, inner: str) -> Any:  # noqa: ANN401
    return (record.get(outer) or {}).get(inner)
