"""How well a density does on rows it has not seen, in the units that people compare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fluvial.core import Density
from fluvial.core.randomness import drawing_from, draws_by_itself
from fluvial.training import Data, score


def scores(density: Density, data: Data, scales: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Mean log-likelihood of the rows in nats, its standard error, in standardised units, and bits per dimension.

    Args:
        scales: (D,) standard deviations, units of the columns; densities of standardised rows are larger by
            their product. All 1 where the scores are of probabilities, which have no units.
    """
    values = score(density, data.x, data.context, seed).double().numpy()
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return {
        "rows": len(values),
        "log_likelihood": _finite(mean),
        "standard_error": _finite(spread / math.sqrt(len(values))),
        "median": _finite(float(np.median(values))),
        "standardised": _finite(mean + float(np.log(scales).sum())),
        "bits_per_dimension": _finite(-mean / (len(scales) * math.log(2))),
        "exact": density.exact,
    }


def ratio(totals: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """sum(totals) / sum(counts) of N independent rows, and its standard error; NaN for the error of one row.

    >>> ratio(np.array([1.0, 2.0, 3.0]), np.ones(3))
    (2.0, 0.5773502691896258)
    """
    mean, n = float(totals.sum() / counts.sum()), len(totals)
    if n < 2:
        return mean, math.nan
    return mean, float(np.std(totals - mean * counts, ddof=1) / (counts.mean() * math.sqrt(n)))


def fit_closed_form(density: Density, data: Data, seed: int = 0) -> None:
    """Set the parameters of a density that ``initialize`` fits completely; noise is drawn from ``seed``."""
    with drawing_from(seed, draws_by_itself(density)):
        density.eval()
        density.initialize(data.x, data.context)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
