"""ActNorm's one initialisation and BatchNorm's exact statistics."""

from __future__ import annotations

import pytest
import torch

from fluvial import models
from fluvial.core import Flow, Normal
from fluvial.transforms import ActNorm, BatchNorm, ImageBatchNorm, needs_statistics, refresh_statistics
from fluvial.transforms.normalization import pool_statistics


def test_actnorm_normalises_the_first_batch_and_only_that():
    norm, x = ActNorm((3, 4, 4)), 2 + 5 * torch.randn(8, 3, 4, 4)
    z = norm.initialize(x)
    assert z.mean((0, 2, 3)).abs().max() < 1e-5
    assert (z.var((0, 2, 3), correction=0) - 1).abs().max() < 1e-4
    assert torch.equal(norm.initialize(x * 9), norm(x * 9)[0])


@pytest.mark.parametrize("x", [torch.ones(6, 2), torch.tensor([[1.0, 5.0]])], ids=["constant", "one row"])
def test_actnorm_survives_batches_without_variance(x: torch.Tensor):
    norm = ActNorm((2,))
    assert torch.isfinite(norm.initialize(x)).all()
    assert torch.isfinite(norm(x)[1]).all()


def test_actnorm_does_nothing_by_stealth():
    norm = ActNorm((2,))
    x = 7 + torch.randn(5, 2)
    assert torch.equal(norm(x)[0], x)
    assert not bool(norm.initialized)


def test_batchnorm_evaluates_with_the_whole_training_set():
    torch.manual_seed(0)
    density = models.maf((3,), transforms=2, hidden=(8,), batch_norm=True)
    for p in density.parameters():
        torch.nn.init.normal_(p, std=0.3)
    assert needs_statistics(density)
    x = 1 + 2 * torch.randn(40_000, 3)  # more rows than pass through at once
    refresh_statistics(density, x)
    assert density.training
    first, second = (m for m in density.modules() if isinstance(m, BatchNorm))
    density.eval()
    steps = list(density.transform)  # pyright: ignore
    h = steps[0](x)[0]
    torch.testing.assert_close(first.mean, h.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(first.variance, h.var(0, correction=0), rtol=1e-4, atol=1e-4)
    for step in steps[1:4]:
        h = step(h)[0]
    torch.testing.assert_close(second.variance, h.var(0, correction=0), rtol=1e-4, atol=1e-4)
    # training on all rows at once uses the same numbers
    torch.testing.assert_close(density.train().log_prob(x), density.eval().log_prob(x), rtol=1e-3, atol=1e-3)


def test_batchnorm_has_no_inverse_in_training():
    with pytest.raises(RuntimeError, match=r"call density.eval\(\) before sampling"):
        BatchNorm(2).inverse(torch.zeros(3, 2))


@pytest.mark.parametrize("size", [7, 60])
def test_statistics_of_parts_are_pooled(size: int):
    kept = torch.tensor([True, False]).repeat(8).view(1, 4, 4)
    images = 3 + 2 * torch.randn(60, 2, 4, 4)
    for norm, x in ((ImageBatchNorm((2, 4, 4), kept), images), (BatchNorm(5), torch.randn(60, 5))):
        shape = tuple(x.shape[1:])
        pool_statistics(Flow(norm, Normal(shape), shape), ((part, None) for part in x.split(size)))
        seen = (norm.mean.clone(), norm.variance.clone())
        norm.measure(x)
        torch.testing.assert_close(seen, (norm.mean, norm.variance))
