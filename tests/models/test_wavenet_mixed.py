"""The density of series: exact, the same step by step, blind to the future, and as good as a known truth."""

import math

import pytest
import torch

from fluvial.core.randomness import drawing_from
from fluvial.kinds.series.windows import Scored, SeriesWindows
from fluvial.models.wavenet_mixed import SeriesLaws, wavenet_mixed
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law

NAN = math.nan
LAWS = (
    Law(rest=ColumnMap(location=2.0, scale=3.0), missing=True),
    Law((0.0,), missing=True, rest=ColumnMap(step=1.0, lower=0.0, location=4.0, scale=5.0)),
)
STEPS = 30


def small(laws=LAWS, context=None, series=0) -> SeriesLaws:
    shapes = {"layers": 3, "channels": 6, "gates": 5, "skips": 8, "hidden": (10,), "components": 3, "features": 3}
    with drawing_from(3, lend=True):
        density = wavenet_mixed(
            (None,), laws=laws, values=len(laws), lags=(2, 5), window=4, series=series, context_shape=context, **shapes
        )
        for parameter in density.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
    assert isinstance(density, SeriesLaws)
    return density.double().eval()


def paths(density: SeriesLaws, n=4, steps=STEPS, context=None) -> torch.Tensor:
    with drawing_from(1), torch.no_grad():
        return density.of_length(density.values * steps).sample(n, context)


def with_gaps(x: torch.Tensor, values: int) -> torch.Tensor:
    x = x.clone()
    x[0, 4 * values : 7 * values] = NAN
    x[1, 1::values] = NAN
    x[2, : 9 * values] = NAN
    return x


@pytest.mark.parametrize("known", [0, 1, 7, 20])
@pytest.mark.parametrize("c", [0, 3])
def test_a_walk_behind_any_past_gives_what_the_parallel_pass_gives(known: int, c: int):
    density = small(context=(None, c) if c else None)
    context = torch.randn(4, STEPS, c, dtype=torch.float64) if c else None
    x = with_gaps(paths(density, context=context), 2)
    frames, found = x.view(4, STEPS, 2), []
    with torch.no_grad():
        want = density.scored(x, context)[:, known:]
        walk = density.walk(4, frames[:, :known], context)
        for t in range(known, STEPS):

            def told(law, theta, around, i, t=t):
                value = frames[:, t, i : i + 1]
                found.append(law.log_prob(law.around(law.place(value), *around), theta))
                return value

            walk.step(told, None if context is None else context[:, t])
    torch.testing.assert_close(torch.cat(found, 1), want.flatten(1), rtol=1e-8, atol=1e-8)


def test_a_step_reads_so_far_back_and_no_farther():
    density = small()
    x = with_gaps(paths(density, steps=density.reads + 12), 2)
    with torch.no_grad():
        whole = density.scored(x)
        window = density.scored(x[:, -2 * (density.reads + 5) :], None, 5)
    torch.testing.assert_close(window, whole[:, -5:], rtol=0, atol=1e-9)


def test_nothing_depends_on_the_future():
    density = small()
    x = paths(density)
    other = x.clone()
    other[:, 2 * 15 :] += 3.0
    with torch.no_grad():
        before, after = density.scored(x), density.scored(other)
    assert torch.equal(before[:, :15], after[:, :15])
    assert (before[:, 15:] != after[:, 15:]).any()


def test_a_path_is_as_likely_as_its_steps_together():
    density = small()
    x = with_gaps(paths(density), 2)
    with torch.no_grad():
        torch.testing.assert_close(density.log_prob(x), density.parts(x).sum(1))
        assert torch.isfinite(density.log_prob(x)).all()


def test_windows_count_each_step_once_with_all_its_past():
    density = small(context=(None, 2))
    x = paths(density, 1, 90, torch.zeros(1, 90, 2, dtype=torch.float64)).view(90, 2)
    lengths, first = torch.tensor([50, 40]), torch.tensor([0, 10])
    given = torch.randn(90, 2, dtype=torch.float64)
    windows = SeriesWindows(x, lengths, first, given, density.reads, longest=16)
    with torch.no_grad():
        parts = [density.scored(a.reshape(1, -1), c[None])[0] for a, c in zip(x.split([50, 40]), given.split([50, 40]))]
        want = parts[0].sum() + parts[1][10:].sum()
    assert windows.count() == 80
    assert windows.score(Scored(density), 0) * 80 == pytest.approx(want.item(), rel=1e-9)


