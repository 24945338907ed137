import math

import pytest
import torch
from training.toy import Gaussian

from fluvial.core import Normal, UsageError
from fluvial.core.batched import chunk_rows, score
from fluvial.models import maf, vae
from fluvial.training import Data
from fluvial.training.objectives import BOUND, negative_log_likelihood, reverse_kl


def test_nll_of_a_standard_normal_at_zero():
    assert negative_log_likelihood(Normal((2,)), torch.zeros(5, 2)).item() == pytest.approx(math.log(2 * math.pi))


def test_reverse_kl_trains_a_maf_towards_its_target():
    torch.manual_seed(0)
    density, target = maf((2,), transforms=1, hidden=(8,)), torch.tensor([2.0, -1.0])
    optimizer = torch.optim.Adam(density.parameters(), 0.05)
    for _ in range(80):
        optimizer.zero_grad()
        loss = reverse_kl(density, lambda x: -0.5 * (x - target).square().sum(1) - math.log(2 * math.pi), 64)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05  # it is 2.5 at the start, 0 at the target
    assert torch.allclose(density.sample(2000).mean(0), target, atol=0.2)


def test_score_is_the_same_on_every_call_and_leaves_mode_and_random_state_alone():
    density, x = Gaussian(jitter=0.5), torch.randn(100, 2)
    density.train()
    before = torch.get_rng_state()
    first = score(density, x)
    assert torch.equal(first, score(density, x))
    assert not torch.equal(first, score(density, x, seed=1))
    assert torch.equal(before, torch.get_rng_state())
    assert density.training


def test_score_in_chunks_equals_score_at_once():
    density, x = Gaussian(), torch.randn(2 * chunk_rows((2,)) + 3, 2)
    assert torch.equal(score(density, x), density.log_prob(x).detach())
    assert score(density, x[:0]).shape == (0,)


@pytest.mark.parametrize(("rows", "draws"), [(1000, 1), (250, 4), (10, 16)])
def test_many_rows_judge_a_bound_by_fewer_draws_each(rows, draws):
    torch.manual_seed(0)
    model, data = vae((2,), latent=2, hidden=(8,), samples=16), Data(torch.randn(rows, 2))
    judged = BOUND.judge(data, model, 3)
    assert model.samples == 16
    model.samples = draws
    assert judged == -data.score(model, 3)


def test_only_a_vae_is_judged_by_its_bound():
    with pytest.raises(UsageError, match="Normal has no bound"):
        BOUND.judge(Data(torch.zeros(3, 2)), Normal((2,)), 0)
