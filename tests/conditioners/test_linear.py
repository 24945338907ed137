"""Linear forecasts of series: what ridge regression finds, and how scales are told."""

import math

import torch

from fluvial.conditioners.linear import Line, ridge
from fluvial.conditioners.recent import Recent


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_ridge_finds_the_weights_in_spite_of_wild_errors():
    x, truth = normal(2000, 4), torch.tensor([1.0, -2.0, 0.0, 0.5], dtype=torch.float64)
    y = 3.0 + (x * torch.tensor([1.0, 100.0, 1.0, 1.0])) @ truth + 0.1 * normal(2000, seed=1)
    y[::50] += 1000.0
    weight, bias, _ = ridge(x * torch.tensor([1.0, 100.0, 1.0, 1.0]), y)
    torch.testing.assert_close(weight, truth, rtol=0, atol=0.02)
    assert abs(bias.item() - 3.0) < 0.02


def test_ridge_shrinks_where_rows_are_few_and_say_nothing():
    x = normal(40, 30)
    weight, _, _ = ridge(x, normal(40, seed=1))
    assert weight.square().sum().sqrt() < 0.3  # least squares without a penalty gives about 1.6


def test_columns_that_never_change_get_no_weight():
    x = torch.cat((normal(100, 1), torch.full((100, 1), 7.0, dtype=torch.float64)), 1)
    weight, bias, _ = ridge(x, 2 * x[:, 0] + 5)
    torch.testing.assert_close(weight, torch.tensor([2.0, 0.0], dtype=torch.float64), rtol=0, atol=1e-4)
    assert abs(bias.item() - 5) < 1e-4


def fitted(v: torch.Tensor, lags: tuple[int, ...] = ()) -> tuple[Line, Recent, torch.Tensor]:
    recent = Recent(v.shape[2], lags, 16).double()
    recent.initialize(v)
    outlook = recent(v)
    told = outlook.features.movedim(2, 0)
    line = Line(v.shape[2], told.shape[3]).double()
    line.fit(v, outlook, told, torch.ones(v.shape[:2], dtype=torch.bool))
    return line, recent, told


def test_a_scale_that_never_changes_is_told_from_one_that_does():
    steady, _, _ = fitted(normal(4, 3000, 1))
    assert steady.stretch[0, 0] < -0.85
    sizes = (0.3 * normal(4, 3000, 1, seed=1)).cumsum(1).exp()
    wild, _, _ = fitted((sizes * normal(4, 3000, 1, seed=2)).cumsum(1))
    assert wild.stretch[0, 0] > -0.3


def test_an_autoregression_is_forecast():
    v = torch.zeros(2, 4000, 1, dtype=torch.float64)
    noise = normal(2, 4000, 1)
    for t in range(2, 4000):
        v[:, t] = 0.5 * v[:, t - 1] + 0.3 * v[:, t - 2] + noise[:, t]
    line, recent, told = fitted(v, (2,))
    outlook = recent(v)
    error = (v - line(outlook, told).location)[:, 20:]
    assert abs(error.square().mean().sqrt().item() - noise.std().item()) < 0.01
    assert (line(outlook, told).scale[:, 20:].std() / outlook.scale[:, 20:].std()).item() < 0.2


def test_where_nothing_is_known_nothing_is_moved():
    v = normal(2, 200, 2)
    line, recent, _ = fitted(v)
    empty = torch.full((2, 3, 2), math.nan, dtype=torch.float64)
    outlook = recent(empty)
    moved = line(outlook, outlook.features.movedim(2, 0))
    torch.testing.assert_close(moved.location, outlook.location)
    torch.testing.assert_close(moved.scale, outlook.scale)
