"""Training without data: the bound and its gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fluvial.core import Flow, Normal, randomness
from fluvial.training.target import Target
from fluvial.training.variational import Draws, path_loss, renyi_bound, towards
from fluvial.transforms import Constrained, Elementwise
from fluvial.univariate import Affine


def scaled(shift: float, log_scale: float) -> Flow:
    """N(shift, exp(log_scale)^2)."""
    flow = Flow(Elementwise(Affine(), (1,)), Normal((1,)), (1,)).double()
    with torch.no_grad():
        flow.transform.theta.copy_(torch.tensor([[shift], [log_scale]]))  # pyright: ignore
    return flow


def standard(x: Tensor) -> Tensor:
    return -0.5 * x[:, 0].square() - 0.5 * math.log(2 * math.pi) + 3.0


TARGET = Target(standard, Constrained(None, 1))


def test_bounds_rise_with_alpha_and_are_exact_where_the_fit_is():
    torch.manual_seed(0)
    weights = torch.randn(1000, dtype=torch.float64)
    values = [float(renyi_bound(weights, alpha)) for alpha in (0.0, 0.01, 0.5, 1.0)]
    assert values == sorted(values)
    assert values[1] == pytest.approx(values[0], abs=0.02)
    assert float(renyi_bound(torch.full((9,), 3.0), 0.5)) == pytest.approx(3.0)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_the_gradient_is_zero_at_the_target_for_every_single_draw(alpha: float):
    flow = scaled(0.0, 0.0)
    with randomness.drawing_from(0):
        loss = path_loss(flow, TARGET, 3, alpha)
    loss.backward()
    assert loss.item() == pytest.approx(-3.0)
    assert all(float(p.grad.abs().max()) < 1e-12 for p in flow.parameters() if p.grad is not None)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_the_gradient_is_that_of_the_divergence(alpha: float):
    """Against the closed form for two Gaussians: KL for 0, the Rényi divergence of order a else."""
    flow = scaled(0.3, -0.2)
    with randomness.drawing_from(0):
        path_loss(flow, TARGET, 400_000, alpha).backward()
    theta = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    m, log_s = theta.unbind()
    variance = (2 * log_s).exp()
    if alpha == 0:
        loss = -log_s + 0.5 * (variance + m.square())
    else:  # -(1/a) log of the integral of q^(1-a) p^a
        mixed = (1 - alpha) + alpha * variance
        inner = -alpha * (1 - alpha) * m.square() / (2 * mixed) + alpha * log_s - 0.5 * mixed.log()
        loss = -inner / alpha
    loss.backward()
    assert theta.grad is not None
    found = flow.transform.theta.grad[:, 0]  # pyright: ignore
    expected = theta.grad / (1 - alpha)  # shares add up to one, which leaves out a factor
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.01)


def test_draws_where_the_target_is_zero_are_left_out():
    half = Target(lambda x: torch.where(x[:, 0] > 0, standard(x), -math.inf), Constrained(None, 1))
    flow = scaled(0.0, 0.1)
    with randomness.drawing_from(0):
        loss = path_loss(flow, half, 100, 0.5)
    loss.backward()
    assert math.isfinite(loss.item())
    assert bool(flow.transform.theta.grad.isfinite().all())  # pyright: ignore


def test_a_judge_repeats_and_rows_are_noise_of_their_number():
    rows = Draws(1, steps=3, batch_size=8)
    assert (len(rows), rows.count(), len(rows.batches(torch.arange(24), 8))) == (24, 24, 3)
    assert rows.rows(torch.arange(8), torch.device("cpu"))[0].shape == (8, 1)
    judge = towards(TARGET, 0.0).judge
    values = {judge(rows, scaled(0.5, 0.0), 1) for _ in range(2)}
    assert len(values) == 1
    assert values.pop() == pytest.approx(-3.0 + 0.125, abs=0.05)
