"""One-hot columns as one class: rows and classes correspond, and what is no such row is impossible."""

import itertools

import pytest
import torch
from zoo import randomized

from fluvial.core import UsageError
from fluvial.kinds.tables.events import probability
from fluvial.models import build, made
from fluvial.transforms import Groups


def rows(n):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)))


def test_rows_and_classes_correspond():
    groups, x = Groups((2, 1, 3)), rows(6)
    z, log_det = groups(x)
    fits = torch.stack([part.sum(1) <= 1 for part in x.split((2, 1, 3), 1)]).all(0)
    assert torch.equal(log_det == 0, fits)
    assert log_det[~fits].isneginf().all()
    assert fits.sum() == 3 * 2 * 4 == len(z[fits].unique(dim=0))
    assert torch.equal(groups.inverse(z[fits])[0], x[fits])


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, float("nan")])
def test_what_is_neither_0_nor_1_is_impossible(value):
    x = torch.tensor([[0.0, value, 0.0]])
    assert Groups((3,))(x)[1].isneginf().all()
    assert made((3,), groups=(3,)).log_prob(x).isneginf().all()


def test_a_model_from_plain_numbers_starts_uniform_over_the_groups():
    density = build({"model": "made", "event_shape": [4], "options": {"groups": [3, 1], "hidden": [4]}})
    p = density.log_prob(rows(4)).detach().exp()
    torch.testing.assert_close(p[p > 0], torch.full((8,), 1 / 8))


def test_many_orders_of_groups_are_one_density():
    density = randomized(made((6,), groups=(3, 1, 2), orders=3, drawn=True, hidden=(8,))).double().eval()
    p = density.log_prob(rows(6).double()).detach().exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    assert (p > 0).sum() == 4 * 2 * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": (2, 3)}, "groups of 5 columns do not fit an event of shape"),
        ({"groups": (4, 0)}, "at least one column"),
        ({"groups": (2, 2), "classes": (3,)}, "zeros and ones"),
    ],
)
def test_groups_that_do_not_fit_get_a_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        made((4,), **options)


def test_events_of_columns_need_columns():
    with pytest.raises(UsageError, match="one column after the other"):
        probability(made((4,), groups=(2, 2)), lambda x: x[:, 1] == 1, torch.tensor([1.0]), steps=1)
