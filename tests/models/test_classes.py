"""Classes beside a network: the same in every order, a column at a time or all at once; their probabilities add up."""

import copy
import functools
import itertools
import math

import pytest
import torch

from fluvial.core.randomness import drawing_from
from fluvial.models.classes import _merited
from fluvial.models.clusters import Prior, Rows, clusters_of, fit
from fluvial.models.mixed import AnyOrder, mixed
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law

LAWS = (
    Law((0.0, 1.0, 2.0), missing=True, labels=True),
    Law((1.0, 2.0, 3.0), rest=ColumnMap(step=1.0, lower=0.0, upper=4.0), rounded=(1.0, 2.0, 3.0)),
    Law((0.5,), missing=True, rest=ColumnMap(location=1.0, scale=2.0)),
    Law(rest=ColumnMap()),
)


@functools.cache
def table(n: int = 150) -> torch.Tensor:
    """A label, a whole number, a number with gaps and a spike, and one that depends on all of them."""
    with drawing_from(0, lend=True):
        label = torch.randint(0, 3, (n,)).double()
        whole = (label + torch.randint(0, 3, (n,))).double()
        number = torch.randn(n, dtype=torch.float64) + label
        last = number + 2 * (label == 1) + 0.1 * torch.randn(n, dtype=torch.float64)
    number[::7], number[::5], label[::11] = 0.5, math.nan, math.nan
    return torch.stack((label, whole, number, last), 1)


@functools.cache
def usual() -> AnyOrder:
    return started()


def started(laws=LAWS, rows=None, trust=None) -> AnyOrder:
    """A density with weights of every size, its classes fitted; with ``trust`` nothing but these matters."""
    with drawing_from(3, lend=True):
        density = mixed((len(laws),), laws=laws, hidden=(24,), components=3, classes=4).double()
        assert isinstance(density, AnyOrder)
        density.initialize(table() if rows is None else rows)
        if trust is None:
            for parameter in density.parameters():
                torch.nn.init.normal_(parameter, std=0.3)
        else:
            for theta in (density.net.last.bias, density.net.alone):
                theta.data[density.classes._gates] = trust  # pyright: ignore
    return density.eval()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)])
def test_a_walk_gives_the_theta_of_all_columns_at_once(order):
    density, rows = usual(), table()
    whole = density._read(rows, None, torch.tensor(order))[1].split(density.laws.sizes, 1)
    walk = density.walk(rows.clone(), torch.tensor(order))
    for k, i in enumerate(order):
        assert torch.allclose(walk(k)[1], whole[i], atol=1e-9)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_all_rows_together_have_probability_one(order):
    laws = (*LAWS[:2], Law((0.0, 1.0), labels=True))
    with drawing_from(0, lend=True):
        rows = torch.cat((table()[:, :2], torch.randint(0, 2, (150, 1)).double()), 1)
    density = started(laws, rows)
    cells = torch.tensor(list(itertools.product((0, 1, 2, math.nan), range(5), (0, 1))), dtype=torch.float64)
    log_p = density._by_rows(cells, None, torch.tensor(order)).sum(1)
    assert log_p.exp().sum().item() == pytest.approx(1.0, abs=1e-9)


def test_the_classes_alone_are_one_density_in_every_order():
    rows = table()[:, [0, 3, 1]]
    rows[:, 2] += torch.linspace(0, 1, len(rows))
    with torch.no_grad():
        density = started((LAWS[0], LAWS[3], LAWS[3]), rows, trust=30.0)
        one, other = (density._by_rows(rows, None, torch.tensor(o)).sum(1) for o in ((0, 1, 2), (2, 1, 0)))
    assert (one - other).abs().mean() < 0.05  # two logistics are not quite a Gaussian
    assert one.std() > 0.5


def test_clusters_are_found_and_no_more_than_there_are():
    with drawing_from(1, lend=True):
        near, far = torch.randn(200, 2, dtype=torch.float64), 0.3 * torch.randn(100, 2, dtype=torch.float64) + 4.0
        values = torch.cat((near, far))[torch.randperm(300)]
        nothing = torch.ones(300, 1, dtype=torch.float64)
        found = clusters_of(Rows(values, torch.ones_like(values, dtype=torch.bool), nothing, torch.zeros(1).long()), 8)
    assert sorted(found.weights.exp().tolist()) == pytest.approx([1 / 3, 2 / 3], abs=0.03)
    assert found.means[found.weights.argmin()].tolist() == pytest.approx([4.0, 4.0], abs=0.15)
    assert found.covariances[found.weights.argmax()].flatten().tolist() == pytest.approx([1, 0, 0, 1], abs=0.25)


