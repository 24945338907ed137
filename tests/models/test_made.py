"""MADE: mixtures over orders, classes, and what training makes of them."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
import zoo

from fluvial import models
from fluvial.core import Mixture, UsageError
from fluvial.models import OrderMixture, made
from fluvial.training import Data, Settings, train

QUICK = Settings(epochs=3, batch_size=50, device="cpu")


def rows(n: int, seed: int = 0) -> torch.Tensor:
    """Four bits: the last two are the exclusive or and the and of the first two, nine times in ten."""
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, n, generator=generator) < torch.tensor([[0.3], [0.6]])
    flip, flop = torch.rand(2, n, generator=generator) < 0.1
    return torch.stack((a, b, (a ^ b) ^ flip, (a & b) ^ flop), 1).float()


def truth(x: torch.Tensor) -> torch.Tensor:
    a, b, c, d = x.bool().unbind(1)
    flipped, flopped = (a ^ b) != c, (a & b) != d
    pairs = ((a, 0.3), (b, 0.6), (flipped, 0.1), (flopped, 0.1))
    return sum(torch.where(event, math.log(p), math.log(1 - p)) for event, p in pairs)  # pyright: ignore


def mixture(**options: object) -> OrderMixture:
    density = made((4,), **{"hidden": (16,), "orders": 3, "dropout": 0.0, **options})  # pyright: ignore
    if not isinstance(density, OrderMixture):
        raise TypeError
    return density


def test_a_mixture_averages_probabilities_of_its_orders():
    density, x = zoo.randomized(mixture(drawn=True)).double().eval(), zoo.outcomes("made")
    each = torch.stack([density.component(m).log_prob(x) for m in range(3)])  # pyright: ignore
    assert (each[0] - each[1]).abs().max() > 0.01
    torch.testing.assert_close(density.log_prob(x), each.logsumexp(0) - math.log(3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("fresh", [False, True])
def test_training_scores_one_order_at_a_time(fresh: bool):
    density = zoo.randomized(mixture(drawn=True, fresh=fresh)).double().train()
    x, seen = zoo.outcomes("made"), []
    state = torch.get_rng_state()
    for seed in range(20):
        torch.manual_seed(seed)
        log_p = density.log_prob(x)
        assert abs(log_p.exp().sum() - 1) < 1e-12  # a density by itself
        seen.append(log_p)
        torch.manual_seed(seed)
        assert torch.equal(density.log_prob(x), log_p)
    torch.set_rng_state(state)
    different = len({tuple(v.tolist()) for v in seen})
    assert different > 10 if fresh else different == 3


def test_the_orders_follow_from_the_options():
    one, other = (mixture(drawn=True, seed=5) for _ in range(2))
    other.load_state_dict(one.state_dict())
    assert all(k.startswith("net.") for k in one.state_dict())
    assert torch.equal(one.eval().log_prob(rows(9)), other.eval().log_prob(rows(9)))
    assert not torch.equal(one.ranks, mixture(drawn=True, seed=6).ranks)
    more = mixture(drawn=True, seed=5, orders=7)
    assert torch.equal(more.ranks[:3], one.ranks)


@pytest.mark.parametrize("fresh", [False, True])
def test_training_resumes_bit_for_bit(fresh: bool, tmp_path):
    whole = mixture(drawn=True, fresh=fresh, dropout=0.2)
    resumed = copy.deepcopy(whole)
    data, held_out = Data(rows(200)), Data(rows(50, 1))
    list(train(whole, data, held_out, QUICK))
    for record in train(resumed, data, held_out, QUICK, tmp_path / "c.pt", every=0.0):
        if record.step == 6:
            break
    list(train(resumed, data, held_out, QUICK, tmp_path / "c.pt", resume=True))
    assert torch.equal(whole.log_prob(rows(50, 2)), resumed.log_prob(rows(50, 2)))


@pytest.mark.parametrize(
    ("options", "limit"),
    [({}, 0.02), ({"orders": 4}, 0.03), ({"orders": 4, "fresh": True, "drawn": True}, 0.2)],
    ids=["one", "list", "fresh"],
)
def test_it_learns_and_does_not_exceed_the_truth(options: dict, limit: float):
    torch.manual_seed(0)
    density = made((4,), hidden=(32,), activation="tanh", dropout=0.0, **options)
    list(
        train(
            density, Data(rows(4000)), Data(rows(500, 1)), replace(QUICK, batch_size=100, epochs=25, learning_rate=0.02)
        )
    )
    x = rows(4000, 2)
    with torch.no_grad():
        gap = truth(x) - density.log_prob(x)
    assert gap.mean() > -3 * gap.std() / math.sqrt(len(x))
    assert gap.mean() < limit


def test_an_independent_model_cannot_know_the_exclusive_or():
    """What the test above is worth: without dependencies the gap is large."""
    x = rows(4000, 2)
    p = rows(4000).mean(0)
    independent = (x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    assert (truth(x) - independent).mean() > 0.3


def test_mixtures_of_separately_trained_networks_sum_to_one():
    parts = [zoo.randomized(made((4,), hidden=(8,), order=order)).eval() for order in ((0, 1, 2, 3), (2, 3, 0, 1))]
    density = Mixture(*parts).double()  # pyright: ignore
    assert abs(density.log_prob(zoo.outcomes("made")).exp().sum() - 1) < 1e-12


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"classes": [2, 2]}, "one number of at least 1, or 3, one per column"),
        ({"classes": [0]}, "at least 1"),
        ({"orders": 2, "order": [0, 1, 2]}, "none can be given"),
        ({"order": [0, 1]}, "permutation of 0..2"),
        ({"orders": 0, "fresh": True}, "orders: expected at least 1, got 0"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": "much"}, "does not fit"),
    ],
)
def test_mistakes_get_sentences(options: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        models.build({"model": "made", "event_shape": [3], "options": options})


def test_one_column_of_each_kind():
    for classes in ((2,), (1,), (5,)):
        density = made((1,), classes=classes)
        x = torch.arange(classes[0]).unsqueeze(1)
        torch.testing.assert_close(density.log_prob(x).exp().sum(), torch.tensor(1.0))
        assert set(density.sample(50).flatten().tolist()) <= set(range(classes[0]))


def test_extreme_logits_and_values_stay_numbers():
    density = made((2,), classes=(2, 3), hidden=(4,))
    for p in density.parameters():
        torch.nn.init.normal_(p, std=100.0)
    x = torch.tensor([[0.0, 1.0], [1.0, 2.0], [1e30, 0.0], [-1.0, 1.0], [math.inf, 0.0]])
    log_p = density.log_prob(x)
    assert torch.isfinite(log_p[:2]).all()
    assert (log_p[2:] == -math.inf).all()
    assert density.log_prob(x[:0]).shape == (0,)
    assert not density.sample(100).isnan().any()
