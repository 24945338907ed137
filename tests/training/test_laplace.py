"""Gaussians on the way uphill."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fluvial.core import randomness
from fluvial.training.laplace import Gaussian, distinct, gaussians
from fluvial.training.target import Target
from fluvial.transforms import Constrained


def climbed(log_density: object, dim: int, reach: float = 2.0) -> list[Gaussian]:
    with randomness.drawing_from(0):
        points = reach * randomness.normal((12, dim), torch.float64)
        return gaussians(Target(log_density, Constrained(None, dim)), points)  # pyright: ignore


def test_a_gaussian_is_found_exactly_whatever_its_units():
    """Standard deviations of 1e-3 and 1e4, nearly dependent, far away."""
    scale = torch.tensor([[1e-3, 0.0], [9.99e3, 4.5e2]], dtype=torch.float64)
    mean = torch.tensor([5.0, -6e4], dtype=torch.float64)
    truth = torch.distributions.MultivariateNormal(mean, scale_tril=scale)
    best = max(climbed(truth.log_prob, 2), key=lambda g: g.level)
    assert abs(best.level) < 1e-3
    torch.testing.assert_close(best.factor @ best.factor.T, scale @ scale.T, rtol=1e-3, atol=0.0)
    z, log_det = best.whiten()(mean[None])
    torch.testing.assert_close(z, torch.zeros(1, 2, dtype=torch.float64), rtol=0, atol=0.05)
    assert float(log_det) == pytest.approx(-math.log(1e-3 * 4.5e2), abs=1e-3)


def two(x: Tensor) -> Tensor:
    return torch.logaddexp(-0.5 * (x - 6).square().sum(1), math.log(0.2) - 0.5 * (x + 6).square().sum(1))


def test_two_modes_are_two_and_one_is_one():
    kept, more = distinct(climbed(two, 2, reach=6.0), 8)
    assert (len(kept), more) == (2, 0)
    assert [round(float(g.mean[0])) for g in kept] == [6, -6]
    assert kept[1].level - kept[0].level == pytest.approx(math.log(0.2), abs=1e-2)
    assert [len(part) for part in (distinct(kept * 3, 8)[0], distinct(kept, 1)[0])] == [2, 1]
    assert distinct(kept, 1)[1] == 1


def test_near_a_narrow_peak_the_gaussian_with_most_mass_is_kept():
    """Neal's funnel in 5 dimensions: its mode is at v = -18, where next to nothing of its mass is."""

    def funnel(x: Tensor) -> Tensor:
        return -0.5 * (x[:, 0] / 3).square() - 0.5 * x[:, 1:].square().sum(1) * (-x[:, 0]).exp() - 2 * x[:, 0]

    best = max(climbed(funnel, 5), key=lambda g: g.level)
    assert abs(float(best.mean[0])) < 6


def test_rows_where_the_target_is_zero_do_not_climb():
    assert climbed(lambda x: x[:, 0] * math.nan, 2) == []
    found = climbed(lambda x: torch.where(x[:, 0] > 0, -(x - 1).square().sum(1), -math.inf), 2)
    assert 0 < len(found) < 12
