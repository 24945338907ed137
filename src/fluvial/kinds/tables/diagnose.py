"""How far a fitted density can be trusted, in numbers: from held-out rows and as many samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core import Density, Flow, batched
from fluvial.examine.calibration import Calibration, Latent, calibrate, latent
from fluvial.examine.noise import behind_noise
from fluvial.examine.round_trip import RoundTrip, trip_of
from fluvial.examine.two_sample import (
    spread,
)
from fluvial.kinds.tables.baseline import baseline
from fluvial.kinds.tables.drawn import Drawn, array, compare, some
from fluvial.training import Data, score
from fluvial.transforms import Columns

TOLERANCE = 1e-3  # of a column's standard deviation: a round trip that misses by more has failed


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of held-out rows, nats per row.

    Args:
        rows: how many; ``impossible`` of them the model holds to be impossible (log p is not finite).
        mean, standard_error, median: in data units.
        trimmed_mean: without the lowest and the highest 1 %.
        worst, worst_row: the lowest, and its position.
        standardised: the mean in units of the columns' standard deviations.
        bits_per_dimension: -mean / (D log 2), data units.
        log_p: (N,).
    """

    rows: int
    impossible: int
    mean: float
    standard_error: float
    median: float
    trimmed_mean: float
    worst: float
    worst_row: int
    standardised: float
    bits_per_dimension: float
    log_p: np.ndarray


@dataclass(frozen=True)
class Diagnosis(Drawn):
    """Everything the report says of a model. Entries that do not apply are None.

    Args:
        exact: False where log-likelihoods are lower bounds.
        baseline: the likelihood of the yardstick ``baseline_name`` on the same rows; ``gain`` is the mean
            difference per row with its standard error.
        training: the likelihood of training rows, as many as were held out.
    """

    exact: bool
    likelihood: Likelihood
    baseline_name: str
    baseline: Likelihood
    gain: tuple[float, float]
    training: Likelihood
    calibration: Calibration | None
    latent: Latent | None
    round_trip: RoundTrip | None
    round_trip_of_samples: RoundTrip | None


def diagnose(
    density: Density, train: Data, held_out: Data, names: Sequence[str], *, rows: int = 2500, seed: int = 0
) -> Diagnosis:
    """Examine ``density`` with rows that it was not trained on, and with as many samples.

    Args:
        names: of the D columns.
        rows: held-out rows, at most, that samples are compared with; likelihoods use all of them.

    Raises:
        DataError: fewer than ten held-out rows.
        UsageError: scikit-learn, whose classifiers judge the samples, is not installed.
    """
    drawn = compare(density, train, held_out, rows=rows, seed=seed)
    scale = np.ones(train.x.shape[1]) if drawn.discrete or drawn.mixed else spread(array(train.x))
    log_p = array(score(density, held_out.x, held_out.context, seed))
    simple = baseline(density, train)
    reference = array(score(simple.density, held_out.x, _double(held_out.context), seed))
    known = some(train, len(held_out), seed)
    given = None if drawn.context is None else torch.from_numpy(drawn.context)
    samples = Data(torch.from_numpy(drawn.samples), given)
    calibration = calibrate(density, held_out, names, seed)
    return Diagnosis(
        **vars(drawn),
        exact=density.exact,
        likelihood=likelihood(log_p, scale),
        baseline_name=simple.name,
        baseline=likelihood(reference, scale),
        gain=_paired(log_p, reference),
        training=likelihood(array(score(density, known.x, known.context, seed)), scale),
        calibration=calibration,
        latent=None if calibration is None else latent(calibration.u),
        round_trip=round_trip(density, held_out, scale, seed),
        round_trip_of_samples=round_trip(density, samples, scale, seed),
    )


def likelihood(log_p: np.ndarray, scale: np.ndarray) -> Likelihood:
    """Summarise log p (N,) of rows whose columns have standard deviations ``scale`` (D,)."""
    log_p = np.where(np.isfinite(log_p), log_p, -np.inf)
    n, impossible = len(log_p), int(np.isinf(log_p).sum())
    ordered = np.sort(log_p)
    cut = n // 100
    mean = float(ordered.mean())
    return Likelihood(
        rows=n,
        impossible=impossible,
        mean=mean,
        standard_error=math.inf if impossible else float(ordered.std(ddof=1) / math.sqrt(n)),
        median=float(np.median(ordered)),
        trimmed_mean=float(ordered[cut : n - cut].mean()),
        worst=float(ordered[0]),
        worst_row=int(log_p.argmin()),
        standardised=mean + float(np.log(scale).sum()),
        bits_per_dimension=-mean / (len(scale) * math.log(2)),
        log_p=log_p,
    )


def round_trip(density: Density, data: Data, scale: np.ndarray, seed: int = 0) -> RoundTrip | None:
    """Send rows to their noise and back; None for densities that have no inverse.

    Gridded columns are followed behind their noise, in the numbers that the flow sees, and counted on the grid.
    """
    if not isinstance(density, Flow):
        return None
    flow, rows = behind_noise(density, data, seed)
    back = batched.decode(flow, batched.encode(flow, rows.x, rows.context, seed), rows.context, seed)
    unit = scale if flow is density else 1.0
    errors = np.abs(array(back) - array(rows.x)) / unit
    return trip_of(errors, TOLERANCE, None if density.transform.bijective else _changed(density, data, seed))


def _changed(density: Flow, data: Data, seed: int) -> int:
    back = batched.decode(density, batched.encode(density, data.x, data.context, seed), data.context, seed)
    gridded = torch.ones(data.x.shape[1], dtype=torch.bool)
    if isinstance(density.transform, Columns):
        gridded = torch.tensor([m.step is not None for m in density.transform.maps])
    return int(((back != data.x) & gridded).any(1).sum())


def _paired(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Mean difference of two models on the same rows, and its standard error."""
    both = np.isfinite(a) & np.isfinite(b)
    if not both.all():
        return math.nan, math.inf
    return float((a - b).mean()), float((a - b).std(ddof=1) / math.sqrt(len(a)))


def _double(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.double()
