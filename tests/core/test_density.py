"""Flow, and a density seen as a torch distribution."""

from __future__ import annotations

import pytest
import torch
import zoo

from fluvial import models
from fluvial.core import Chain, Flow, Mixture, Normal, StudentT
from fluvial.transforms import ActNorm, Dequantize, LULinear, Standardize


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
    density = zoo.randomized(models.RECIPES[name]((4,), **options)).double()
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