def test_each_conditional_has_probability_one_whatever_the_past():
    density = small()
    u = torch.linspace(-12, 12, 60_001, dtype=torch.float64)
    grid, weight = torch.sinh(u), torch.cosh(u) * (u[1] - u[0])  # fine about 0, and far out
    past = paths(density, 1, 8)
    with torch.no_grad():
        rows = torch.cat((past.expand(len(grid), -1), grid[:, None], torch.zeros_like(grid)[:, None]), 1)
        gone = torch.cat((past, torch.tensor([[NAN, NAN]], dtype=torch.float64)), 1)
        missing = density.parts(gone)[:, -2:].exp()
        inside = (torch.cat([density.parts(part)[:, -2] for part in rows.split(8000)]).exp() * weight).sum()
        assert (inside + missing[0, 0]).item() == pytest.approx(1.0, abs=1e-3)
        counts = torch.arange(4000, dtype=torch.float64)[:, None]
        rows = torch.cat((past.expand(len(counts), -1), torch.ones_like(counts), counts), 1)
        missing = density.parts(torch.cat((rows[:1, :-1], torch.tensor([[NAN]])), 1))[0, -1].exp()
        assert (density.parts(rows)[:, -1].exp().sum() + missing).item() == pytest.approx(1.0, abs=1e-6)


def test_noise_comes_back():
    density = small(laws=(Law(rest=ColumnMap()), Law(rest=ColumnMap(scale=2.0))))
    x = paths(density)
    with torch.no_grad():
        torch.testing.assert_close(density.decode(density.encode(x)), x, rtol=1e-6, atol=1e-6)


def test_in_other_units_a_series_is_as_likely():
    """Values and the typical move a hundredfold cost log 100 a value, and nothing else."""
    density = small(laws=(Law(rest=ColumnMap()),))
    with torch.no_grad():
        x = paths(density).cumsum(1)
        a = density.parts(x)
        density.recent.typical.mul_(100)
        b = density.parts(100 * x) + math.log(100.0)
    torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


def test_the_start_is_nearly_a_known_truth():
    """Before any training, of two values that read each other's past: a linear forecast, and a coupling."""
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(8, 500, 2, dtype=torch.float64, generator=generator)
    x, root = torch.zeros_like(noise), torch.tensor([[1.0, 0.0], [0.7, 0.5]], dtype=torch.float64)
    step = torch.tensor([[0.5, 0.3], [-0.2, 0.6]], dtype=torch.float64)
    for t in range(1, x.shape[1]):
        x[:, t] = x[:, t - 1] @ step.T + noise[:, t] @ root.T
    truth = (-0.5 * noise.square().sum(2) - math.log(2 * math.pi) - root.diagonal().log().sum())[4:, 100:].mean()
    with drawing_from(3, lend=True):
        made = (wavenet_mixed((None,), values=2, window=32, together=t) for t in (True, False))
        together, apart = (density.double().eval() for density in made if isinstance(density, SeriesLaws))
    counts = torch.ones(4, 500, dtype=torch.bool)
    found = []
    for density in (together, apart):
        density.initialize(x[:4].flatten(1))
        with torch.no_grad():
            found.append(density.scored(x[4:].flatten(1))[:, 100:].sum(2).mean() - truth)
    assert -0.06 < found[0] < 0.03
    assert found[1] < found[0] - 0.03
    assert together.relief(x[:4].reshape(32, -1)[:, :120], None, torch.ones(32, 60, dtype=torch.bool)) > 0.01
    lonely = x.clone()
    lonely[:, :, 1] = lonely[:, :, 1].roll(250, 1)
    assert together.relief(lonely[:4].reshape(32, -1)[:, :120], None, counts.view(-1)[: 32 * 60].view(32, 60)) < 0.01


def test_a_new_series_has_the_number_zero():
    density = small(context=(None, 1), series=2)
    x = paths(density, 3, 12, torch.zeros(3, 12, 1, dtype=torch.float64))
    with torch.no_grad():
        scores = [density.log_prob(x, torch.full((3, 12, 1), n, dtype=torch.float64)) for n in (0.0, 1.0, 2.0)]
    assert not torch.allclose(scores[0], scores[1])
    assert not torch.allclose(scores[1], scores[2])


@pytest.mark.parametrize(
    "options",
    [
        {"values": 2},
        {"series": 3},
        {"hidden": (8, 8)},
        {"lags": (0,)},
        {"window": 0},
        {"laws": LAWS},
    ],
)
def test_what_does_not_fit_is_a_sentence(options):
    with pytest.raises(ValueError, match=r"\S+ \S+ \S+"):
        wavenet_mixed((3,), **options)