def test_missing_numbers_shrink_no_variance():
    with drawing_from(1, lend=True):
        values = 2 * torch.randn(1000, 1, dtype=torch.float64)
        present = torch.rand(1000, 1) < 0.4
        codes = present.double()
        rows = Rows(torch.where(present, values, 0.0), present, torch.cat((codes, 1 - codes), 1), torch.zeros(2).long())
        found = fit(rows, 1, Prior(0.02, 3.0))
    assert found.covariances.item() == pytest.approx(values[present].var().item(), rel=0.01)
    assert found.shares.exp().flatten().tolist() == pytest.approx([0.4, 0.6], abs=0.05)


def test_gradients_are_finite_where_columns_have_fewer_codes_than_others():
    density = copy.deepcopy(usual()).train()
    density.log_prob(table()).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in density.parameters())


def test_a_label_that_no_row_had_is_impossible_and_tells_the_classes_nothing():
    laws = (LAWS[3], Law((0.0, 1.0), labels=True), Law((0.0, 1.0, 2.0), labels=True))
    rows = table()[:, [3, 0, 0]].nan_to_num(0.0)
    rows[:, 1] = (rows[:, 1] > 0).double()
    density = started(laws, rows)
    cells = rows[:2].clone()
    cells[0, 1], cells[1, 2] = -1.0, -1.0
    parts = density.parts(cells)
    assert parts.isneginf().tolist() == [[False, True, False], [False, False, True]]
    assert torch.equal(parts[:, 0], density.parts(rows[:2])[:, 0])
    walk = density.walk(cells.clone(), torch.tensor([1, 2, 0]))
    assert all(walk(k)[1].isfinite().any() for k in range(3))


def test_a_network_that_nothing_trusts_learns_all_the_same():
    density = started(trust=30.0).train()
    density.log_prob(table()).mean().backward()
    assert density.net.last.weight.grad is not None
    assert density.net.last.weight.grad.abs().max() > 1e-3


def test_the_pool_s_spread_is_learnt_where_two_right_forecasts_are_wider_than_the_truth():
    density = started(trust=0.0).train()
    density.log_prob(table()).mean().backward()
    spread = density.classes.spread  # pyright: ignore
    assert spread.grad is not None
    assert spread.grad.abs().min() > 1e-4
    with torch.no_grad():
        before = density.eval().parts(table())
        spread[0] = -0.3
        after = density.parts(table())
    assert torch.equal(before[:, [0, 2, 3]], after[:, [0, 2, 3]])  # of the one column with a rest, no other
    assert not torch.allclose(before[:, 1], after[:, 1])


def test_classes_are_trusted_as_far_as_they_are_ahead():
    ahead = torch.tensor([[3.0, -3.0, 5.0], [4.0, -4.0, -5.0]], dtype=torch.float64)
    assert _merited(ahead).tolist() == pytest.approx([2.0, -2.0, 0.0], abs=1e-6)


def test_a_column_that_the_classes_fail_at_starts_from_its_own_law():
    with drawing_from(1, lend=True):
        narrow = torch.where(torch.rand(150, dtype=torch.float64) < 0.5, -1.0, 1.0) + 0.01 * torch.randn(150).double()
        rows = torch.stack((narrow, torch.randn(150).double()), 1)
    density = started((LAWS[3], LAWS[3]), rows, trust=30.0)
    density.classes.means.fill_(0.0)  # pyright: ignore  (one Gaussian, whatever was found)
    density.classes.covariances.copy_(torch.eye(2).expand(4, -1, -1))  # pyright: ignore
    gates = density.classes.resting(density.laws.read(rows))[density.classes._gates]  # pyright: ignore
    assert gates[0] == -2.0
    assert gates[1] > -1.0


def test_rounded_values_are_foretold_from_what_stands_around_them():
    with drawing_from(2, lend=True):
        size = 10.0 * torch.rand(300, dtype=torch.float64)
        twice = (2.0 * size + torch.randn(300)).clamp(0, 24).mul(10).round() / 10
    twice = torch.where(torch.arange(300) % 3 > 0, twice.round(), twice)  # two of three round it
    whole = tuple(float(v) for v in range(1, 20))
    law = Law(whole, rest=ColumnMap(step=0.1, location=10.0, scale=6.0), rounded=whole)
    laws = (Law(rest=ColumnMap(location=5.0, scale=3.0)), law)
    density = started(laws, torch.stack((size, twice), 1), trust=30.0)
    with torch.no_grad():
        theta = density.theta(torch.tensor([[2.5, 0.0], [7.5, 0.0]]).double(), 1, torch.tensor([0, 1]))
        shares = density.laws.column(1).shares(theta)[:, 0]
    assert shares[0][:8].sum() > 0.5 > shares[0][8:-1].sum() * 100
    assert shares[1][10:-1].sum() > 0.5 > shares[1][:10].sum() * 100
    assert shares[:, -1].tolist() == pytest.approx([1 / 3, 1 / 3], abs=0.1)
