"""Where to begin: Gaussians along Newton's way to the modes of a density that is known up to a constant."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fluvial.core import randomness
from fluvial.training.target import Target
from fluvial.training.variational import renyi_bound
from fluvial.transforms import Whiten

_STEPS = 50
_DRAWS = 64  # that judge a Gaussian
_HALVINGS = 12  # of a step that climbs too far
_FLAT = 1e-7  # of the largest curvature: what is flatter counts as being so
_GAIN = 1e-5  # nats of which a further step is worth while
_ALPHA = 0.5
_SMALL = 1e-3  # of the largest mode's mass: smaller modes are left out


@dataclass(frozen=True)
class Gaussian:
    """N(mean, L L^T) beside an unnormalised density.

    Args:
        mean: (D,).
        factor: L, (D, D), lower triangular.
        level: log of the mass that it finds there, a lower bound, nats.
    """

    mean: Tensor
    factor: Tensor
    level: float

    def whiten(self) -> Whiten:
        """The map from its draws to standard normal ones, fixed."""
        step = Whiten(len(self.mean)).requires_grad_(False)
        step.mean.copy_(self.mean)
        step.lower.copy_(self.factor)
        step.log_diagonal.copy_(self.factor.diagonal().log())
        return step

    def away(self, other: Gaussian) -> float:
        """Squared distance of the other's mean in this one's standard deviations."""
        gap = (other.mean - self.mean).double()[:, None]
        return float(torch.linalg.solve_triangular(self.factor.double(), gap, upper=False).square().sum())


@torch.no_grad()
def gaussians(target: Target, z: Tensor) -> list[Gaussian]:
    """The best Gaussian on the way uphill from each row of z, (K, D); all rows climb at once.

    At every step the curvature there gives a Gaussian, and the one with the most mass is kept: near a narrow peak the
    best one is not at its top (Zhang et al. 2022, Pathfinder, arXiv 2108.03782, with Newton's steps in place of
    quasi-Newton ones). Directions of the wrong curvature are climbed by its size (Dauphin et al. 2014, arXiv
    1406.2572).
    Rows where the density is zero are left out.
    """
    value, slope = target.score(z)
    alive = value.isfinite()
    z, value, slope = z[alive], value[alive], slope[alive]
    if not len(z):
        return []
    k, features = z.shape
    noise = randomness.normal((_DRAWS, features), z.dtype)
    means, factors = z.clone(), torch.eye(features, dtype=z.dtype).expand(k, -1, -1).clone()
    levels = torch.full((k,), -math.inf, dtype=z.dtype)
    for _ in range(_STEPS):
        factor, way = _newton(target, z, slope)
        found = _levels(target, z + way, factor, noise)
        better = found > levels
        levels = torch.where(better, found, levels)
        means[better], factors[better] = (z + way)[better], factor[better]
        gain = (slope * way).sum(1)
        z, value, slope = _climbed(target, z, value, slope, way)
        if bool((gain < _GAIN).all()):
            break
    return [Gaussian(m, f, float(level)) for m, f, level in zip(means, factors, levels) if math.isfinite(level)]


def distinct(found: list[Gaussian], most: int) -> tuple[list[Gaussian], int]:
    """One for each separate mode, the largest first, and how many more there are beyond ``most``.

    Modes are separate where the mean of each lies beyond nearly all draws of the other. Those that hold less than a
    thousandth of the largest one's mass are left out.
    """
    ranked = sorted(found, key=lambda g: -g.level)
    kept: list[Gaussian] = []
    for each in ranked:
        features = len(each.mean)
        far = features + 5 * math.sqrt(2 * features) + 10  # of a chi-squared variable of D degrees
        apart = all(min(each.away(k), k.away(each)) > far for k in kept)
        if apart and each.level > ranked[0].level + math.log(_SMALL):
            kept.append(each)
    return kept[:most], max(0, len(kept) - most)


def _newton(target: Target, z: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """The Gaussian's factor (K, D, D) that the curvature at each row gives, and the way (K, D) to its mean."""
    hessians = -_hessians(target, z)
    unit = hessians.diagonal(dim1=1, dim2=2).abs().sqrt()  # so that units of coordinates make no difference
    unit = unit.clamp(min=torch.finfo(z.dtype).eps).maximum(_FLAT / (1 + z.abs()))
    curvature, axes = torch.linalg.eigh(hessians / (unit[:, :, None] * unit[:, None, :]))
    size = curvature.abs().maximum(_FLAT * curvature.abs().amax(1, keepdim=True)).clamp(min=_FLAT)
    root = axes / size.sqrt()[:, None, :] / unit[:, :, None]
    factor = torch.linalg.qr(root.mT)[1].mT
    factor = factor * factor.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    way = (root @ (root.mT @ slope[:, :, None]))[:, :, 0]
    most = 10 * (1 + z.norm(dim=1)) / way.norm(dim=1).clamp(min=1e-30)
    return factor, way * most.clamp(max=1.0)[:, None]


def _hessians(target: Target, z: Tensor) -> Tensor:
    """Second derivatives at each row, (K, D, D), as central differences of gradients, all in one call."""
    k, features = z.shape
    width = torch.finfo(z.dtype).eps ** (1 / 3) * (1 + z.abs())
    shifts = torch.diag_embed(width)
    rows = torch.stack((z[:, None] + shifts, z[:, None] - shifts)).flatten(0, 2)
    slopes = target.score(rows)[1].view(2, k, features, features)
    found = (slopes[0] - slopes[1]) / (2 * width[:, :, None])
    return 0.5 * (found + found.mT)


def _levels(target: Target, mean: Tensor, factor: Tensor, noise: Tensor) -> Tensor:
    """The mass that each Gaussian finds, (K,), by the same draws."""
    k, features = mean.shape
    draws = mean[:, None] + noise @ factor.mT
    log_q = -0.5 * (noise.square().sum(1) + features * math.log(2 * math.pi))
    log_q = log_q - factor.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)
    log_weight = target(draws.flatten(0, 1)).view(k, -1) - log_q
    return torch.stack([renyi_bound(w, _ALPHA) for w in log_weight])


def _climbed(target: Target, z: Tensor, value: Tensor, slope: Tensor, way: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best point on each way, steps halved again and again; rows that nothing improves stay."""
    sizes = 0.5 ** torch.arange(_HALVINGS, dtype=z.dtype)
    points = z[:, None] + sizes[:, None] * way[:, None]
    values = target(points.flatten(0, 1)).view(len(z), -1)
    best = values.nan_to_num(-math.inf).argmax(1)
    rows = torch.arange(len(z))
    moved = values[rows, best] > value
    z = torch.where(moved[:, None], points[rows, best], z)
    value, slope = target.score(z)
    return z, value, slope
