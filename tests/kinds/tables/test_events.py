"""Probabilities of events: the exact ones against enumeration, the simulated ones against the exact ones."""

import itertools
import math

import numpy as np
import pytest
import torch
from zoo import randomized

from fluvial import models
from fluvial.conditioners import ContextEncoder, ContextMap
from fluvial.core import DataError, Flow, UsageError
from fluvial.kinds.tables.events import Between, probability
from fluvial.models import made, made_mog, maf, nsf, wavenet
from fluvial.tasks.fit import fit
from fluvial.training import Settings
from fluvial.transforms import CodeMap, Codes, Standardize


def bits(seed=0):
    return randomized(made((5,), hidden=(16,), activation="tanh"), seed, 2.0).double().eval()


def enumerated(density, event, given, d=5):
    """P(event | given) of a small binary density, from the probabilities of all rows."""
    rows = torch.tensor(list(itertools.product([0.0, 1.0], repeat=d)), dtype=torch.float64)
    rows = rows[(rows[:, : len(given)] == given).all(1)]
    p = density.log_prob(rows).detach().exp()
    return float(p[event(rows)].sum() / p.sum())


@pytest.mark.parametrize("given", [[], [1.0], [0.0, 1.0, 1.0, 0.0]])
def test_the_next_position_is_exact(given):
    density, given = bits(), torch.tensor(given, dtype=torch.float64)
    found = probability(density, lambda x: x[:, -1] == 1, given, steps=1)
    assert found.exact
    assert found.error == 0
    at = len(given)
    assert found.value == pytest.approx(enumerated(density, lambda x: x[:, at] == 1, given), abs=1e-12)


def test_further_positions_are_simulated_within_the_stated_error():
    density, given = bits(), torch.tensor([1.0], dtype=torch.float64)
    misses = 0
    for seed in range(20):
        found = probability(density, lambda x: x.sum(1) >= 3, given, draws=2000, seed=seed)
        assert not found.exact
        misses += abs(found.value - enumerated(density, lambda x: x.sum(1) >= 3, given)) > 2 * found.error
    assert misses <= 4  # 5 % each: more has probability 0.003
    assert found == probability(density, lambda x: x.sum(1) >= 3, given, draws=2000, seed=19)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_density_is_left_alone(training):
    density = made((3,), dropout=0.9).train(training)
    for steps in (1, 2):
        probability(density, lambda x: x[:, 0] == 1, steps=steps, draws=10)
        assert density.training == training
    with pytest.raises(UsageError, match="got 4"):
        probability(density, lambda x: x[:, 0] == 1, steps=4)
    assert density.training == training


def test_an_event_that_never_came_keeps_an_error():
    found = probability(bits(), lambda x: x[:, 0] > 1, draws=100, steps=2)
    assert (found.value, found.draws) == (0.0, 100)
    assert found.error == pytest.approx(math.sqrt(1 / 102 * 101 / 102 / 100))


@pytest.mark.parametrize("build", [made_mog, lambda shape: maf(shape, transforms=1)], ids=["made_mog", "maf"])
def test_the_next_continuous_position_by_its_cdf(build):
    inner = randomized(build((3,)), 3, 1.0)
    density = Flow(Standardize(torch.tensor([1.0, 0.0, -2.0]), torch.tensor([2.0, 1.0, 0.5])), inner, (3,)).double()
    given = torch.tensor([1.5, -0.2], dtype=torch.float64)
    grid = torch.linspace(-30, 30, 60001, dtype=torch.float64)
    rows = torch.cat((given.expand(len(grid), 2), grid[:, None]), 1)
    with torch.no_grad():
        p = density.log_prob(rows).exp()
    inside = (grid > -2.5) & (grid <= -1.0)
    exact = probability(density, Between(-2.5, -1.0), given, steps=1)
    assert exact.exact
    assert exact.value == pytest.approx(float(p[inside].sum() / p.sum()), abs=2e-3)
    assert probability(density, Between(), given).value == 1
    simulated = probability(density, lambda x: Between(-2.5, -1.0)(x), given, draws=20_000)
    assert abs(simulated.value - exact.value) < 4 * simulated.error


