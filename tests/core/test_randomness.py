"""Draws are those of a seed, whatever other threads do, and nothing global moves."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fluvial import models
from fluvial.core import Density, Flow, Mixture, Normal, StudentT, Uniform, UsageError, randomness
from fluvial.core.randomness import Source, drawing_from
from fluvial.tasks.fit import fit
from fluvial.training import Settings
from fluvial.transforms import Dequantize

SOURCES = Path(__file__).parents[2] / "src" / "fluvial"

GLOBAL = re.compile(
    r"fork_rng|torch\.manual_seed|np\.random\.(?!default_rng|Generator|RandomState)\w+\(|\.(?:cuda\.)?[sg]et_rng_state"
    r"|F\.(?:alpha_|feature_)?dropout\(|nn\.Dropout|torch\.(?:rand|randn|randint|randperm|rand_like|randn_like"
    r"|randint_like|bernoulli|multinomial|normal|poisson)\("
    r"|\.(?:uniform_|normal_|bernoulli_|exponential_|random_|cauchy_|geometric_|log_normal_|multinomial|bernoulli)\("
    r"|^import random|^from random|distributions\.\w+\("
)


def test_nothing_draws_from_global_state():
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if GLOBAL.search(line) and "generator=" not in line and "_lent(" not in line:
                found.append(f"{path.relative_to(SOURCES)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def instances() -> dict[str, Density]:
    """Densities that draw in each of the ways that there are."""
    with drawing_from(0, lend=True):
        return {
            "normal": Normal((3,)),
            "student": StudentT((3,)),
            "mixture": Mixture(Normal((3,)), StudentT((3,))),
            "dequantised": Flow(Dequantize(), Normal((3,)), (3,)),
            "nsf": models.nsf((3,)),
            "orders": models.made((3,), orders=3, dropout=0.0),
        }


@pytest.mark.parametrize("name", list(instances()))
def test_eight_threads_draw_what_one_draws(name):
    density = instances()[name].eval()
    x = torch.zeros(5, 3)

    def drawn(seed: int) -> torch.Tensor:
        with torch.no_grad(), drawing_from(seed):
            return torch.cat((density.sample(20).flatten(), density.log_prob(x), density.sample(7).flatten()))

    alone = [drawn(seed) for seed in range(24)]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(drawn, range(24)))
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(alone, together):
        assert torch.equal(one, other)


def test_fits_in_threads_are_the_fit_alone():
    rows = np.random.default_rng(0).normal(size=(200, 2))
    settings = Settings(batch_size=50, epochs=2)

    def fitted(_: int) -> tuple[np.ndarray, np.ndarray]:
        model = fit(rows, "nsf", settings=settings, options={"transforms": 2, "hidden": (16,)}, progress=False)
        return model.log_prob(rows), np.asarray(model.sample(10, seed=3))

    alone = fitted(0)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        for log_prob, drawn in pool.map(fitted, range(4)):
            np.testing.assert_array_equal(log_prob, alone[0])
            np.testing.assert_array_equal(drawn, alone[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_seed_draws_follow_torch():
    torch.manual_seed(3)
    expected = torch.randn(4, 2)
    torch.manual_seed(3)
    assert torch.equal(Normal((2,)).sample(4), expected)
    with drawing_from(3):
        assert torch.equal(Normal((2,)).sample(4), expected)
        with drawing_from(None):
            assert not torch.equal(Normal((2,)).sample(4), expected)  # the stream goes on


def test_weights_are_those_that_torchs_own_seed_would_give():
    torch.manual_seed(11)
    expected = [nn.Linear(3, 2), nn.Embedding(4, 2), nn.Conv1d(2, 2, 3), models.nsf((3,))]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with drawing_from(11, lend=True):
        built = [nn.Linear(3, 2), nn.Embedding(4, 2), nn.Conv1d(2, 2, 3), models.nsf((3,))]
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(expected, built):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))


def test_building_where_nothing_is_stored():
    with drawing_from(0, lend=True), torch.device("meta"):
        assert nn.Linear(3, 2).weight.is_meta
        assert torch.rand(3).is_meta


def test_a_generator_goes_on_where_it_stands():
    generator = torch.Generator().manual_seed(4)
    with drawing_from(generator):
        first = randomness.uniform((3,))
    assert torch.equal(
        torch.cat((first, torch.rand(3, generator=generator))),
        torch.cat([torch.rand(3, generator=g) for g in [torch.Generator().manual_seed(4)] * 2]),
    )


def test_a_source_restarts_and_copies():
    source = Source(1)
    with drawing_from(source):
        first = randomness.normal((3,))
        again = source.copy()
        second = randomness.normal((3,))
    with drawing_from(again):
        assert torch.equal(randomness.normal((3,)), second)
    source.restart(1)
    with drawing_from(source):
        assert torch.equal(randomness.normal((3,)), first)
        following = Source.now(torch.device("cpu"))
        third = randomness.normal((3,))
    with drawing_from(following):
        assert torch.equal(randomness.normal((3,)), third)


def test_columns_do_not_depend_on_what_their_reader_draws():
    alone = randomness.columns(4, 0, torch.device("cpu"))
    disturbed = randomness.columns(4, 0, torch.device("cpu"))
    with drawing_from(9):
        for _ in range(3):
            expected = next(alone)
            randomness.uniform((2,))
            assert torch.equal(next(disturbed), expected)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_leaves_each_entry_out_with_its_own_bits(share: float):
    with drawing_from(3):
        kept = randomness.dropout(torch.ones(4001, 250), share) > 0
    n = kept.numel()
    for part in kept.flatten()[: n // 4 * 4].view(-1, 4).t():  # each draw serves four
        assert abs(part.double().mean().item() - (1 - share)) < 4 * 0.5 / (n / 4) ** 0.5
    pairs = kept.flatten()[:-1] & kept.flatten()[1:]
    assert abs(pairs.double().mean().item() - (1 - share) ** 2) < 4 * 0.5 / n**0.5


def test_dropout_of_nearly_everything():
    assert not randomness.dropout(torch.ones(3, 5), 1 - 1e-9).any()
    assert not randomness.dropout(torch.ones(3, 5), 1.0).any()
    assert randomness.dropout(torch.ones(0, 5), 0.5).shape == (0, 5)


def test_dropout_keeps_the_mean():
    with drawing_from(0):
        x = randomness.Dropout(0.25)(torch.ones(40_000))
    assert x.unique().tolist() == pytest.approx([0, 4 / 3])
    assert abs(float(x.mean()) - 1) < 6 * (1 / 3 / 40_000) ** 0.5
    assert torch.equal(randomness.Dropout(0.25).eval()(torch.ones(9)), torch.ones(9))


def test_students_t_has_its_quantiles():
    from scipy import stats

    for df in (0.7, 3.0, 1e4):
        with drawing_from(0):
            x = StudentT((1,), df).double().sample(20_000)
        assert stats.kstest(x[:, 0].numpy(), stats.t(df).cdf).pvalue > 1e-4


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, 1.5, "7", None, True, np.int64(-3), np.float64(2.0)])
def test_what_is_no_seed(seed):
    with pytest.raises(UsageError, match=r"seed: expected a whole number from 0"):
        randomness.checked_seed(seed)


@pytest.mark.parametrize("seed", [0, 2**63 - 1, np.int32(5), np.uint8(200)])
def test_what_is_a_seed(seed):
    with drawing_from(seed):
        assert Uniform((2,)).sample(3).shape == (3, 2)


class Noisy(Density):
    """Somebody's own density, which knows nothing of fluvial's randomness."""

    event_shape = (2,)

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))

    def log_prob(self, x, context=None):
        return self.net.train()(x + torch.rand_like(x) + torch.randn(x.shape)).sum(1)

    def sample(self, n, context=None):
        return torch.randn(n, 2) + torch.empty(n, 2).uniform_()


def test_calls_of_torch_are_lent_a_generator():
    density, x = Noisy(), torch.zeros(50, 2)
    assert randomness.draws_by_itself(density)
    assert not randomness.draws_by_itself(models.nsf((3,)))

    def drawn(seed: int) -> torch.Tensor:
        with torch.no_grad(), drawing_from(seed, lend=True):
            return torch.cat((density.log_prob(x), density.sample(20).flatten()))

    alone = [drawn(seed) for seed in range(16)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(alone, pool.map(drawn, range(16))):
            assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(alone[0], alone[1])
