"""Flow, and a density seen as a torch distribution."""

from __future__ import annotations

import copy

import pytest
import torch
import zoo

from fluvial import models
from fluvial.conditioners import MLP
from fluvial.core import Chain, Density, Flow, Mixture, Normal, StudentT, Transform, randomness
from fluvial.transforms import ActNorm, BatchNorm, Coupling, Dequantize, LULinear, Standardize, Whiten
from fluvial.univariate import Affine


def test_a_transform_that_does_not_fit_is_refused_at_construction():
    with pytest.raises(
        ValueError, match=r"maps events of shape \(3,\) to \(3,\), but the base is a density over \(2,\)"
    ):
        Flow(Chain(), Normal((2,)), (3,))
    with pytest.raises(ValueError, match=r"transform 1 \(Permute\)"):
        Chain(ActNorm((3,)), zoo.TRANSFORMS["permute"](4, 0)).output_shape((3,))


def test_changing_the_base_changes_log_prob_by_the_base_alone():
    transform = zoo.randomized(LULinear(3)).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    normal, student = (Flow(transform, base.double(), (3,)) for base in (Normal((3,)), StudentT((3,), 4.0)))
    z = normal.encode(x)
    difference = student.base.log_prob(z) - normal.base.log_prob(z)
    torch.testing.assert_close(student.log_prob(x) - normal.log_prob(x), difference)


def test_a_bound_scores_its_samples_with_log_prob():
    flow = Flow(Chain(Dequantize(), Standardize(torch.zeros(2), torch.full((2,), 3.0))), Normal((2,)), (2,))
    assert not flow.exact
    torch.manual_seed(0)
    x, log_p = flow.sample_and_log_prob(20_000)
    assert torch.equal(x, x.floor())
    # both are unbiased estimates of the same bound
    assert abs(log_p.mean() - flow.log_prob(x).mean()) < 0.01


@pytest.mark.parametrize(("name", "options"), [("gaussian", {}), ("maf", {"transforms": 1})])
def test_parts_are_the_conditionals_and_add_up(name: str, options: dict):
    density = zoo.randomized(models.recipe_of(name).build((4,), **options)).double()
    flow = Flow(zoo.TRANSFORMS["columns"](4, 0), density, (4,)).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    parts = flow.parts(x)
    torch.testing.assert_close(parts.sum(1), flow.log_prob(x))  # pyright: ignore
    later = x.clone()
    later[:, 2:] += 1.0
    torch.testing.assert_close(flow.parts(later)[:, :2], parts[:, :2])  # pyright: ignore


def test_models_that_mix_their_columns_have_no_parts():
    for name in ("maf", "nsf", "realnvp"):
        assert zoo.recipe(name, 3).parts(torch.zeros(1, 3)) is None


def test_a_mixture_refuses_components_that_do_not_match():
    with pytest.raises(ValueError, match="agree in event and context shape"):
        Mixture(Normal((2,)), Normal((3,)))
    with pytest.raises(ValueError, match="at least one component"):
        Mixture()


def test_initialize_runs_once_through_nested_flows():
    inner = Flow(ActNorm((2,)), Normal((2,)), (2,))
    flow = Flow(ActNorm((2,)), inner, (2,))
    x = 5 + 3 * torch.randn(500, 2)
    flow.initialize(x)
    z = flow.encode(x)
    assert z.mean(0).abs().max() < 1e-4
    assert (z.std(0) - 1).abs().max() < 0.01
    before = flow.log_prob(x)
    flow.initialize(100 * x)
    assert torch.equal(flow.log_prob(x), before)
    fresh = Flow(ActNorm((2,)), Flow(ActNorm((2,)), Normal((2,)), (2,)), (2,))
    fresh.load_state_dict(flow.state_dict())
    fresh.initialize(100 * x)
    assert torch.equal(fresh.log_prob(x), before)


def steps() -> list[Transform]:
    """Conditional steps before and behind those that learn from data, so that each sees what the others made."""
    with zoo.seeded():
        net = MLP((1,), (2, 1), (6,), context=2, activation="tanh")
    move = zoo.randomized(Coupling(net, Affine(), torch.tensor([True, False])), 1, 0.8)
    return [copy.deepcopy(step) for step in (move, BatchNorm(2), move, ActNorm((2,)), move, Whiten(2, 2))]


def nested(parts: list[Transform]) -> Density:
    base = Normal((2,))
    for part in reversed(parts):
        base = Flow(part, base, (2,), (2,))
    return base


@pytest.mark.parametrize("calls", [("initialize",), ("measure",), ("initialize", "measure")])
def test_nested_flows_learn_from_data_as_one_chain_does(calls: tuple[str, ...]):
    """And so they do with contexts, however many rows pass through a network at once."""
    torch.manual_seed(0)
    context = torch.randn(600, 2)
    x = torch.randn(600, 2) * torch.tensor([3.0, 0.5]) + context.cumsum(1)
    found = []
    for together, most in ((True, 1 << 18), (True, 256), (False, 1 << 18), (False, 256)):
        density = Flow(Chain(*steps()), Normal((2,)), (2,), (2,)) if together else nested(steps())
        density.eval()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fluvial.core.transform._NUMBERS", most)
            for i, call in enumerate(calls):
                getattr(density, call)(x if i == 0 else 2 * x + 1, context)
        found.append(density.log_prob(x, context))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-3, atol=1e-3)
    untouched = nested(steps()).eval().log_prob(x, context)
    assert (found[0] - untouched).abs().mean() > 0.1


def test_a_mixture_draws_its_components_by_their_weights():
    parts = [Flow(Standardize(torch.full((2,), 100.0 * k), torch.ones(2)), Normal((2,)), (2,)) for k in range(3)]
    mixture = Mixture(*parts)
    mixture.logits.data = torch.tensor([0.0, 1.0, -1.5])
    n, weights = 4000, mixture.logits.softmax(0)
    torch.manual_seed(0)
    x, log_p = mixture.sample_and_log_prob(n)
    for draws in (x, mixture.sample(n)):
        seen = torch.bincount((draws.mean(1) / 100).round().long(), minlength=3) / n
        assert ((seen - weights).abs() < 5 * (weights * (1 - weights) / n).sqrt()).all()
    which = (x.mean(1) / 100).round().long()
    own = torch.stack([c.log_prob(x) for c in parts], 1)[torch.arange(n), which]
    torch.testing.assert_close(log_p, own + weights.log()[which])


@pytest.mark.parametrize("name", zoo.BASES)
@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-53])
def test_a_draw_at_the_end_of_the_unit_interval_is_finite(name: str, u: float, monkeypatch: pytest.MonkeyPatch):
    """0 is among the values that a uniform generator gives."""

    def ends(shape: tuple[int, ...], dtype: torch.dtype | None = None, device: torch.device | None = None):
        return torch.full(tuple(shape), u, dtype=dtype, device=device)

    monkeypatch.setattr(randomness, "uniform", ends)
    for dtype in (torch.float32, torch.float64):
        density = zoo.BASES[name](3).to(dtype)
        x, log_p = density.sample_and_log_prob(5)
        assert torch.isfinite(x).all()
        assert torch.isfinite(log_p).all()