def test_a_sequence_of_any_length_continues_what_is_given():
    density = randomized(wavenet((None,), levels=3, layers=3, channels=6, gates=6, skips=6), 1, 2.0).double()
    given = torch.tensor([0.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    rows = torch.cat((given.expand(9, 4), torch.cartesian_prod(*[torch.arange(3.0)] * 2).double()), 1)
    p = density.log_prob(rows).detach().exp()
    event = lambda x: (x[:, 4:] == 2).any(1)  # noqa: E731
    found = probability(density, event, given, steps=2, draws=4000)
    assert abs(found.value - float(p[event(rows)].sum() / p.sum())) < 4 * found.error
    one = probability(density, lambda x: x[:, 4] == 2, given, steps=1)
    assert one.value == pytest.approx(float(p[rows[:, 4] == 2].sum() / p.sum()), abs=1e-12)
    with pytest.raises(UsageError, match="no end; say how many steps"):
        probability(density, event, given)


def test_context_and_codes_at_the_door():
    encoder = ContextEncoder([ContextMap(categories=2)])
    inner = randomized(made((2,), classes=(2, 3), context_shape=(2,)), 0, 2.0)
    density = Flow(Codes([CodeMap(), CodeMap(lower=5, classes=3)]), inner, (2,), (1,), encoder).double().eval()
    one = torch.ones(1, 1, dtype=torch.float64)
    found = probability(density, lambda x: x[:, 1] >= 6, torch.tensor([1.0]), context=one, steps=1)
    rows = torch.tensor([[1.0, v] for v in (5, 6, 7)], dtype=torch.float64)
    p = density.log_prob(rows, one.expand(3, 1)).exp()
    assert found.value == pytest.approx(float(p[1:].sum() / p.sum()), abs=1e-12)
    with pytest.raises(UsageError, match=r"context: expected shape \(1, 1\), got \(2, 1\)"):
        probability(density, lambda x: x[:, 1] >= 6, torch.tensor([1.0]), context=one.expand(2, 1))
    with pytest.raises(UsageError, match="expects one"):
        probability(density, lambda x: x[:, 1] >= 6, torch.tensor([1.0]))
    with pytest.raises(UsageError, match=r"\[3.0\] to be impossible"):
        probability(density, lambda x: x[:, 1] >= 6, torch.tensor([3.0]), context=one)


@pytest.mark.parametrize(
    ("density", "arguments", "words"),
    [
        (nsf((3,)), {"given": torch.tensor([0.0])}, "one position after the other, in one step"),
        (made((3,), order=(2, 0, 1)), {"given": torch.tensor([0.0])}, "natural order"),
        (made((3,), orders=4), {"given": torch.tensor([0.0])}, "in one step"),
        (made((3,)), {"steps": 4}, "there are 3 behind the 0 given, got 4"),
        (made((3,)), {"steps": 0}, "got 0"),
        (made((3,)), {"draws": 0}, "draws: expected a whole number of at least 1, got 0"),
    ],
)
def test_what_has_no_such_probability_gets_a_sentence(density, arguments, words):
    with pytest.raises(UsageError, match=words):
        probability(density, lambda x: x[:, 0] == 1, **arguments)


def test_tables_ask_by_the_names_of_their_columns():
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, 900)
    table = {
        "colour": np.array(["blue", "green", "red"], dtype=object)[code],
        "size": code + 4,
        "kept": rng.random(900) < 0.3,
    }
    settings = Settings(weight_decay=0.0)  # what follows for certain should come out nearly so
    model = fit(table, epochs=60, options={"hidden": (16,)}, settings=settings, progress=False)
    exact = model.probability(lambda t: t["size"] == 6, {"colour": "red"}, steps=1)
    assert exact.exact
    assert exact.value > 0.9
    both = model.probability(lambda t: (t["size"] == 6) & t["kept"], {"colour": "red"}, draws=4000)
    assert both.value == pytest.approx(0.3, abs=0.1)
    with pytest.raises(DataError, match="give the first ones"):
        model.probability(lambda t: t["size"] == 6, {"size": 6})


@pytest.mark.parametrize("name", ["nsf", "gaussian", "nsf_coupling"])
def test_any_model_of_rows_tells_of_events_without_given_values(name):
    density = models.recipe_of(name).build((3,)).eval()  # at the identity: standard normal
    found = probability(density, lambda x: x[:, 1] > 0, draws=4000)
    assert found.draws == 4000
    assert abs(found.value - 0.5) < 5 * found.error
    first = probability(density, lambda x: (x[:, 0] > 0) & torch.tensor(x.shape[1] == 1), steps=1, draws=4000)
    assert abs(first.value - 0.5) < 5 * first.error
    with pytest.raises(UsageError, match="Without values that are given, any model"):
        probability(density, lambda x: x[:, 1] > 0, torch.tensor([0.0]))
    with pytest.raises(UsageError, match="there are 3 positions, got 9"):
        probability(density, lambda x: x[:, 1] > 0, steps=9)
