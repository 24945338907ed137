"""Mixtures of clusters in closed form: rows of numbers and labels side by side, by expectation-maximisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core import randomness

_FOLDS, _STEPS, _ENOUGH = 4, 60, 1e-4  # parts of the rows; steps of a fit, and the gain below which it ends, nats a row
_CHOSEN_BY = 2000  # rows that say how many clusters, and how free
_COUNTS = (1, 2, 3, 4, 6, 8, 12)
_RIDGES, _COUNTED = (0.02, 0.0003, 0.003, 0.1, 0.3), (1.0, 0.1, 5.0)
_WORTH = 1.0  # rows, that the shares of labels in all rows weigh beside those in a cluster


@dataclass(frozen=True)
class Rows:
    """What clusters see of rows.

    Args:
        values: numbers, (B, R), 0 where there is none.
        present: which there are, (B, R).
        codes: one-hot codes of several columns side by side, (B, S).
        columns: the column that each code is of, (S,).
    """

    values: Tensor
    present: Tensor
    codes: Tensor
    columns: Tensor

    def some(self, index: Tensor) -> Rows:
        """The rows that ``index`` names."""
        return Rows(self.values[index], self.present[index], self.codes[index], self.columns)


class Clusters(NamedTuple):
    """A mixture over C clusters: in each the numbers are Gaussian, and what is a label does not depend on them."""

    weights: Tensor
    """Log-probabilities of the clusters, (C,)."""
    shares: Tensor
    """Log-probabilities of the codes in each, (C, S)."""
    means: Tensor
    """(C, R)"""
    covariances: Tensor
    """(C, R, R)"""


@dataclass(frozen=True)
class Prior:
    """How covariances of clusters are kept from following few rows.

    Args:
        ridge: how far the covariance that clusters have in common is drawn to its diagonal, from 0 to 1.
        rows: how many rows that covariance weighs beside those of a cluster.
    """

    ridge: float
    rows: float


def clusters_of(rows: Rows, most: int) -> Clusters:
    """At most so many clusters: how many, and how free, cross-validation decides."""
    numbers = rows.values.shape[1] + 2.0
    best, prior = (-math.inf, 1), Prior(_RIDGES[0], numbers)
    for count in (c for c in _COUNTS if c <= most and _FOLDS * c <= max(_FOLDS, rows.values.shape[0])):
        score = _judged(rows, count, prior)
        if score > best[0]:
            best = (score, count)
        elif count >= 2 * best[1]:
            break
    score, count = best
    others = [Prior(ridge, prior.rows) for ridge in _RIDGES[1:]]
    score, prior = max([(score, prior), *((_judged(rows, count, p), p) for p in others)], key=lambda found: found[0])
    others = [Prior(prior.ridge, numbers * share) for share in _COUNTED[1:]]
    _, prior = max([(score, prior), *((_judged(rows, count, p), p) for p in others)], key=lambda found: found[0])
    return fit(rows, count, prior)


def _judged(rows: Rows, count: int, prior: Prior) -> float:
    """Mean log-density of rows under clusters fitted to the other ones."""
    rows = rows.some(torch.arange(min(_CHOSEN_BY, len(rows.values)), device=rows.values.device))
    n = rows.values.shape[0]
    fold, total = torch.arange(n, device=rows.values.device) % min(_FOLDS, n), 0.0
    for k in range(min(_FOLDS, n)):
        found = fit(rows.some(fold != k), count, prior)
        total += float(log_joint(rows.some(fold == k), found).logsumexp(1).sum())
    return total / n if math.isfinite(total) else -math.inf


def fit(rows: Rows, count: int, prior: Prior) -> Clusters:
    """So many clusters, from where k-means leaves them."""
    belongs, last = _apart(torch.cat((rows.values, rows.codes), 1), count), -math.inf
    found = _maximum(rows, belongs, prior)
    for _ in range(_STEPS):
        joint = log_joint(rows, found)
        mean = float(joint.logsumexp(1).mean())
        if not mean - last > _ENOUGH:
            break
        last, found = mean, _maximum(rows, joint.softmax(1), prior)
    return found


def log_joint(rows: Rows, clusters: Clusters) -> Tensor:
    """log p(row, cluster), (B, C); a number that is not there is taken for the cluster's mean."""
    factor = torch.linalg.cholesky(clusters.covariances)
    away = torch.where(rows.present, rows.values - clusters.means.unsqueeze(1), 0.0)  # (C, B, R)
    white = torch.linalg.solve_triangular(factor, away.transpose(1, 2), upper=False)
    size = factor.diagonal(dim1=1, dim2=2).log().sum(1) + 0.5 * math.log(math.tau) * rows.values.shape[1]
    return -0.5 * white.square().sum(1).t() - size + rows.codes @ clusters.shares.t() + clusters.weights


