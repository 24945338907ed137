"""The report on a model of series."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fluvial.core.errors import RunError, UsageError
from fluvial.examine.drawing import training_curve
from fluvial.examine.page import Report, Sentences, numbers
from fluvial.examine.verdict import BEYOND, SIGMAS, Check, few, graded, skipped_steps, z_of, z_score
from fluvial.kinds.scores import how_sure
from fluvial.kinds.series.backtest import Backtest, backtested
from fluvial.kinds.series.figures import by_step, calibration, fan
from fluvial.kinds.series.model import SeriesModel

_MOST, _PATHS = 40, 200  # forecasts that are made, and paths of each
_TOPICS: dict[str, Sentences] = {
    "density": (
        "Its probabilities of the next step can be trusted.",
        "Use its probabilities of the next step with care.",
        "Do not rely on its probabilities yet.",
    ),
    "forecasts": (
        "Its forecasts can be trusted.",
        "Use its forecasts with care.",
        "Its forecasts are no better than repeating the past.",
    ),
    "numerics": ("Its training was steady.", "Its training was not steady.", "Its training was not steady."),
}
_KS = 0.1  # largest distance of a distribution from the uniform that is no failure
_OFF = 0.1  # share of the values by which an interval may be off


def series_report(model: SeriesModel) -> Report:
    """Examine ``model`` in the steps that were held out.

    Raises:
        RunError: there are none, or too few for a forecast.
    """
    seed = int(model.record.get("seed") or 0)
    if not model.rows["past.scored"].any():
        raise RunError("no steps were held out to compare with: fit with a holdout")
    try:
        found = backtested(model, None, None, _PATHS, seed, _MOST)
    except UsageError as error:
        raise RunError(str(error)) from None
    noise = model.noise(model.past, model.past.lengths - model.rows["past.scored"], seed)
    figures = {"fan": fan(model, found), "steps": by_step(found), "calibration": calibration(noise, found)}
    curve = training_curve(model.metrics, "nats a step", -1.0)
    if curve is not None:
        figures["training"] = curve
    checks = (*_density(model, noise), *_forecasts(found), *skipped_steps(model.record["training"]["skipped"]))
    told = {"steps": {k: numbers(v) for k, v in found.columns.items()}, "windows": len(found.crps)}
    return Report(checks, _TOPICS, figures, told, _facts(model, found), f"{__package__}/report.html.j2")


def _density(model: SeriesModel, noise: np.ndarray) -> Iterator[Check]:
    """The next step: likelihood beside a naive one, and its noise against the uniform."""
    scores, held_out = model.record["scores"], int(model.record["sizes"]["held_out"])
    yield from few("density", held_out, "steps")
    own, naive = scores["held_out"], scores["naive"]
    if own and naive is not None:
        better, error = own["per_step"] - naive, own["standard_error"] or math.nan
        z = z_score(better, 0.0, error) if error == error else 0.0
        level = "pass" if z > SIGMAS else "fail" if z < -SIGMAS else "warn"
        said = "likelier" if better > 0 else "less likely"
        told = (
            f"A held-out step is {abs(better):.2f} nats {said} than by Gaussian moves from the last value or that of "
        )
        told += f"a season ago {how_sure(error, z)}."
        rule = f"pass if likelier by {SIGMAS:g} standard errors; fails if less likely by as many"
        yield Check("density", level, told, rule, "underfitted")
    yield from _uniform(model, noise)


def _uniform(model: SeriesModel, noise: np.ndarray) -> Iterator[Check]:
    from scipy import stats

    for name, column in zip(model.targets, noise.T):
        there = column[np.isfinite(column)]
        if len(there) < 2:
            continue
        test: Any = stats.kstest(there, "uniform", method="asymp")
        level = graded(z_of(float(test.pvalue), noise.shape[1]), float(test.statistic), _KS)
        told = f"Where values of {name!r} fall in their distribution given the past is "
        told += "uniform, as it should be" if level == "pass" else "not uniform"
        told += f" (Kolmogorov-Smirnov {test.statistic:.3f}, p {test.pvalue:.2g}, {len(there):,} steps)."
        rule = f"{BEYOND} (Bonferroni for {noise.shape[1]}); fail if the distance is above {_KS:g} too"
        yield Check("density", level, told, rule, "misfit")


def _forecasts(found: Backtest) -> Iterator[Check]:
    """Several steps ahead: skill beside seasonal naive, intervals, and sums and maxima over the steps."""
    n, steps = found.crps.shape[:2]
    if n < 10:
        told = f"Only {n} forecasts of {steps} steps fit in the held-out steps."
        yield Check("forecasts", "warn", told, "warn below 10 forecasts", "few")
    skill, error = found.skill()
    z = z_score(skill, 0.0, error) if error == error else 0.0
    level = "pass" if z > SIGMAS else "fail" if z < -SIGMAS else "warn"
    told = f"Its CRPS, the distance of forecasts from what came, is {abs(100 * skill):.0f} % "
    said = "smaller" if skill > 0 else "larger"
    told += f"{said} than that of seasonal naive forecasts {how_sure(100 * error, z, 0)}."
    rule = f"pass if smaller by {SIGMAS:g} standard errors; fails if larger by as many"
    yield Check("forecasts", level, told, rule, "underfitted")
    inside = np.nanmean(found.inside.reshape(n, -1), 1)
    share, error = float(np.nanmean(inside)), float(np.nanstd(inside, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    z = z_score(share, 0.8, error) if error == error else 0.0
    told = f"{100 * share:.0f} % of the values lie in the 80 % interval {how_sure(100 * error, z, 0)}."
    rule = f"{BEYOND}; fail if off by more than {100 * _OFF:g} points too"
    yield Check("forecasts", graded(z, abs(share - 0.8), _OFF), told, rule, "misfit")
    yield from _events(found)


def _events(found: Backtest) -> Iterator[Check]:
    """Sums and maxima over the steps ahead: whether their probabilities hold, at every level at once."""
    from scipy import stats

    for i, what in enumerate(("sum", "maximum")):
        shares = found.paths[:, i].ravel()
        shares = shares[np.isfinite(shares)]
        if len(shares) < 10:
            continue
        test: Any = stats.kstest(shares, "uniform", method="asymp")
        level = graded(z_of(float(test.pvalue), 2), float(test.statistic), 2 * _KS)
        told = f"Probabilities of the {what} over the steps ahead {'hold' if level == 'pass' else 'do not hold'} at "
        told += (
            f"all levels together (Kolmogorov-Smirnov {test.statistic:.2f}, p {test.pvalue:.2g}, {len(shares)} cases)."
        )
        yield Check("forecasts", level, told, f"{BEYOND}; fail if the distance is above {2 * _KS:g} too", "misfit")


def _facts(model: SeriesModel, found: Backtest) -> dict[str, Any]:
    scores, sizes = model.record["scores"], model.record["sizes"]
    table = found.columns
    steps = len(table["step"])
    shown = sorted({0, steps // 4, steps // 2, 3 * steps // 4, steps - 1})
    rows = [[int(table["step"][t]), *(float(table[k][t]) for k in list(table)[1:])] for t in shown]
    return {
        "model": model,
        "sizes": sizes,
        "held_out": scores["held_out"],
        "naive": scores["naive"],
        "windows": len(found.crps),
        "steps": steps,
        "rows": rows,
    }
