"""The density of tables as they are: exact in every order."""

import itertools
import math
from dataclasses import asdict

import pytest
import torch

from fluvial.core.randomness import drawing_from
from fluvial.models import build
from fluvial.models.mixed import AnyOrder, _before, mixed
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law

LAWS = (
    Law((0.0, 1.0, 2.0), missing=True, labels=True),
    Law((1.0,), rest=ColumnMap(step=1.0, lower=0.0, upper=4.0), periods=(3.0,)),
    Law((0.0, 1.0), labels=True),
)
"""A table of (4, 5, 2) possible cells."""


def small(laws=LAWS, context=None) -> AnyOrder:
    with drawing_from(3, lend=True):
        density = mixed((len(laws),), laws=laws, hidden=(24,), components=3, context_shape=context)
        for parameter in density.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    assert isinstance(density, AnyOrder)
    return density.double().eval()


def every_row() -> torch.Tensor:
    return torch.tensor(list(itertools.product((0, 1, 2, math.nan), range(5), (0, 1))), dtype=torch.float64)


def test_all_rows_together_have_probability_one():
    assert small().log_prob(every_row()).exp().sum().item() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("known", list(itertools.product((False, True), repeat=3))[:-1])
def test_what_is_unknown_has_probability_one_given_what_is_known(known):
    rows, known = every_row(), torch.tensor(known)
    p = small().log_prob_given(rows, known).exp()
    groups: dict[str, float] = {}
    for row, value in zip(rows[:, known].tolist(), p.tolist()):
        groups[str(row)] = groups.get(str(row), 0.0) + value
    repeats = len(rows) / len(groups)
    unknown = len({str(row) for row in rows[:, ~known].tolist()})
    assert repeats == unknown
    assert list(groups.values()) == pytest.approx([1.0] * len(groups), abs=1e-9)


def test_the_columns_known_first_are_as_probable_alone_as_in_the_whole_row():
    density, rows = small(), every_row()
    parts = density.parts(rows)
    assert density.log_prob_given(rows, torch.tensor([True, False, False])).tolist() == pytest.approx(
        parts[:, 1:].sum(1).tolist()
    )


@pytest.mark.parametrize("some", list(itertools.product((False, True), repeat=3))[1:-1])
def test_some_columns_are_as_probable_as_all_rows_that_agree_on_them(some):
    density, rows, some = small(), every_row(), torch.tensor(some)
    p = density.log_prob_in(rows, density.known_first(some)).exp()
    agree = (rows[:, some].nan_to_num(-1.0).unsqueeze(1) == rows[:, some].nan_to_num(-1.0)).all(2)
    assert density.log_prob_of(some, rows).exp().tolist() == pytest.approx((agree * p).sum(1).tolist(), abs=1e-9)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_walking_gives_the_theta_of_the_parallel_pass(order):
    density, rows = small(context=(2,)), every_row()
    context = torch.randn(len(rows), 2, dtype=torch.float64)
    theta = density.net(density.laws.describe(density.laws.read(rows)), context, _before(torch.tensor(order)))
    walk = density.walk(rows, torch.tensor(order), context)
    columns = theta.split(density.laws.sizes, 1)
    for k, i in enumerate(order):
        assert torch.allclose(walk(k)[1], columns[i], atol=1e-12)


def test_theta_reads_the_columns_before_it_and_no_others():
    density = small()
    features = torch.randn(1, sum(density.laws.features), dtype=torch.float64)
    order = torch.tensor([2, 0, 1])
    jacobian = torch.autograd.functional.jacobian(lambda f: density.net(f, None, _before(order)), features)[0, :, 0]
    blocks = [part.split(density.laws.features, 1) for part in jacobian.split(density.laws.sizes, 0)]
    for at, i in enumerate(order.tolist()):
        for place, j in enumerate(order.tolist()):
            assert bool(blocks[i][j].any()) == (place < at)


def test_samples_come_as_often_as_the_density_says():
    density, rows, n = small(), every_row(), 40_000
    with drawing_from(0):
        drawn = density.sample(n)
    p = density.log_prob(rows).exp()
    found = torch.stack([((drawn == row) | (drawn.isnan() & row.isnan())).all(1).double().mean() for row in rows])
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-9).all()


def test_initialize_starts_from_the_columns_own_shares():
    density = mixed((3,), laws=LAWS)
    rows = torch.tensor([[0.0, 1.0, 0.0], [math.nan, 2.0, 0.0]] * 200, dtype=torch.float64)
    before = density.log_prob(rows).mean()
    density.initialize(rows)
    assert density.eval().log_prob(rows).mean() > before + 1


def test_other_numbers_of_laws_than_columns_are_refused():
    with pytest.raises(ValueError, match="one for each of the 2 columns, got 3"):
        mixed((2,), laws=LAWS)


def test_a_context_is_encoded_at_the_door_and_conditions_every_question():
    config = {"model": "mixed", "event_shape": [2], "context_shape": [1], "context": [{"categories": 3}]}
    density = build({**config, "laws": [asdict(law) for law in LAWS[1:]]}).double().eval()
    assert isinstance(density, AnyOrder)
    torch.nn.init.normal_(density.net.first.weight)
    torch.nn.init.normal_(density.net.last.weight)
    rows = torch.tensor(list(itertools.product(range(5), (0, 1))), dtype=torch.float64)
    seen = []
    for label in range(3):
        context = torch.full((len(rows), 1), float(label), dtype=torch.float64)
        p = density.log_prob(rows, context).exp()
        assert p.sum().item() == pytest.approx(1.0, abs=1e-9)
        known = torch.tensor([True, False])
        assert density.log_prob_given(rows, known, context).exp()[:2].sum().item() == pytest.approx(1.0, abs=1e-9)
        assert density.complete(rows, known, context)[:, 0].tolist() == rows[:, 0].tolist()
        seen.append(p)
    assert not torch.allclose(seen[0], seen[1])


@pytest.mark.parametrize("known", [torch.tensor([True, False]), torch.tensor([1, 0, 1])])
def test_columns_that_are_known_are_told_by_one_bool_each(known):
    density, rows = small(), every_row()
    for ask in (density.log_prob_given, density.complete):
        with pytest.raises(ValueError, match="one bool for each of 3 columns"):
            ask(rows, known)
    with pytest.raises(ValueError, match="expected shape"):
        density.complete(rows[:, :2], torch.tensor([True, False, False]))


def test_what_a_step_teaches_a_column_to_read():
    density, columns = small(), torch.arange(3)
    with drawing_from(0):
        sets = torch.stack([density._drawn_sets(torch.device("cpu")) for _ in range(2000)]).float()
    assert (sets[:, columns, columns] == 0).all()
    size = sets.sum(2)  # of the set of each column: (steps, D)
    # as they stand with 0.4 (none for the first, all others for the last), all others with 0.3, else any number alike
    for column, standing in enumerate(range(3)):
        for n in range(3):
            expected = 0.4 * (n == standing) + 0.3 * (n == 2) + 0.3 / 3
            assert abs(float((size[:, column] == n).float().mean()) - expected) < 4 * (0.25 / 2000) ** 0.5
    assert (sets[:, 0].unique(dim=0).shape[0], sets[:, 1].unique(dim=0).shape[0]) == (4, 4)
