"""Masks over columns of different sizes: in every order, a column's outputs read what comes before it alone."""

import itertools

import pytest
import torch

from fluvial.conditioners.columns import ColumnNets
from fluvial.conditioners.ragged import RaggedMLP
from fluvial.core.randomness import drawing_from

INPUTS, OUTPUTS = (2, 1, 3), (1, 4, 2)


def net(context: int = 0, blocks: int = 2, dropout: float = 0.0) -> RaggedMLP:
    with drawing_from(0, lend=True):
        found = RaggedMLP(INPUTS, OUTPUTS, hidden=13, blocks=blocks, context=context, dropout=dropout).double()
        for parameter in found.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return found.eval()


@pytest.mark.parametrize("order", [None, *itertools.permutations(range(3))])
def test_outputs_read_the_columns_before_and_all_of_them(order):
    known = None if order is None else torch.tensor(order)
    features = torch.randn(1, sum(INPUTS), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda f: net()(f, None, known), features)[0, :, 0]
    places = range(3) if order is None else order
    blocks = [rows.split(INPUTS, 1) for rows in jacobian.split(OUTPUTS)]
    for place, i in enumerate(places):
        for at, j in enumerate(places):
            assert bool((blocks[i][j] != 0).all()) == (at < place)
            assert bool((blocks[i][j] != 0).any()) == (at < place)


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_steps_give_what_one_pass_gives(order, context):
    network, n = net(context), 5
    whole = torch.randn(n, sum(INPUTS), dtype=torch.float64)
    given = torch.randn(n, context, dtype=torch.float64) if context else None
    expected = network(whole, given, torch.tensor(order)).split(OUTPUTS, 1)
    features = torch.zeros_like(whole)
    step = network.steps(torch.tensor(order), features, given)
    starts = [0, 2, 3, 6]
    for k, i in enumerate(order):
        torch.testing.assert_close(step(k), expected[i])
        features[:, starts[i] : starts[i + 1]] = whole[:, starts[i] : starts[i + 1]]


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


@pytest.mark.parametrize("kind", [RaggedMLP, ColumnNets])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (((2,), (1, 1)), "one number a column, got 1 and 2"),
        (((), ()), "one number a column"),
        (((2,), (1,), 0), "at least one hidden unit"),
        (((2,), (1,), 4, -1), "no fewer than 0 blocks"),
        (((2,), (1,), 4, 1, 0, 1.0), "less than 1, got 1.0"),
    ],
)
def test_sizes_that_make_no_network_are_refused(kind, arguments, told):
    with pytest.raises(ValueError, match=told):
        kind(*arguments)


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("order", [None, (2, 0, 1)])
def test_wide_networks_skip_the_empty_half_of_their_masks_and_give_the_same(order, context):
    inputs, outputs, known = (40, 60, 50), (70, 50, 60), None if order is None else torch.tensor(order)
    with drawing_from(0, lend=True):
        network = RaggedMLP(inputs, outputs, 144, 1, context, 0.0).double()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        features = torch.randn(130, 150, dtype=torch.float64).requires_grad_()
    assert network._blocks["inner"]
    given = torch.ones(130, context, dtype=torch.float64) if context else None

    halves = (None, None) if given is None else given.split(65)  # products over so few rows are dense
    dense = torch.cat([network(part, c, known) for part, c in zip(features.split(65), halves)])
    whole = network(features, given, known)
    torch.testing.assert_close(whole, dense)
    g = torch.randn(whole.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs_of = (features, *network.parameters())
    for a, b in zip(*(torch.autograd.grad(y, inputs_of, g) for y in (whole, dense))):
        torch.testing.assert_close(a, b)
