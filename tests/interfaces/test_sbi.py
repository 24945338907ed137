"""fluvial's flows as density estimators of sbi; run where it is installed."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from fluvial.core import UsageError

pytest.importorskip("sbi")
from fluvial.interfaces.sbi import build_estimator, likelihood_nn, posterior_nn

SMALL = {"hidden": (8,), "transforms": 2}


def batch(n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    theta = 3 + 5 * torch.randn(n, 2)
    return theta, theta[:, :1] * torch.tensor([1.0, -2.0, 0.1]) + torch.randn(n, 3)


@pytest.mark.parametrize("model", ["gaussian", "maf", "iaf", "nsf", "nsf_coupling"])
def test_estimators_follow_the_shapes_of_sbi(model: str):
    theta, x = batch()
    estimator = posterior_nn(model, {} if model == "gaussian" else SMALL)(theta, x)
    assert (estimator.input_shape, estimator.condition_shape) == ((2,), (3,))
    assert estimator.loss(theta, x).shape == (40,)
    log_p = estimator.log_prob(theta.expand(5, 40, 2), x)
    assert log_p.shape == (5, 40)
    torch.testing.assert_close(estimator.log_prob(theta, x), log_p[:1])
    torch.testing.assert_close(estimator.log_prob(theta.expand(5, 40, 2), x.expand(5, 40, 3)), log_p)
    assert estimator.log_prob(theta[None, :1], x).shape == (1, 40)
    drawn, log_q = estimator.sample_and_log_prob((6, 7), x[:4])
    assert drawn.shape == (6, 7, 4, 2)
    torch.testing.assert_close(
        estimator.log_prob(drawn.flatten(0, 1), x[:4]).view(6, 7, 4), log_q, rtol=1e-3, atol=1e-3
    )
    assert estimator.sample((6,), x[:4]).shape == (6, 4, 2)
    again = pickle.loads(pickle.dumps(copy.deepcopy(estimator)))
    assert torch.equal(again.log_prob(theta, x), estimator.log_prob(theta, x))


def test_embedding_nets_and_events_of_several_axes():
    torch.manual_seed(0)
    theta, x = torch.randn(30, 2, 2), torch.randn(30, 1, 4, 4)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 5))
    estimator = build_estimator(theta, x, "maf", SMALL, net, z_score_y="structured")
    assert estimator.embedding_net.net is net
    assert estimator.sample((3,), x[:2]).shape == (3, 2, 2, 2)
    nn.init.normal_(estimator.net.base.transform.transforms[0].conditioner.last.weight)  # a fresh flow reads nothing
    estimator.loss(theta, x).sum().backward()
    assert net[0].weight.grad.abs().sum() > 0


def test_what_cannot_be_estimated_gets_a_sentence():
    theta, x = batch()
    with pytest.raises(UsageError, match="made is a model of classes"):
        build_estimator(theta, x, "made")
    with pytest.raises(UsageError, match="set batch_norm of maf to False"):
        build_estimator(theta, x, "maf", {"batch_norm": True})
    with pytest.raises(UsageError, match=r"columns \[1\] do not vary"):
        build_estimator(theta * torch.tensor([1.0, 0.0]), x)
    with pytest.raises(UsageError, match="expected one of independent, structured, none, got 'both'"):
        build_estimator(theta, x, z_score_x="both")


@pytest.mark.parametrize("kind", ["NPE", "NLE"])
def test_inference_finds_a_known_posterior(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """theta ~ N(0, 1), x = theta + N(0, 1/2): the posterior of x = 1.5 is N(1.2, 1/5)."""
    inference = pytest.importorskip("sbi.inference")
    monkeypatch.chdir(tmp_path)  # sbi leaves its logs where it runs
    torch.manual_seed(0)
    prior = torch.distributions.MultivariateNormal(torch.zeros(1), torch.eye(1))
    theta = prior.sample((1000,))
    x = theta + 0.5 * torch.randn(1000, 1)
    builder = (posterior_nn if kind == "NPE" else likelihood_nn)("gaussian")
    trainer = getattr(inference, kind)(prior, density_estimator=builder, show_progress_bars=False)
    trainer.append_simulations(theta, x).train(max_num_epochs=3)
    posterior = trainer.build_posterior(**({} if kind == "NPE" else {"sample_with": "rejection"}))
    drawn = posterior.sample((2000,), x=torch.tensor([[1.5]]), show_progress_bars=False)
    assert abs(drawn.mean() - 1.2) < 0.1
    assert abs(drawn.std() - 0.2**0.5) < 0.1
