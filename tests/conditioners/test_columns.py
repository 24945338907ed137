"""A network for each column: it reads the columns that it may read, all of them, and no other."""

import itertools

import pytest
import torch

from fluvial.conditioners.columns import ColumnNets
from fluvial.core.randomness import drawing_from

INPUTS, OUTPUTS = (2, 1, 3), (1, 4, 2)


def net(context: int = 0, blocks: int = 2, dropout: float = 0.0) -> ColumnNets:
    with drawing_from(0, lend=True):
        found = ColumnNets(INPUTS, OUTPUTS, hidden=5, blocks=blocks, context=context, dropout=dropout).double()
        for parameter in found.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return found.eval()


def before(order: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor([[order.index(j) < order.index(i) for j in range(3)] for i in range(3)])


READS = [None, *map(before, itertools.permutations(range(3))), ~torch.eye(3, dtype=torch.bool)]


@pytest.mark.parametrize("reads", READS)
def test_outputs_read_the_columns_that_they_may_and_all_of_them(reads):
    with drawing_from(1, lend=True):  # units that rest in one row are awake in another
        features = torch.randn(8, sum(INPUTS), dtype=torch.float64)
    whole = torch.autograd.functional.jacobian(lambda f: net()(f, None, reads).sum(0), features)
    touched = (whole != 0).any(1)
    expected = before((0, 1, 2)) if reads is None else reads
    for i, rows in enumerate(touched.split(OUTPUTS)):
        for j, block in enumerate(rows.split(INPUTS, 1)):
            assert bool(block.all()) == bool(block.any()) == bool(expected[i, j])


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_column_alone_gets_what_one_pass_gives_it(order, context):
    network, n = net(context), 5
    whole = torch.randn(n, sum(INPUTS), dtype=torch.float64)
    given = torch.randn(n, context, dtype=torch.float64) if context else None
    expected = network(whole, given, before(order)).split(OUTPUTS, 1)
    features = torch.zeros_like(whole)
    step = network.steps(torch.tensor(order), features, given)
    starts = [0, 2, 3, 6]
    for k, i in enumerate(order):
        torch.testing.assert_close(step(k), expected[i])
        features[:, starts[i] : starts[i + 1]] = whole[:, starts[i] : starts[i + 1]]


def test_no_column_learns_at_the_cost_of_another():
    network, features = net(), torch.randn(4, sum(INPUTS), dtype=torch.float64)
    network(features, None, ~torch.eye(3, dtype=torch.bool))[:, :1].sum().backward()
    theirs = [p.grad[1:] for block in network.blocks for layer in block for p in layer.parameters()]  # pyright: ignore
    assert all((g == 0).all() for g in theirs)
    first = network.first.weight.grad
    assert (first[5:] == 0).all()  # pyright: ignore
    assert (first[:5] != 0).any()  # pyright: ignore


def test_what_reads_nothing_has_numbers_that_no_other_set_moves():
    network, features = net(), torch.randn(4, sum(INPUTS), dtype=torch.float64)
    theta = torch.arange(sum(OUTPUTS), dtype=torch.float64)
    network.start(theta)
    nothing = torch.zeros(3, 3, dtype=torch.bool)
    assert torch.equal(network(features, None, nothing), theta.expand(4, -1))
    network(features, None, ~torch.eye(3, dtype=torch.bool)).sum().backward()
    assert (network.alone.grad == 0).all()  # pyright: ignore


def test_dropout_is_for_training_alone():
    network, features = net(dropout=0.5), torch.randn(4, sum(INPUTS), dtype=torch.float64)
    assert torch.equal(network(features), network(features))
    network.train()
    with drawing_from(0):
        assert not torch.equal(network(features), network(features))


def test_the_context_reaches_every_column():
    given = torch.zeros(1, 2, dtype=torch.float64)
    features = torch.zeros(1, sum(INPUTS), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda c: net(context=2)(features, c), given)
    assert (jacobian[0, :, 0] != 0).any(1).all()


@pytest.mark.parametrize("context", [0, 2])
def test_wide_networks_skip_the_empty_half_of_their_mask_and_give_the_same(context):
    inputs, outputs = (40, 60, 50), (7, 5, 6)
    with drawing_from(0, lend=True):
        network = ColumnNets(inputs, outputs, 48, 1, context, 0.0).double()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        features = torch.randn(130, 150, dtype=torch.float64).requires_grad_()
    assert network._blocks
    given = torch.ones(130, context, dtype=torch.float64) if context else None

    halves = (None, None) if given is None else given.split(65)  # products over so few rows are dense
    dense = torch.cat([network(part, c) for part, c in zip(features.split(65), halves)])
    whole = network(features, given)
    torch.testing.assert_close(whole, dense)
    g = torch.randn(whole.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs_of = (features, *network.parameters())
    for a, b in zip(*(torch.autograd.grad(y, inputs_of, g) for y in (whole, dense))):
        torch.testing.assert_close(a, b)
