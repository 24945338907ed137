"""Densities of tables against what is known: probabilities of everything add up, and conditionals are the truth's."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from fluvial.core.randomness import drawing_from
from fluvial.models.mixed import AnyOrder, mixed
from fluvial.transforms.columns import ColumnMap, Numbers, bind
from fluvial.transforms.law import Law

NAN = math.nan


def rows_of(n: int) -> torch.Tensor:
    """Rows with every kind of cell: a label, money with a spike, and heavy tails with gaps."""
    rng = np.random.default_rng(0)
    label = rng.choice([0.0, 1.0, NAN], n)
    spike = np.where(rng.random(n) < 0.4, 0.0, rng.exponential(30.0, n))
    heavy = np.where(rng.random(n) < 0.2, NAN, rng.standard_t(2, n))
    return torch.from_numpy(np.stack((label, spike, heavy), 1))


def some(column: int) -> np.ndarray:
    values = rows_of(200)[:, column].numpy()
    return values[(values != 0) & ~np.isnan(values)]


LAWS = (
    Law((0.0, 1.0), missing=True, labels=True),
    Law((0.0,), rest=ColumnMap.fit(some(1), lower=0.0)),
    Law(missing=True, rest=ColumnMap.fit(some(2), heavy=True)),
)


@functools.cache
def random_density(classes: int) -> AnyOrder:
    with drawing_from(3, lend=True):
        density = mixed((len(LAWS),), laws=LAWS, hidden=(24,), components=3, classes=classes).double()
        assert isinstance(density, AnyOrder)
        if classes:
            density.initialize(rows_of(200))
        for parameter in density.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return density.eval()


def cells(law: Law) -> tuple[torch.Tensor, torch.Tensor]:
    """Values that a cell can have, and the weight of each in a sum: 1 for atoms, else the trapezoidal rule's."""
    single = torch.tensor([*law.atoms, *([NAN] if law.missing else [])], dtype=torch.float64)
    if law.rest is None:
        return single, torch.ones_like(single)
    t = torch.linspace(-4.2, 4.2, 141, dtype=torch.float64)  # far out, steps grow as the density falls
    x, log_det = bind((t.sinh() * law.rest.scale + law.rest.location).unsqueeze(1), Numbers.of([law.rest]))
    widths = log_det.squeeze(1).exp() * law.rest.scale * t.cosh() * (t[1] - t[0])
    return torch.cat((single, x.squeeze(1))), torch.cat((torch.ones_like(single), widths))


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::2])
def test_atoms_and_two_continuous_columns_have_probability_one_in_any_order(classes, order):
    density = random_density(classes)
    values, widths = zip(*map(cells, LAWS))
    rows, sizes = torch.cartesian_prod(*values), torch.cartesian_prod(*widths).prod(1)
    with torch.no_grad():
        log_p = density.log_prob_in(rows, torch.tensor(order))
    assert (log_p.exp() * sizes).sum().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("classes", [0, 3])
def test_what_is_known_first_and_the_rest_given_it_make_the_whole(classes):
    density, rows = random_density(classes), rows_of(200)
    for known in itertools.product((False, True), repeat=3):
        known = torch.tensor(known)
        order = density.known_first(known)
        with torch.no_grad():
            whole = density._by_rows(rows, None, order)
            given = density.log_prob_given(rows, known)
        assert torch.allclose(whole[:, known].sum(1) + given, whole.sum(1), rtol=0, atol=1e-5)


COVARIANCE = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, 0.1], [0.3, 0.1, 1.0]])


@pytest.fixture(scope="module")
def of_gaussian() -> AnyOrder:
    """What starts from classes, fitted to 20,000 rows of a Gaussian."""
    x = np.random.default_rng(1).multivariate_normal(np.zeros(3), COVARIANCE, 20_000)
    laws = [Law(rest=ColumnMap.fit(column)) for column in x.T]
    with drawing_from(1, lend=True):
        density = mixed((3,), laws=laws, hidden=(8,), classes=1)
        assert isinstance(density, AnyOrder)
        density.initialize(torch.from_numpy(x))
        density.net.last.bias.data[density.classes._gates] = 12.0  # pyright: ignore  (nothing but the class)
    return density.eval()


@pytest.mark.parametrize("known", [(True, False, False), (False, False, True), (True, False, True)])
def test_conditionals_of_a_gaussian_are_the_analytic_ones(of_gaussian, known):
    known, n = np.array(known), 10_000
    given = np.array([1.2, -0.7, 0.4])
    at = torch.from_numpy(np.tile(np.where(known, given, 0.0), (n, 1)))
    with drawing_from(2):
        drawn = of_gaussian.complete(at, torch.from_numpy(known)).numpy()
    gain = COVARIANCE[np.ix_(~known, known)] @ np.linalg.inv(COVARIANCE[np.ix_(known, known)])
    mean = gain @ given[known]
    spread = np.sqrt(np.diag(COVARIANCE[np.ix_(~known, ~known)] - gain @ COVARIANCE[np.ix_(known, ~known)]))
    for column, m, s in zip(drawn[:, ~known].T, mean, spread):
        assert stats.kstest(column, "norm", args=(m, s)).statistic < 0.0163  # the 1 % point of 10,000 draws
