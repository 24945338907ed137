"""Walking: lazily, with known values, at another temperature, over events of any length."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from zoo import randomized

from fluvial.conditioners import MaskedMLP, WaveNet
from fluvial.core import Flow, Normal, StudentT, Uniform
from fluvial.models import wavenet
from fluvial.transforms import Autoregressive
from fluvial.univariate import (
    Affine,
    Bernoulli,
    Categorical,
    DiscretizedLogistics,
    GaussianMixture,
    RQSpline,
    Tempered,
)

TINY = {"stacks": 1, "layers": 2, "channels": 6, "gates": 5, "skips": 8}


def sequence(components: int = 0, levels: int = 3) -> Autoregressive:
    flow = randomized(wavenet((None,), levels=levels, components=components, **TINY)).double()
    return flow.transform  # pyright: ignore


def test_columns_may_come_one_after_the_other():
    transform = sequence()
    z = torch.rand(2, 9, dtype=torch.float64)
    whole = transform.inverse(z)
    x, log_det = zip(*transform.walk(iter(z.unbind(1))))
    assert torch.equal(torch.stack(x, 1), whole[0])
    torch.testing.assert_close(torch.stack(log_det).sum(0), whole[1])
    endless = transform.walk(torch.rand(2, dtype=torch.float64) for _ in itertools.count())
    assert len(list(itertools.islice(endless, 40))) == 40


@pytest.mark.parametrize("ordered", [False, True])
def test_known_values_are_kept_and_scored(ordered: bool):
    net = randomized(MaskedMLP(5, 2, (16, 16), order=[3, 0, 4, 1, 2] if ordered else None)).double()
    transform = Autoregressive(net, Affine())
    z, known = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    known[0, 1] = math.nan
    steps, log_dets = zip(*transform.walk(z, known=known))
    x = torch.stack(steps, 1)[:, torch.argsort(net.order)]
    assert torch.equal(x[:, :3][~known.isnan()], known[~known.isnan()])
    again, log_det = transform(x)
    torch.testing.assert_close(-log_det, torch.stack(log_dets).sum(0))
    drawn = torch.ones_like(x, dtype=torch.bool)
    drawn[:, :3] = known.isnan()
    torch.testing.assert_close(again[drawn], z[drawn])  # what was drawn was drawn from its noise


WALKED = {
    "affine": (Affine(), None),
    "spline": (RQSpline(4), None),
    "mixture": (GaussianMixture(3), None),
    "categorical": (Categorical(3), 3),
    "bernoulli": (Bernoulli(), 2),
}


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("name", WALKED)
def test_log_dets_of_a_walk_are_those_of_what_it_gave(name: str, ordered: bool):
    """Known or drawn, each position's share is that of the value which the walk gave."""
    univariate, classes = WALKED[name]
    options = {} if classes is None else {"classes": classes}
    net = MaskedMLP(5, univariate.size, (16, 16), order=[3, 0, 4, 1, 2] if ordered else None, **options)
    transform = Autoregressive(randomized(net, scale=1.0).double(), univariate)
    z, known = torch.rand(30, 5, dtype=torch.float64), torch.randn(30, 3, dtype=torch.float64)
    if classes is not None:
        known = torch.randint(classes, known.shape).double()
    known[0, 1], known[1] = math.nan, math.nan
    drawn = torch.stack([d for _, d in transform.walk(z)])
    steps, log_dets = zip(*transform.walk(z, known=known))
    x = torch.stack(steps, 1)[:, torch.argsort(net.order)]
    log_det = transform(x)[1]
    torch.testing.assert_close(-log_det, torch.stack(log_dets).sum(0), rtol=1e-6, atol=1e-6)
    assert (drawn.sum(0) + log_det).abs()[2:].max() > 0.1  # and not that of what would have been drawn


def test_a_prompt_in_discrete_values():
    transform = sequence()
    known = torch.tensor([[2.0, 0.0, 1.0]], dtype=torch.float64).expand(500, -1)
    x = torch.stack([v for v, _ in transform.walk(torch.rand(500, 4, dtype=torch.float64), known=known)], 1)
    assert torch.equal(x[:, :3], known)
    p = transform.conditioner(x)[0, :, 3].softmax(0)
    seen = torch.bincount(x[:, 3].long(), minlength=3) / 500
    assert (seen - p).abs().max() < 5 * math.sqrt(0.25 / 500)


