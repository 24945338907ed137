"""Inference on targets whose truth is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import constraints

import fluvial
from fluvial import models
from fluvial.core import UsageError

pytest.importorskip("arviz_base")


def gaussian(x: Tensor) -> Tensor:
    """Mean (1, -2), standard deviations 1 and 10, correlation 0.6; log Z is 5 + log of the normaliser."""
    a, b = x[:, 0] - 1, (x[:, 1] + 2) / 10
    return 5.0 - 0.5 * (a.square() - 1.2 * a * b + b.square()) / 0.64


def test_a_gaussian_posterior_and_its_evidence_are_exact():
    fit = fluvial.infer(gaussian, 2, epochs=1, names=["a", "b"], draws=4000)
    truth = 5.0 + math.log(2 * math.pi * 10 * 0.8)
    assert fit.weights.log_evidence == pytest.approx(truth, abs=0.01)
    assert fit.weights.ess > 3500
    assert fit.weights.pareto_k < 0.5
    torch.testing.assert_close(fit.mean, torch.tensor([1.0, -2.0]).double(), rtol=0, atol=0.4)
    torch.testing.assert_close(fit.sd, torch.tensor([1.0, 10.0]).double(), rtol=0.06, atol=0)
    assert "log evidence" in fit.sentences[0]
    assert repr(fit).splitlines()[1].startswith("a")
    again = fluvial.infer(gaussian, 2, epochs=1, names=["a", "b"], draws=4000)
    assert torch.equal(fit.x, again.x)
    data = fit.to_arviz(300)
    assert data["posterior"]["b"].shape == (1, 300)
    assert data["posterior"].attrs["log_evidence"] == fit.weights.log_evidence


def test_a_banana_has_its_integrals():
    fit = fluvial.infer(
        lambda x: -0.5 * x[:, 0].square() - 2.0 * (x[:, 1] - 0.5 * x[:, 0].square()).square(), 2, epochs=5
    )
    assert fit.weights.log_evidence == pytest.approx(math.log(math.pi), abs=0.02)
    assert float(fit.expect(fit.x[:, 1])) == pytest.approx(0.5, abs=0.06)
    assert float(fit.sd[1]) == pytest.approx(math.sqrt(0.75), rel=0.1)
    x = fit.x[:500]
    torch.testing.assert_close(fit.density.log_prob(x), fit.density.log_prob(fit.x)[:500])


def two(x: Tensor) -> Tensor:
    """Two Gaussians, 80 % at 4, 20 % at -4 and half as wide; log Z is log(2.5 pi)."""
    return torch.logaddexp(-0.5 * (x - 4).square().sum(1), -2.0 * (x + 4).square().sum(1))


def test_two_modes_share_their_mass_and_a_limit_on_modes_is_said():
    fit = fluvial.infer(two, 2, epochs=2)
    assert fit.weights.log_evidence == pytest.approx(math.log(2.5 * math.pi), abs=0.02)
    assert float(fit.mean[0]) == pytest.approx(2.4, abs=0.15)
    assert any("2 separate modes were found, a flow for each" in s for s in fit.sentences)
    assert fit.density.logits.softmax(0).tolist() == pytest.approx([0.8, 0.2], abs=0.03)  # pyright: ignore
    one = fluvial.infer(two, 2, epochs=1, modes=1)
    assert any("1 further mode" in s for s in one.sentences)
    assert one.weights.log_evidence == pytest.approx(math.log(2 * math.pi), abs=0.02)


def test_constraints_are_kept_to_and_simplices_have_a_number_less():
    """Gamma(3, 2) beside Dirichlet(2, 3, 4), whose density in two shares is its own."""
    gamma = torch.distributions.Gamma(torch.tensor(3.0).double(), torch.tensor(2.0).double())
    shares = torch.tensor([2.0, 3.0, 4.0]).double()
    dirichlet = torch.distributions.Dirichlet(shares)
    blocks = constraints.cat([constraints.positive, constraints.simplex], -1, [1, 3])
    fit = fluvial.infer(
        lambda x: gamma.log_prob(x[:, 0]) + dirichlet.log_prob(x[:, 1:]), 4, constraints=blocks, epochs=4
    )
    assert abs(fit.weights.log_evidence) < 0.02
    assert bool((fit.x > 0).all())
    torch.testing.assert_close(fit.x[:, 1:].sum(1), torch.ones(len(fit.x)).double())
    torch.testing.assert_close(fit.mean, torch.cat((torch.tensor([1.5]).double(), shares / 9)), rtol=0.05, atol=0)
    assert fit.density.log_prob(fit.x[:3]).shape == (3,)


def test_any_flow_with_differentiable_draws_will_do():
    for flow in ("realnvp", models.nsf_coupling((2,), transforms=2, hidden=(16,))):
        fit = fluvial.infer(gaussian, 2, flow=flow, epochs=1, draws=1000)
        assert fit.weights.ess > 850
    for flow in ("gan", "vae", models.iaf((3,)), models.maf((2,), batch_norm=True)):
        with pytest.raises(UsageError, match="flow: "):
            fluvial.infer(gaussian, 2, flow=flow, epochs=1)


def test_single_precision_and_starts_from_far_away():
    weights = torch.tensor([[1.0], [0.5]])
    fit = fluvial.infer(
        lambda x: -0.5 * ((x - 1000) @ weights)[:, 0].square() - 0.5 * (x[:, 0] - 1000).square(),
        start=torch.tensor([990.0, 1010.0]),
        epochs=1,
        dtype=torch.float32,
    )
    assert float(fit.mean[0]) == pytest.approx(1000, abs=0.1)
    assert fit.x.dtype == torch.float32


def test_heavy_tails_and_zeros_are_said():
    cauchy = torch.distributions.Cauchy(torch.tensor(0.0).double(), 1.0)
    fit = fluvial.infer(lambda x: cauchy.log_prob(x * 1e-3).sum(1) * 0.51, 3, epochs=1)
    assert any("Do not trust these means" in s for s in fit.sentences)
    half = fluvial.infer(lambda x: 2 * x[:, 0].log() - x[:, 0], 1, epochs=1)
    assert any("of the draws the target is zero or NaN" in s for s in half.sentences)
    edge = fluvial.infer(lambda x: torch.where(x[:, 0] > 0, -x[:, 0], -math.inf), 1, epochs=1)
    assert any("Do not trust these means" in s for s in edge.sentences)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"log_target": 3}, "expected a function of rows"),
        ({"dim": None}, "dim: say how many numbers"),
        ({"dim": 0}, "dim: expected a whole number of at least 1"),
        ({"alpha": 1.0}, "alpha: expected a number of at least 0 and below 1, got 1.0"),
        ({"names": ["a"]}, "names: expected 2, got 1"),
        ({"constraints": [None]}, "expected those of 2 numbers, got those of 1"),
        ({"constraints": ["positive", None]}, "expected ones of torch.distributions.constraints"),
        ({"start": torch.zeros(3)}, "expected points of dim = 2 numbers, got 3"),
        ({"start": torch.tensor([0.0, math.nan])}, "start: expected finite points"),
        ({"start": -torch.ones(2), "constraints": constraints.positive}, "lies outside of the constraints"),
        ({"flow": "nfs"}, "no model named 'nfs'"),
        ({"options": {"widht": 3}}, "no option named 'widht'"),
        ({"epochs": 0}, "epochs: expected"),
        ({"draws": 3}, "draws: expected a whole number of at least 100"),
        ({"log_target": lambda x: x}, "one number for each of"),
        ({"log_target": lambda x: x[:, 0] * math.nan}, "around each of the 32 starting points, such as"),
        ({"log_target": lambda x: x[:, 0].detach()}, "has no gradient"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(wrong: dict[str, object], says: str):
    given = {"log_target": gaussian, "dim": 2, "epochs": 1, **wrong}
    with pytest.raises(UsageError, match=says):
        fluvial.infer(**given)  # pyright: ignore
