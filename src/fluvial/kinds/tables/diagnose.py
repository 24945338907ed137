"""How far a fitted density can be trusted, in numbers: from held-out rows and as many samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core import DataError, Density, Flow, UsageError, batched
from fluvial.examine.calibration import Calibration, Latent, calibrate, latent
from fluvial.examine.noise import behind_noise
from fluvial.examine.round_trip import RoundTrip, trip_of
from fluvial.examine.two_sample import (
    ClassifierTest,
    Marginals,
    Memorisation,
    classifier_tests,
    marginals,
    memorisation,
    spread,
    without_gaps,
)
from fluvial.kinds.tables.baseline import baseline, is_discrete
from fluvial.models import laws_within
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
class Diagnosis:
    """Everything the report says of a model. Entries that do not apply are None.

    Args:
        exact: False where log-likelihoods are lower bounds.
        discrete: True where log-likelihoods are of probabilities, of rows of labels and whole numbers.
        mixed: True where numbers count as densities and labels, gaps and spikes as probabilities.
        baseline: the likelihood of the yardstick ``baseline_name`` on the same rows; ``gain`` is the mean
            difference per row with its standard error.
        training: the likelihood of training rows, as many as were held out.
        x, samples: (M, D), held-out rows and samples drawn with the same contexts, (M, C). Of ``sample_rows``
            draws, the ``bad_samples`` that were not finite are left out.
    """

    exact: bool
    discrete: bool
    mixed: bool
    likelihood: Likelihood
    baseline_name: str
    baseline: Likelihood
    gain: tuple[float, float]
    training: Likelihood
    calibration: Calibration | None
    latent: Latent | None
    classifiers: tuple[ClassifierTest, ...]
    marginals: Marginals
    round_trip: RoundTrip | None
    round_trip_of_samples: RoundTrip | None
    memorisation: Memorisation
    sample_rows: int
    bad_samples: int
    x: np.ndarray
    samples: np.ndarray
    context: np.ndarray | None


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
    if len(held_out) < 10:
        raise DataError(f"a diagnosis needs at least 10 held-out rows, got {len(held_out)}: hold out more rows")
    _need_sklearn()
    discrete = is_discrete(density)
    mixed = laws_within(density) is not None
    plain = discrete or mixed  # probabilities have no unit
    scale = np.ones(train.x.shape[1]) if plain else spread(_array(train.x))
    log_p = _array(score(density, held_out.x, held_out.context, seed))
    simple = baseline(density, train)
    reference = _array(score(simple.density, held_out.x, _double(held_out.context), seed))
    known = _some(train, len(held_out), seed)
    some = _some(held_out, rows, seed)
    samples = batched.draw(density, len(some), some.context, seed)
    finite = (samples.isfinite() | (samples.isnan() & density.gaps)).all(1)
    pairs = Data(some.x[finite], None if some.context is None else some.context[finite])
    x, drawn, context = _array(pairs.x), _array(samples[finite]), _optional(pairs.context)
    calibration = calibrate(density, held_out, names, seed)
    drawn_points, held_points, train_points = points(density, drawn, x, _array(train.x))
    return Diagnosis(
        exact=density.exact,
        discrete=discrete,
        mixed=mixed,
        likelihood=likelihood(log_p, scale),
        baseline_name=simple.name,
        baseline=likelihood(reference, scale),
        gain=_paired(log_p, reference),
        training=likelihood(_array(score(density, known.x, known.context, seed)), scale),
        calibration=calibration,
        latent=None if calibration is None else latent(calibration.u),
        classifiers=classifier_tests(drawn, x, context, seed),
        marginals=marginals(drawn, x),
        round_trip=round_trip(density, held_out, scale, seed),
        round_trip_of_samples=round_trip(density, Data(samples[finite], pairs.context), scale, seed),
        memorisation=memorisation(drawn_points, held_points, train_points, seed),
        sample_rows=len(some),
        bad_samples=int((~finite).sum()),
        x=x,
        samples=drawn,
        context=context,
    )


def points(density: Density, *tables: np.ndarray) -> list[np.ndarray]:
    """Tables (N, D) as points of one space whose distances mean something: labels one-hot, gaps as numbers."""
    laws = laws_within(density)
    if laws is None:
        return list(tables)
    x = np.concatenate(tables)
    columns: list[np.ndarray] = []
    for law, values in zip(laws.laws, x.T):
        if law.labels:
            columns += [np.where(values == label, 1.0, 0.0) for label in law.atoms]
        else:
            columns.append(values)
    return np.split(without_gaps(np.stack(columns, 1)), np.cumsum([len(t) for t in tables])[:-1])


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
    errors = np.abs(_array(back) - _array(rows.x)) / unit
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


def _some(data: Data, rows: int, seed: int) -> Data:
    """At most ``rows`` of them, chosen at random."""
    if len(data) <= rows:
        return data
    index = np.random.default_rng(seed).permutation(len(data))[:rows]
    return Data(data.x[index], None if data.context is None else data.context[index])


def _array(x: Tensor) -> np.ndarray:
    return x.double().cpu().numpy()


def _double(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.double()


def _optional(x: Tensor | None) -> np.ndarray | None:
    return None if x is None else _array(x)


def _need_sklearn() -> None:
    try:
        import sklearn  # noqa: F401  # pyright: ignore
    except ImportError:
        raise UsageError(
            'the diagnosis of a model needs scikit-learn, which is not installed: pip install "fluvial[report]"'
        ) from None
