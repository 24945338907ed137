"""Forecasts of statsforecast (AutoETS, AutoARIMA) and the seasonal naive one, as means and deviations of each step."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from statsforecast.models import AutoARIMA, AutoETS, SeasonalNaive

_LEVEL = 80  # percent of the interval that gives the deviation


def statistical(
    past: np.ndarray, season: int, horizon: int, which: tuple[str, ...] = ("SeasonalNaive", "AutoETS", "AutoARIMA")
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means and standard deviations (H, N) of each method, fitted to each of the targets of the past (T, N)."""
    made = {
        "SeasonalNaive": lambda: SeasonalNaive(season),
        "AutoETS": lambda: AutoETS(season),
        "AutoARIMA": lambda: AutoARIMA(season_length=season, max_p=3, max_q=3, max_P=1, max_Q=1, approximation=True),
    }
    found = {}
    for name in which:
        parts = [made[name]().forecast(np.ascontiguousarray(y), horizon, level=[_LEVEL]) for y in past.T]
        wide = ndtri(0.5 + _LEVEL / 200)
        means = np.stack([p["mean"] for p in parts], 1)
        spreads = np.stack([(p[f"hi-{_LEVEL}"] - p[f"lo-{_LEVEL}"]) / (2 * wide) for p in parts], 1)
        found[name] = means, np.maximum(spreads, 1e-12)
    return found


def gaussian(mean: np.ndarray, spread: np.ndarray, paths: int, seed: int) -> np.ndarray:
    """Draws (paths, H, N) of independent normal values."""
    return mean + spread * np.random.default_rng(seed).normal(size=(paths, *mean.shape))
