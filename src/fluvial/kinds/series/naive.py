"""What forecasts without learning come to: the last value, or that of a season ago, and how far it was off."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from fluvial.kinds.series.panel import Panel


def _series(panel: Panel) -> Iterator[np.ndarray]:
    yield from np.split(panel.values, np.cumsum(panel.lengths)[:-1])


def best_lag(values: np.ndarray, seasons: Sequence[int]) -> int:
    """The lag, 1 or a season, whose value is nearest to what comes, by the mean absolute error; values (T,)."""
    lags = [lag for lag in (1, *seasons) if lag < len(values)]
    errors = [
        float(np.nanmean(np.abs(values[lag:] - values[:-lag]))) if _any(values, lag) else math.inf for lag in lags
    ]
    return lags[int(np.argmin(errors))] if lags else 1


def _any(values: np.ndarray, lag: int) -> bool:
    return bool((~np.isnan(values[lag:] - values[:-lag])).any())


def naive_log_prob(panel: Panel, train: np.ndarray, first: np.ndarray, seasons: Sequence[int]) -> float:
    """Mean log p of the steps from ``first`` (M,) on, nats: each value Gaussian about that of the best lag.

    Lags and variances are those of the steps before ``train`` (M,), of each series and target; steps with a missing
    value, or none to go on from, add nothing.
    """
    total, steps = 0.0, 0
    for values, learnt, begin in zip(_series(panel), train.tolist(), first.tolist()):
        steps += len(values) - begin
        for column in values.T:
            lag = best_lag(column[:learnt], seasons)
            moves = column[lag:] - column[:-lag]
            known = moves[: max(learnt - lag, 0)]
            variance = float(np.nanmean(known**2)) if (~np.isnan(known)).any() else math.nan
            judged = moves[max(begin - lag, 0) :]
            judged = judged[~np.isnan(judged)]
            if variance > 0:
                total += float((-0.5 * (judged**2 / variance + math.log(2 * math.pi * variance))).sum())
    return total / steps if steps else math.nan


def naive_forecast(past: np.ndarray, season: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """The seasonal naive forecast of one series (T,): means and standard deviations of the next steps, (H,) each.

    The value of a season ago, repeated; its error grows with the square root of the seasons ahead (Hyndman and
    Athanasopoulos 2021, Forecasting: Principles and Practice, section 5.5).
    """
    season = season if season < len(past) else 1
    filled = past[~np.isnan(past)]
    last = past[-season:]
    last = np.where(np.isnan(last), filled[-1] if len(filled) else 0.0, last)
    moves = past[season:] - past[:-season]
    spread = float(np.sqrt(np.nanmean(moves**2))) if (~np.isnan(moves)).any() else 0.0
    ahead = np.arange(horizon)
    return last[ahead % season], spread * np.sqrt(ahead // season + 1)
