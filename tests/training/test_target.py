"""Densities known up to a constant, as training sees them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Gamma, constraints

from fluvial.core import UsageError
from fluvial.training.target import Target
from fluvial.transforms import Constrained

TRUTH = Gamma(torch.tensor(3.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64))


def gamma(x: Tensor) -> Tensor:
    return TRUTH.log_prob(x[:, 0])


def test_a_change_of_variables_keeps_the_integral():
    target = Target(gamma, Constrained(constraints.positive, 1))
    z = torch.linspace(-15, 4, 4001, dtype=torch.float64)[:, None]
    assert abs(float(torch.trapezoid(target(z).exp(), z[:, 0])) - 1) < 1e-6
    value, slope = target.score(z[2000:2010])
    width = 1e-6
    rise = (target(z[2000:2010] + width) - target(z[2000:2010] - width)) / (2 * width)
    torch.testing.assert_close(slope[:, 0], rise, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(value, target(z[2000:2010]))


def test_rows_without_a_finite_value_have_no_slope():
    def holed(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0, x[:, 0].log(), math.nan)

    value, slope = Target(holed, Constrained(None, 1)).score(torch.tensor([[-1.0], [2.0]]))
    assert value.tolist() == [-math.inf, pytest.approx(math.log(2))]
    assert slope.tolist() == [[0.0], [0.5]]


def test_rows_that_rounding_puts_onto_an_edge_are_not_asked_about():
    """exp(-2000) is 0, and exp(1000) infinite: torch's distributions would refuse both."""
    target = Target(gamma, Constrained(constraints.positive, 1))
    value, slope = target.score(torch.tensor([[-2000.0], [0.0], [1000.0]], dtype=torch.float64))
    assert value[[0, 2]].tolist() == [-math.inf] * 2
    assert value[1].item() == pytest.approx(TRUTH.log_prob(torch.tensor(1.0).double()).item())
    assert slope[[0, 2]].tolist() == [[0.0]] * 2
    assert target.score(torch.full((2, 1), -2000.0).double())[0].tolist() == [-math.inf] * 2


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x, r"one number for each of 5 rows, \(5,\), got \(5, 1\)"),
        (lambda x: x.sum(), r"one number for each of 5 rows, \(5,\), got \(\)"),
        (lambda x: 0.0, "expected a tensor of shape"),
        (lambda x: torch.zeros(len(x)), "does not depend on x through PyTorch"),
        (lambda x: x.detach()[:, 0], "does not depend on x through PyTorch"),
        (lambda x: (x @ torch.ones(1, 1, dtype=torch.float32))[:, 0], "dtype=torch.float32 asks it in single"),
    ],
)
def test_what_is_no_log_density_gets_a_sentence(function: object, says: str):
    target = Target(function, Constrained(None, 1))  # pyright: ignore
    with pytest.raises(UsageError, match=says):
        target.score(torch.zeros(5, 1, dtype=torch.float64))
