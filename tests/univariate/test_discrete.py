"""Staircases: total probability, decode(encode(x)), frequencies, and densities made of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from zoo import randomized

from fluvial.conditioners import MaskedMLP
from fluvial.core import Flow, Uniform
from fluvial.transforms import Autoregressive
from fluvial.univariate import Bernoulli, Categorical, DiscretizedLogistics

STAIRCASES = {
    "bernoulli": (Bernoulli(), 2),
    "categorical": (Categorical(5), 5),
    "logistics": (DiscretizedLogistics(256, 3), 256),
    "logistics-16-bit": (DiscretizedLogistics(1 << 16, 2, floor=-16.0), 1 << 16),
}


def theta_of(univariate, n: int, seed: int, scale: float = 1.5) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, univariate.size, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("scale", [0.5, 3.0, 20.0])
@pytest.mark.parametrize("name", STAIRCASES)
def test_probabilities_sum_to_one_and_values_come_back(name: str, scale: float):
    univariate, levels = STAIRCASES[name]
    theta = theta_of(univariate, 1, 0, scale).expand(levels, -1)
    x = torch.arange(levels, dtype=torch.float64)
    z, log_p = univariate.forward(x, theta)
    assert abs(log_p.exp().sum() - 1) < 1e-12 * max(1, levels // 100)
    assert torch.isfinite(log_p).all()
    assert z.dtype == torch.float64
    assert ((z >= 0) & (z <= 1)).all()
    back, minus = univariate.inverse(z, theta)
    likely = log_p > -25  # steps that float64 resolves
    assert torch.equal(back[likely], x[likely])
    torch.testing.assert_close(minus[likely], -log_p[likely])


@given(classes=st.integers(2, 40), seed=st.integers(0, 10**6), scale=st.floats(0, 30))
def test_no_draw_is_of_a_class_that_is_barred(classes: int, seed: int, scale: float):
    """Wherever z lies in [0, 1], its ends and the steps' edges included; rounded steps do not add up to one."""
    univariate = Categorical(classes)
    theta = theta_of(univariate, 20, seed, scale)
    g = torch.Generator().manual_seed(seed)
    theta[torch.rand(theta.shape, generator=g) < 0.4] = -torch.inf
    theta[range(20), torch.randint(classes, (20,), generator=g)] = 0.0
    edges = theta.softmax(1).cumsum(1)
    ends = torch.tensor([0.0, 5e-324, 2.0**-53, 1 - 2.0**-53, 1.0], dtype=torch.float64).expand(20, -1)
    for z in torch.cat((edges.clamp(max=1), ends), 1).unbind(1):
        x, minus_log_p = univariate.inverse(z, theta)
        assert torch.isfinite(minus_log_p).all()
        assert torch.equal(univariate.log_prob(x, theta), -minus_log_p)


@pytest.mark.parametrize("name", STAIRCASES)
def test_log_prob_has_the_right_gradient_and_float32_agrees(name: str):
    univariate, levels = STAIRCASES[name]
    theta = theta_of(univariate, 6, 1).requires_grad_()
    x = torch.tensor([0, 1, levels // 2, levels - 2, levels - 1, levels // 3]).clamp(0, levels - 1)
    assert torch.autograd.gradcheck(lambda t: univariate.forward(x, t)[1], theta)
    torch.testing.assert_close(
        univariate.forward(x, theta.detach().float())[1].double(),
        univariate.forward(x, theta.detach())[1],
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("name", ["bernoulli", "categorical", "logistics"])
def test_sampled_frequencies_match(name: str):
    univariate, levels = STAIRCASES[name]
    theta = theta_of(univariate, 1, 3, 0.7)
    z = torch.rand(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = univariate.inverse(z, theta.expand(len(z), -1))[0]
    p = univariate.forward(torch.arange(levels, dtype=torch.float64), theta.expand(levels, -1))[1].exp().numpy()
    seen = np.bincount(x.long().numpy(), minlength=levels)
    often = p > 1e-4
    expected = p[often] / p[often].sum() * seen[often].sum()
    assert chisquare(seen[often], expected).pvalue > 1e-4


@pytest.mark.parametrize(
    ("univariate", "levels"), [(Bernoulli(), 2), (Categorical(3), 3), (DiscretizedLogistics(3, 2), 3)]
)
@pytest.mark.parametrize("c", [0, 2])
def test_autoregressive_models_of_them_sum_to_one(univariate, levels: int, c: int):
    net = randomized(MaskedMLP(4, univariate.size, (12, 12), c))
    made = Flow(Autoregressive(net, univariate), Uniform((4,)), (4,), (c,) if c else None).double()
    assert made.exact
    x = torch.tensor(list(itertools.product(range(levels), repeat=4)), dtype=torch.float64)
    context = torch.ones(len(x), c, dtype=torch.float64) if c else None
    assert abs(made.log_prob(x, context).exp().sum() - 1) < 1e-12
    assert torch.equal(made.decode(made.encode(x, context), context), x)
    torch.manual_seed(0)
    some = None if context is None else context[:9]
    drawn, log_p = made.sample_and_log_prob(9, some)
    torch.testing.assert_close(made.log_prob(drawn, some), log_p)
    parts = made.parts(x, context)
    torch.testing.assert_close(parts.sum(1), made.log_prob(x, context))


def test_mistakes_get_sentences():
    with pytest.raises(ValueError, match="at least 2"):
        Categorical(1)
    with pytest.raises(ValueError, match="at least 2"):
        DiscretizedLogistics(levels=1)
