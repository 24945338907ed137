# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (scipy is not typed strictly)
"""Is the noise behind held-out rows what the base density says? Calibration (PIT) and latent variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fluvial.core import Density, Flow, Logistic, Normal, StudentT, Uniform, batched
from fluvial.core.batched import by_chunk, part
from fluvial.core.randomness import drawing_from, uniform
from fluvial.examine.noise import behind_noise, widths
from fluvial.models import AnyOrder
from fluvial.training import Data

BINS = 20
FACTORISED = (Normal, Logistic, StudentT, Uniform)
_PROBED = 16  # rows whose Jacobian says whether the flow is triangular
_CORRELATED = 500  # positions whose correlations are looked at, at most
_WIDEST = 128  # columns up to which that Jacobian is worth its cost


@dataclass(frozen=True)
class Calibration:
    """Probability integral transform of N rows: u = F(z), uniform on [0, 1] where the model is right.

    Args:
        labels: what each of the D positions stands for: a column given those before it where the flow is
            triangular (``conditional``), else a position of the noise, which mixes columns.
        randomised: whether noise entered u, inside the cells of gridded columns or the steps of discrete ones.
        statistic, p_value: (D,), Kolmogorov-Smirnov distance to the uniform and its probability under it.
        counts: (D, BINS), a histogram of u; ``band`` is the 95 % binomial range of one count.
        u: (N, D).
    """

    labels: tuple[str, ...]
    conditional: bool
    randomised: bool
    statistic: np.ndarray
    p_value: np.ndarray
    counts: np.ndarray
    band: tuple[float, float]
    u: np.ndarray

    @property
    def worst(self) -> int:
        """The position farthest from uniform."""
        return int(self.statistic.argmax())


@dataclass(frozen=True)
class Latent:
    """Noise of N rows as normal scores, (N, D), against independent standard normals.

    Args:
        mean, sd: (D,), 0 and 1 where the model is right.
        correlation: the largest absolute one, between the positions ``pair``; None with one column.
        limit: what the largest stays below with probability 0.9973, three standard errors, where the model is right.
        radius_statistic, radius_p_value: Kolmogorov-Smirnov test of the squared radius against chi-squared.
    """

    mean: np.ndarray
    sd: np.ndarray
    correlation: float | None
    pair: tuple[int, int] | None
    limit: float | None
    radius_statistic: float
    radius_p_value: float
    scores: np.ndarray


def calibrate(density: Density, data: Data, names: Sequence[str], seed: int = 0) -> Calibration | None:
    """PIT of every position of the innermost noise; None for densities whose noise is not factorised."""
    if isinstance(density, AnyOrder):
        return _of_laws(density, data, names, seed)
    if not isinstance(density, Flow) or not isinstance(density.noise, FACTORISED):
        return None
    flow, rows = behind_noise(density, data, seed)
    z = batched.encode(flow, rows.x, rows.context, seed).double()
    steps = widths(flow, rows.x, rows.context, seed)
    if steps is not None:  # the middle of a step, where discrete values lie, moved uniformly within it
        with drawing_from(seed):
            z = z + steps * (uniform(z.shape, z.dtype) - 0.5)
    u = np.nan_to_num(density.noise.cdf(z).numpy())
    conditional = steps is not None or triangular(flow, rows)
    labels = _conditionals(names) if conditional else tuple(f"noise {j + 1}" for j in range(u.shape[1]))
    return _judged(u, labels, conditional, steps is not None or not density.transform.bijective)


def _of_laws(density: AnyOrder, data: Data, names: Sequence[str], seed: int) -> Calibration:
    """PIT of each column given those before it, moved uniformly within the steps of atoms and cells."""
    z = by_chunk(density, lambda i, d: density.encode(data.x[i].to(d), part(data.context, i, d)), len(data), seed)
    half = by_chunk(density, lambda i, d: density.steps(data.x[i].to(d), part(data.context, i, d)), len(data), seed)
    with drawing_from(seed):
        u = z + half * (uniform(z.shape, z.dtype) - 0.5)
    return _judged(u.numpy(), _conditionals(names), True, True)


def _judged(u: np.ndarray, labels: tuple[str, ...], conditional: bool, randomised: bool) -> Calibration:
    """PIT values (N, D) against the uniform."""
    from scipy import stats

    tests = [stats.kstest(column, "uniform", method="asymp") for column in u.T]
    low, high = stats.binom.interval(0.95, len(u), 1 / BINS)
    return Calibration(
        labels=labels,
        conditional=conditional,
        randomised=randomised,
        statistic=np.array([test.statistic for test in tests]),
        p_value=np.array([test.pvalue for test in tests]),
        counts=np.stack([np.histogram(column, BINS, (0, 1))[0] for column in u.T]),
        band=(float(low), float(high)),
        u=u,
    )


def latent(u: np.ndarray) -> Latent:
    """Test the PIT values u (N, D) as normal scores, which is what they are for a normal base."""
    from scipy import special, stats

    scores = special.ndtri(np.clip(u, 1e-15, 1 - 1e-15))
    n, features = scores.shape
    correlation = pair = limit = None
    if features > 1:
        some = scores[:, :_CORRELATED]
        r = np.abs(np.nan_to_num(np.corrcoef(some.T))) - np.eye(some.shape[1])
        i, j = np.unravel_index(r.argmax(), r.shape)
        correlation, pair = float(r[i, j]), (int(i), int(j))
        pairs = some.shape[1] * (some.shape[1] - 1) / 2
        limit = float(np.tanh(stats.norm.isf(0.00135 / pairs) / np.sqrt(max(n - 3, 1))))
    radius = stats.kstest((scores**2).sum(1), stats.chi2(features).cdf, method="asymp")
    return Latent(
        mean=scores.mean(0),
        sd=scores.std(0),
        correlation=correlation,
        pair=pair,
        limit=limit,
        radius_statistic=float(radius.statistic),
        radius_p_value=float(radius.pvalue),
        scores=scores,
    )


def triangular(flow: Flow, data: Data) -> bool:
    """Whether z_i reads x_1 ... x_i alone, so that its PIT is the conditional of column i; seen in Jacobians."""
    features = data.x.shape[1]
    if features > _WIDEST or not len(data) or not flow.transform.bijective:
        return False
    device = next(flow.parameters(), torch.empty(0)).device
    x = data.x[:_PROBED].to(device).detach().requires_grad_()
    with torch.enable_grad():
        z = flow.encode(x, part(data.context, slice(_PROBED), device))
        for i in range(features - 1):
            (row,) = torch.autograd.grad(z[:, i].sum(), x, retain_graph=True)
            if row[:, i + 1 :].abs().max() > 0:
                return False
    return True


def _conditionals(names: Sequence[str]) -> tuple[str, ...]:
    """Short names of p(x_i | x_1 ... x_{i-1}).

    >>> _conditionals(["Length", "Height", "Rings"])
    ('Length', 'Height | Length', 'Rings | 2 before')
    """
    given = ["", *(f" | {names[0]}" if i == 1 else f" | {i} before" for i in range(1, len(names)))]
    return tuple(name + rest for name, rest in zip(names, given))
