"""Recipes: closed form, depth, and training through either direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import zoo

from fluvial import models


def correlated(n: int, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=g)
    x[:, 1] = x[:, 0].square() + 0.3 * x[:, 1]
    x[:, 3] = x[:, 2] * x[:, 4]
    return (x - x.mean(0)) / x.std(0)


def test_gaussian_is_the_closed_form():
    x = correlated(400).double()
    density = models.gaussian((6,)).double()
    density.initialize(x)
    mean, covariance = x.mean(0).numpy(), np.cov(x.numpy().T, bias=True)
    want = torch.distributions.MultivariateNormal(torch.from_numpy(mean), torch.from_numpy(covariance))
    torch.testing.assert_close(density.log_prob(x), want.log_prob(x), rtol=1e-6, atol=1e-6)


def test_conditional_gaussian_is_least_squares():
    x, c = correlated(300).double(), torch.eye(3, dtype=torch.float64)[torch.arange(300) % 3]
    density = models.gaussian((6,), context_shape=(3,)).double()
    density.initialize(x + 4 * c[:, :1], c)
    z = density.encode(x + 4 * c[:, :1], c)  # pyright: ignore
    for k in range(3):
        assert z[k::3].mean(0).abs().max() < 1e-9


@pytest.mark.parametrize("name", [n for n in zoo.SMALL if "transforms" in models.resolve(n, {})])
def test_fifty_transforms_train_and_invert(name: str):
    torch.manual_seed(0)
    density = models.recipe_of(name).build((6,), transforms=50, hidden=(32, 32))
    x = correlated(1000)
    optimizer = torch.optim.Adam(density.parameters(), lr=1e-3)
    for _ in range(8 if name == "iaf" else 30):
        optimizer.zero_grad()
        loss = -density.log_prob(x[torch.randint(len(x), (128,))]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(density.parameters(), 5.0)
        optimizer.step()
        assert torch.isfinite(loss)
    density.eval()
    with torch.no_grad():
        back = density.decode(density.encode(x))  # pyright: ignore
        assert (back - x).abs().max() < (1e-4 if "nsf" in name else 1e-5)
        far = 1000 * torch.randn(100, 6)
        assert torch.isfinite(density.log_prob(far)).all()
        assert not density.decode(far).isnan().any()  # pyright: ignore


@pytest.mark.parametrize("name", ["maf", "nsf", "iaf", "nsf_coupling"])
def test_reverse_kl_trains_through_sampling(name: str):
    """Gradients of samples: fit a shifted, correlated Gaussian known only by its log-density."""
    torch.manual_seed(0)
    target = torch.distributions.MultivariateNormal(torch.tensor([1.0, -0.5]), torch.tensor([[1.0, 0.6], [0.6, 0.8]]))
    density = models.recipe_of(name).build((2,), transforms=2, hidden=(16, 16))
    optimizer = torch.optim.Adam(density.parameters(), lr=1e-2)
    for _ in range(150):
        x, log_p = density.sample_and_log_prob(128)
        loss = (log_p - target.log_prob(x)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        x, log_p = density.sample_and_log_prob(4000)
        assert (log_p - target.log_prob(x)).mean() < 0.1


def test_gradient_of_the_autoregressive_inverse():
    from fluvial.core import Flow

    density = models.maf((4,), transforms=2, hidden=(12,), activation="tanh", context_shape=(2,)).double()
    for p in density.parameters():
        torch.nn.init.normal_(p, std=0.3)
    if not isinstance(density, Flow):
        raise TypeError
    z = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    context = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, c: density.transform.inverse(a, c), (z, context))


@pytest.mark.parametrize(("recipe", "scale"), [(models.nsf, 0.1), (models.nsf_coupling, 0.07)])
@torch.no_grad()
def test_rows_far_out_come_back_from_deep_splines(recipe, scale: float):
    torch.manual_seed(0)
    density = recipe((6,), transforms=50, hidden=(16, 16)).eval()
    for name, weight in density.named_parameters():
        if ".last." in name:
            weight.copy_(scale * torch.randn_like(weight))
    for deviations in (1.0, 10.0, 30.0):
        x = deviations * 6**0.5 * torch.nn.functional.normalize(torch.randn(200, 6))
        back = density.decode(density.encode(x))
        assert ((back - x).abs() / (1 + x.abs())).max() < 0.02


def test_a_gaussian_keeps_its_precision_in_float32():
    x = correlated(300).double()
    x[:, 5] = x[:, 0] + 1e-6 * x[:, 5]
    density = models.build({"model": "gaussian", "event_shape": [6]})
    density.initialize(x)
    want = density.log_prob(x)
    assert torch.equal(density.float().log_prob(x), want)
