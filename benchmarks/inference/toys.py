"""Targets whose moments and evidence are known: what the ways of training of ``infer`` are chosen by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Toy:
    """An unnormalised log density (B, D) -> (B,) with what is known of it.

    Args:
        log_evidence: log of its integral.
        mean, sd: of every coordinate.
    """

    log_density: Callable[[Tensor], Tensor]
    dim: int
    log_evidence: float
    mean: list[float]
    sd: list[float]


def funnel(dim: int) -> Toy:
    """Neal's: v ~ N(0, 3^2), the others N(0, exp(v))."""

    def log_density(x: Tensor) -> Tensor:
        v, rest = x[:, 0], x[:, 1:]
        log_p = -0.5 * (v / 3).square() - 0.5 * rest.square().sum(1) * (-v).exp() - 0.5 * (dim - 1) * v
        return log_p - math.log(3) - dim / 2 * math.log(2 * math.pi)

    spread = math.exp(4.5 / 2)
    return Toy(log_density, dim, 0.0, [0.0] * dim, [3.0] + [spread] * (dim - 1))


def banana(bend: float = 0.5) -> Toy:
    """y around a parabola of x ~ N(0, 1)."""

    def log_density(x: Tensor) -> Tensor:
        return -0.5 * x[:, 0].square() - 2.0 * (x[:, 1] - bend * x[:, 0].square()).square()

    return Toy(log_density, 2, math.log(math.pi), [0.0, bend], [1.0, math.sqrt(0.25 + 2 * bend**2)])


def lumps(dim: int, apart: float, share: float = 0.3) -> Toy:
    """Two Gaussians of sizes ``share`` and the rest, so far apart along the first axis."""

    def log_density(x: Tensor) -> Tensor:
        one = math.log(share) - 0.5 * ((x - _axis(dim, -apart / 2)) / 0.5).square().sum(1) - dim * math.log(0.5)
        two = math.log(1 - share) - 0.5 * (x - _axis(dim, apart / 2)).square().sum(1)
        return torch.logaddexp(one, two) - dim / 2 * math.log(2 * math.pi)

    mean = apart * (0.5 - share)
    within = share * 0.25 + (1 - share)
    var = within + share * (-apart / 2 - mean) ** 2 + (1 - share) * (apart / 2 - mean) ** 2
    return Toy(log_density, dim, 0.0, [mean] + [0.0] * (dim - 1), [math.sqrt(var)] + [math.sqrt(within)] * (dim - 1))


def _axis(dim: int, at: float) -> Tensor:
    return torch.tensor([at] + [0.0] * (dim - 1), dtype=torch.float64)


def student(dim: int, freedom: float = 4.0) -> Toy:
    """Student's t, heavy tails in all directions at once."""

    def log_density(x: Tensor) -> Tensor:
        return -0.5 * (freedom + dim) * torch.log1p(x.square().sum(1) / freedom)

    log_z = math.lgamma(freedom / 2) - math.lgamma((freedom + dim) / 2) + dim / 2 * math.log(math.pi * freedom)
    return Toy(log_density, dim, log_z, [0.0] * dim, [math.sqrt(freedom / (freedom - 2))] * dim)


def toys() -> dict[str, Toy]:
    """By name."""
    return {
        "banana": banana(),
        "funnel 2": funnel(2),
        "funnel 10": funnel(10),
        "two lumps 2": lumps(2, 8.0),
        "two lumps 10": lumps(10, 8.0),
        "near lumps 5": lumps(5, 4.0),
        "student 5": student(5),
    }
