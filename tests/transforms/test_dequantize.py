"""Bits per dimension where they are known, and noise on pixels."""

from __future__ import annotations

import math

import pytest
import torch
import zoo

from fluvial.core import Chain, Flow, Uniform
from fluvial.models import bits_per_dimension
from fluvial.transforms import Dequantize, Elementwise, Logit, Standardize, VariationalDequantize
from fluvial.univariate import Categorical

SHAPE = (3, 4, 5)


def pixels(n: int = 50, levels: int = 256) -> torch.Tensor:
    return torch.randint(0, levels, (n, *SHAPE), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bits", [8, 5, 1])
def test_uniform_noise_costs_all_the_bits(bits: int):
    levels = 2**bits
    scale = Standardize(torch.tensor(0.0), torch.tensor(float(levels)))
    density = Flow(Chain(Dequantize(levels=levels), scale), Uniform(SHAPE), SHAPE).double()
    got = bits_per_dimension(density.log_prob(pixels(levels=levels).double()), SHAPE)
    torch.testing.assert_close(got, torch.full((50,), float(bits)).double(), rtol=1e-14, atol=0)
    drawn = density.sample(2000)
    assert set(drawn.unique().tolist()) == set(map(float, range(levels)))


def test_a_histogram_of_each_pixel_costs_its_entropy():
    x = (pixels(200).double() / 60).floor()  # a few levels, unevenly filled
    counts = torch.stack([(x == k).double().mean(0) for k in range(256)])
    histogram = Elementwise(Categorical(256), SHAPE).double()
    with torch.no_grad():
        histogram.theta.copy_(counts.clamp(min=1e-300).log())  # pyright: ignore
    density = Flow(histogram, Uniform(SHAPE), SHAPE)
    entropy = -(counts * counts.clamp(min=1e-300).log2()).sum() / x[0].numel()
    torch.testing.assert_close(bits_per_dimension(density.log_prob(x), SHAPE).mean(), entropy)
    assert entropy > 1


@pytest.mark.parametrize("alpha", [0.05, 1e-6])
def test_logit_space_converts_to_pixels(alpha: float):
    """The MAF paper's numbers are nats in logit space: its formula for bits per pixel gives what our density gives."""
    x = pixels().double() + torch.rand(50, *SHAPE, generator=torch.Generator().manual_seed(1)).double()
    y, log_det = Logit(0.0, 256.0, alpha)(x)
    s = torch.sigmoid(y)
    in_logit_space = torch.distributions.Normal(0.0, 3.0)
    nats = in_logit_space.log_prob(y).flatten(1).sum(1)
    count = y[0].numel()
    published = -nats / (count * math.log(2)) - math.log2(1 - 2 * alpha) + 8
    published = published + (s.log2() + (1 - s).log2()).flatten(1).mean(1)
    torch.testing.assert_close(bits_per_dimension(nats + log_det, SHAPE), published, rtol=1e-9, atol=1e-9)


def test_scaling_leaves_bits_alone():
    """Two fixed affine maps in a row cost what their product costs."""
    x = pixels().double()
    one = Standardize(torch.tensor(0.0), torch.tensor(256.0))
    two = [Standardize(torch.tensor(3.0), torch.tensor(2.0)), Standardize(torch.tensor(-1.5), torch.tensor(128.0))]
    a, b = (Flow(Chain(*steps), Uniform(SHAPE), SHAPE).double() for steps in ([one], two))
    torch.testing.assert_close(a.log_prob(x), b.log_prob(x))


def test_dequantised_pixels_return_and_stay_on_their_grid():
    step = Dequantize(levels=32)
    x = pixels(levels=32).double()
    z, log_det = step(x)
    assert torch.equal(step.inverse(z)[0], x)
    assert ((z >= x) & (z < x + 1)).all()
    assert step.inverse(torch.tensor([[-3.0, 31.9, 40.0]]))[0].tolist() == [[0, 31, 31]]
    assert log_det.abs().max() == 0
    assert Dequantize(levels=256)(pixels().byte())[0].dtype == torch.float32


def learned_noise(shape: zoo.Image = (1, 4, 4)) -> VariationalDequantize:
    density = zoo.image_recipe("flowpp", shape)
    return next(m for m in density.modules() if isinstance(m, VariationalDequantize))


def test_learned_noise_lies_in_the_cell_and_knows_its_density():
    step = learned_noise().double()
    x = pixels()[:20, :1, :4, :4].double()
    z, log_det = step(x)
    assert ((z > x) & (z < x + 1)).all()
    back, log_det_back = step.inverse(z)
    assert torch.equal(back, x)
    torch.testing.assert_close(log_det_back, -log_det, rtol=1e-5, atol=1e-5)
    other = step(x + 20)[0] - x - 20
    torch.manual_seed(0)
    first = step(x)[0]
    torch.manual_seed(0)
    assert (step(x + 20)[0] - 20 - first).abs().max() > 1e-6, "the noise does not see the image"
    assert other.min() > 0


def test_learned_noise_is_normalised():
    """The integral of q(u | x) over the cell, by uniform draws, is 1."""
    torch.manual_seed(0)
    step = learned_noise((1, 2, 2)).double()
    x = torch.full((20_000, 1, 2, 2), 77.0).double()
    with torch.no_grad():
        q = step.inverse(x + torch.rand_like(x))[1].exp()
    assert q.std() > 0.05  # not simply uniform
    assert abs(q.mean() - 1) < 4 * q.std() / math.sqrt(len(q))


def test_the_learned_bound_trains_through_its_noise():
    density = zoo.image_recipe("flowpp", (1, 4, 4)).train()
    loss = -density.log_prob(pixels()[:8, :1, :4, :4].float()).mean()
    loss.backward()
    step = next(m for m in density.modules() if isinstance(m, VariationalDequantize))
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in step.parameters())
    assert any(p.grad.abs().max() > 0 for p in step.encoder.parameters())  # pyright: ignore