def _apart(points: Tensor, count: int) -> Tensor:
    """Nearly one-hot clusters (B, C) by k-means, from centres that are far from each other."""
    centres = points[randomness.integers(len(points), (1,), points.device)]
    while len(centres) < count:
        distance = torch.cdist(points, centres).amin(1).square() + 1e-9
        centres = torch.cat((centres, points[randomness.choices(distance, 1)]))
    nearest = torch.cdist(points, centres).argmin(1)
    for _ in range(10):
        hot = F.one_hot(nearest, count).to(points.dtype)
        sizes = hot.sum(0).unsqueeze(1)
        centres = torch.where(sizes > 0, hot.t() @ points / sizes.clamp(min=1), centres)
        nearest = torch.cdist(points, centres).argmin(1)
    return 0.9 * F.one_hot(nearest, count).to(points.dtype) + 0.1 / count


def _maximum(rows: Rows, belongs: Tensor, prior: Prior) -> Clusters:
    """The clusters that rows belong to with these probabilities (B, C)."""
    sizes = belongs.sum(0) + 1e-9
    there = belongs.t() @ rows.present.to(belongs.dtype) + 1e-9
    middle = rows.values.sum(0) / rows.present.sum(0).clamp(min=1)
    means = (belongs.t() @ rows.values + 0.1 * middle) / (there + 0.1)
    covariances = _covariances(rows, belongs, sizes, means, there, prior)
    return Clusters(((sizes + 1) / (sizes + 1).sum()).log(), _shares(rows, belongs, sizes), means, covariances)


def _shares(rows: Rows, belongs: Tensor, sizes: Tensor) -> Tensor:
    """Log-probabilities of the codes in each cluster, (C, S), a little like those in all rows."""
    counts = rows.codes.sum(0) + 0.5
    totals = counts.new_zeros(int(rows.columns.max()) + 1).index_add(0, rows.columns, counts)
    like = _WORTH * counts / totals[rows.columns]
    return torch.log((belongs.t() @ rows.codes + like) / (sizes.unsqueeze(1) + _WORTH))


def _covariances(rows: Rows, belongs: Tensor, sizes: Tensor, means: Tensor, there: Tensor, prior: Prior) -> Tensor:
    """Of the numbers in each cluster, (C, R, R)."""
    away = torch.where(rows.present, rows.values - means.unsqueeze(1), 0.0)
    scale = (there / sizes.unsqueeze(1)).clamp(1e-6, 1).sqrt()  # where cells are missing, fewer rows vary
    own = torch.einsum("bc,cbi,cbj->cij", belongs, away, away) / sizes[:, None, None]
    own = own / (scale.unsqueeze(2) * scale.unsqueeze(1))
    share = (sizes / sizes.sum())[:, None, None]
    common = (share * own).sum(0)
    common = torch.lerp(common, common.diagonal().clamp(min=1e-6).diag(), prior.ridge)
    common = common + 1e-7 * torch.eye(len(common), dtype=common.dtype, device=common.device)
    return (sizes[:, None, None] * own + prior.rows * common) / (sizes[:, None, None] + prior.rows)
