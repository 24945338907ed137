"""Images from coarse to fine: probabilities sum to one, what a pixel may read, and the first linear prediction."""

from __future__ import annotations

import math

import pytest
import torch
import zoo

from fluvial import models
from fluvial.conditioners import PixelMLP, PixelPredictor
from fluvial.core import Chain, Flow, Uniform
from fluvial.transforms import Autoregressive, Flatten, Pyramid
from fluvial.univariate import DiscretizedLogistics

LEVELS = 2


def small(channels: int, context: int = 0) -> Flow:
    """A pyramid over (channels, 2, 2) pixels of two levels, with random parameters."""
    univariate = DiscretizedLogistics(LEVELS, 2)
    nets = [PixelPredictor(j * channels, channels, 2, 4, 1, context, LEVELS) for j in (1, 2, 3)]
    coarse = Chain(
        Flatten((channels, 1, 1)), Autoregressive(PixelMLP(channels, 2, (6, 6), context, LEVELS), univariate)
    )
    pyramid = zoo.randomized(Pyramid((channels, 2, 2), nets, univariate, coarse), scale=0.7)
    shape = (channels, 2, 2)
    return Flow(pyramid, Uniform((4 * channels,)), shape, (context,) if context else None).eval()  # pyright: ignore


def all_images(channels: int) -> torch.Tensor:
    return torch.cartesian_prod(*[torch.arange(float(LEVELS))] * 4 * channels).view(-1, channels, 2, 2)


@pytest.mark.parametrize(("channels", "context"), [(1, 0), (2, 0), (1, 3)])
def test_probabilities_sum_to_one(channels: int, context: int):
    density, x = small(channels, context).double(), all_images(channels)
    for seed in range(2):
        torch.manual_seed(seed)
        given = torch.randn(1, context).double().expand(len(x), -1) if context else None
        p = density.log_prob(x.double(), given).exp()
        assert p.sum().item() == pytest.approx(1, abs=1e-12)
        assert p.std() > 1e-3  # not all alike


def test_samples_are_as_frequent_as_they_are_probable():
    density, x = small(1), all_images(1)
    p = density.log_prob(x).exp()
    torch.manual_seed(0)
    n = 20_000
    drawn = density.sample(n).flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0])
    counts = torch.bincount(drawn.long(), minlength=16)
    assert ((counts - n * p) ** 2 / (n * p)).sum() < 45  # the 99.99 % point for 15 degrees of freedom


def test_the_mass_is_the_log_det_and_encodings_decode():
    density = zoo.image_recipe("multiscale", (3, 8, 8), 2)
    x, context = torch.randint(0, 256, (5, 3, 8, 8)), torch.randn(5, 2)
    z, log_det = density.transform(x, context)
    torch.testing.assert_close(density.log_prob(x, context), log_det)
    assert torch.equal(density.transform.inverse(z, context)[0], x.float())
    assert torch.equal(density.decode(density.encode(x, context), context), x.float())


def test_theta_of_a_channel_reads_those_before_it_and_all_of_them():
    torch.manual_seed(0)
    channels = 2
    pyramid = small(channels).transform
    squares = torch.rand(1, 4 * channels, 3, 3, requires_grad=True)
    for j, (_, theta) in enumerate(pyramid._thetas(squares, None), 1):
        for c in range(channels):
            (read,) = torch.autograd.grad(theta[:, :, c].sum(), squares, retain_graph=True)
            seen = read.abs().amax((0, 2, 3)) > 0
            assert seen.tolist() == [k < j * channels + c for k in range(4 * channels)]


def test_the_first_prediction_is_that_of_least_squares():
    """Of pixels that are linear functions of their neighbours plus noise, what is left is the noise."""
    torch.manual_seed(0)
    net = PixelPredictor(2, 2, 3, 4, 1)
    x = torch.randint(0, 256, (64, 2, 6, 6)).float()
    noise = 4.0
    one = (0.6 * x[:, :1] + 0.3 * x[:, 1:] + 10 + noise * torch.randn(64, 1, 6, 6)).round()
    own = torch.cat((one, (0.5 * one + 0.5 * x[:, 1:] + noise * torch.randn(64, 1, 6, 6)).round()), 1)
    net.fit(x, own)
    theta, univariate = net(x, own), DiscretizedLogistics(256, 3)
    bits = -univariate.log_prob(own, theta).mean((0, 2, 3)) / math.log(2)
    ideal = 0.5 * math.log2(2 * math.pi * math.e * noise**2)
    assert bits.max() < ideal + 1.0
    kept = net.weight.clone()
    net.fit(x, 255 - own)  # once is enough
    assert torch.equal(net.weight, kept)


def test_it_starts_below_independent_pixels_on_smooth_images():
    torch.manual_seed(0)
    waves = torch.linspace(0, 3, 16).view(1, 1, 1, 16) + 6 * torch.rand(128, 1, 1, 1)
    x = (
        128 + 100 * torch.sin(waves + torch.linspace(0, 2, 16).view(1, 1, 16, 1)) + torch.randn(128, 1, 16, 16)
    ).round()
    density = models.multiscale((1, 16, 16))
    density.initialize(x)
    bits = models.bits_per_dimension(density.log_prob(x).mean(), (1, 16, 16))
    assert bits < 5  # each pixel alone takes more than 7


def test_half_precision_networks_cost_little():
    """Under autocast the linear prediction and the probabilities stay float32."""
    torch.manual_seed(0)
    x = (torch.linspace(0, 200, 64).view(1, 1, 8, 8) + 50 * torch.rand(64, 1, 1, 1) + torch.randn(64, 1, 8, 8)).round()
    density = models.multiscale((1, 8, 8), width=8)
    density.initialize(x)
    want = density.log_prob(x)
    with torch.autocast("cpu", torch.bfloat16):
        got = density.log_prob(x)
    assert got.dtype == torch.float32
    assert (got - want).abs().mean() < 0.01 * 64  # a hundredth of a nat for each pixel


def test_temperature_narrows_the_noise():
    density = zoo.image_recipe("multiscale", (1, 6, 4))
    torch.manual_seed(0)
    cold, warm = (models.sample_at_temperature(density, 200, t) for t in (0.2, 1.0))
    assert cold.std(0).mean() < 0.8 * warm.std(0).mean()


def test_mistakes_get_sentences():
    univariate, net = DiscretizedLogistics(4, 1), PixelMLP(1, 1, (4,), 0, 4)
    coarse = Chain(Flatten((1, 1, 1)), Autoregressive(net, univariate))
    with pytest.raises(ValueError, match="one for each neighbour of a pixel, got 2"):
        Pyramid((1, 2, 2), [torch.nn.Identity()] * 2, univariate, coarse)
    with pytest.raises(ValueError, match="must be even, got 3 x 2"):
        Pyramid((1, 3, 2), [torch.nn.Identity()] * 3, univariate, coarse)
    with pytest.raises(ValueError, match="must end flat"):
        Pyramid((1, 4, 4), [torch.nn.Identity()] * 3, univariate, Chain())