@pytest.mark.parametrize("components", [0, 2])
def test_a_temperature_is_a_density_of_its_own(components: int):
    transform = sequence(components)
    x = torch.tensor(list(itertools.product(range(3), repeat=4)), dtype=torch.float64)

    def entropy(temperature: float) -> float:
        flow = Flow(transform.tempered(temperature), Uniform((4,)), (4,))
        log_p = flow.log_prob(x)
        assert abs(log_p.exp().sum() - 1) < 1e-12
        torch.manual_seed(0)
        drawn, log_q = flow.sample_and_log_prob(5)
        torch.testing.assert_close(flow.log_prob(drawn), log_q)
        return -(log_p.exp() * log_p).sum().item()

    cold, as_it_is, hot = entropy(0.3), entropy(1.0), entropy(3.0)
    assert cold < as_it_is
    if not components:  # wide logistics pile up at the edges of three levels
        assert as_it_is < hot
    torch.testing.assert_close(
        Flow(transform.tempered(1.0), Uniform((4,)), (4,)).log_prob(x), Flow(transform, Uniform((4,)), (4,)).log_prob(x)
    )


def test_the_temperature_of_classes_raises_their_probabilities_to_a_power():
    theta = torch.randn(1, 5, 1, dtype=torch.float64).expand(5, -1, -1)
    x = torch.arange(5.0).unsqueeze(1)
    p, cold = (u.log_prob(x, theta).exp() for u in (Categorical(5), Tempered(Categorical(5), 0.5)))
    torch.testing.assert_close(cold, p.square() / p.square().sum())
    assert Tempered(Bernoulli(), 2.0).size == 1
    assert Tempered(DiscretizedLogistics(), 2.0).size == 30


def test_what_has_no_temperature_says_so():
    with pytest.raises(ValueError, match="defined for discrete values; Affine is not"):
        Autoregressive(WaveNet(2, **TINY), Affine()).tempered(0.5)
    with pytest.raises(ValueError, match="temperature: expected a positive number, got 0"):
        Tempered(Bernoulli(), 0.0)


@pytest.mark.parametrize("base", [Normal, StudentT])
def test_events_of_any_length(base: type):
    net = randomized(WaveNet(2, **TINY)).double()
    flow = Flow(Autoregressive(net, Affine()), base((None,)).double(), (None,))
    short = flow.of_length(7)
    x = torch.randn(3, 7, dtype=torch.float64)
    torch.testing.assert_close(flow.log_prob(x), short.log_prob(x))
    assert flow.log_prob(x[:, :4]).shape == (3,)
    torch.manual_seed(0)
    drawn, log_p = short.sample_and_log_prob(5)
    assert drawn.shape == (5, 7)
    torch.testing.assert_close(flow.log_prob(drawn), log_p)
    assert {id(p) for p in short.parameters()} == {id(p) for p in flow.parameters()}
    with pytest.raises(ValueError, match=r"events of shape \(T\) have no one length: choose it with .of_length"):
        flow.sample(2)
    with pytest.raises(ValueError, match=r"over events of shape \(7,\), not of any length"):
        short.of_length(3)
    with pytest.raises(ValueError, match=r"over events of shape \(7,\), not of any length"):
        short.base.of_length(3)  # pyright: ignore
    with pytest.raises(ValueError, match=r"x: expected shape \(B, T\), got \(3, 7, 1\)"):
        flow.log_prob(x.unsqueeze(2))


def test_a_staircase_towards_uniform_noise_skips_the_noise():
    transform = sequence()
    flow = Flow(transform, Uniform((6,)), (6,))
    x = torch.randint(0, 3, (4, 6)).double()
    z, log_det = transform(x)
    torch.testing.assert_close(flow.log_prob(x), flow.base.log_prob(z) + log_det)
    torch.testing.assert_close(transform.log_mass(x), log_det)
    assert Autoregressive(WaveNet(2, **TINY), Affine()).log_mass(x) is None
