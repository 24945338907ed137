"""Heaps: their logits follow what is expected around them, and their odds are found again."""

import pytest
import torch

from fluvial.core.randomness import drawing_from
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.heaps import Heaps
from fluvial.transforms.law import Law
from fluvial.transforms.laws import Laws

YEARS = (12.0, 24.0, 36.0)
AGES = Law(YEARS, rest=ColumnMap(step=1.0, scale=12.0), rounded=YEARS)


def at(mean: float, scale: float = 0.2) -> list[torch.Tensor]:
    """One logistic, in standardised units."""
    return [torch.full((1, 1, 1), v).double() for v in (0.0, mean, torch.tensor(scale).log().item())]


def test_a_heap_takes_what_lies_nearest_to_it():
    heaps = Laws([AGES]).heaps
    assert heaps is not None
    around = heaps(*at(mean=24.5 / 12)).exp()
    assert around[0].tolist() == pytest.approx([0.0759, 0.8483, 0.0759], abs=1e-3)  # of sigmoid(-+0.5 / 0.2)


def test_masses_follow_the_mixture_that_stands_around_the_heaps():
    laws = Laws([AGES], components=1).double()
    theta = torch.zeros(2, sum(laws.sizes), dtype=torch.float64)
    theta[:, -2], theta[:, -1] = torch.tensor([1.0, 3.0]), -2.0
    near, far = laws.shares(theta)
    assert near[0][0] > 100 * near[0][2]
    assert far[0][2] > 100 * far[0][0]
    unraised = Laws([AGES], components=1, heaped=False).double().shares(theta)
    assert unraised.flatten().tolist() == pytest.approx([0.25] * 8)


def test_odds_are_found_again_and_make_probabilities():
    heaps = Heaps([0, 1, 2], [0, 0, 0], YEARS, [ColumnMap(step=1.0, scale=12.0)])
    odds = torch.tensor([0.5, 4.0, 0.1]).double()
    with drawing_from(0, lend=True):
        mixture = [t.repeat(20_000, 1, 1) for t in at(0.0)]
        mixture[1] = mixture[1] + 1.0 + 2.0 * torch.rand(20_000, 1, 1).double()
        masses = torch.tensor([[-99.0, -99.0, -99.0, 0.0]]).double().expand(20_000, -1).unsqueeze(1)
        log_p = heaps.taken(masses, torch.tensor([3]), odds.log(), mixture)
        held = torch.nn.functional.one_hot(torch.distributions.Categorical(logits=log_p[:, 0]).sample(), 4)[:, :3]
    assert log_p.exp().sum(2) == pytest.approx(1.0)
    cells = held.double().sum(0) * (1 + heaps._cells / odds)  # those of the rest that are equal to a heap
    found = heaps.odds(heaps(*mixture), cells, torch.ones(20_000, 3).double()).exp()
    assert found.tolist() == pytest.approx(odds.tolist(), rel=0.15, abs=0.03)
