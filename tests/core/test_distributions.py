"""Densities and transforms as torch's own distributions and transforms."""

from __future__ import annotations

import contract
import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, distributions
from torch.distributions import biject_to, constraints

from fluvial.core import Density, Flow, Mixture, Normal, Uniform
from fluvial.transforms import Dequantize, Elementwise, Logit, Standardize
from fluvial.univariate import Affine

Shape = tuple[int, ...]
shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)

DENSITIES: dict[str, Density] = {
    **{name: zoo.recipe(name, 2, 1) for name in zoo.SMALL if name not in zoo.DISCRETE and name != "pixelcnn"},
    **{name: zoo.discrete(name, 1) for name in zoo.DISCRETE},
    **{name: make(2) for name, make in zoo.BASES.items()},
    "mixture-inside": Flow(zoo.TRANSFORMS["actnorm"](2, 0), zoo.BASES["mixture"](2), (2,)),
    "grid": Flow(zoo.STOCHASTIC["columns-grid"](2, 0), Normal((2,)), (2,)),
    "dequantize": Flow(Dequantize(0.5, levels=4), Normal((2,)), (2,)),
    "columns": Flow(zoo.TRANSFORMS["columns"](4, 0), Normal((4,)), (4,)),
    "logit": Flow(Logit(-2.0, 3.0, 0.1), Normal((2,)), (2,)),
    "moved-uniform": Flow(Standardize(torch.ones(2), torch.full((2,), 3.0)), Uniform((2,)), (2,)),
    "scalar": Flow(Elementwise(Affine(), ()), Normal(()), ()),
    "table": zoo.conditional_table(2),
    "image": zoo.image_recipe("glow", (2, 4, 4), 1),
}


def contexts(density: Density, batch: Shape) -> Tensor | None:
    shape = density.context_shape
    return None if shape is None else torch.rand(*batch, *shape).double()  # pyright: ignore


@pytest.mark.parametrize("name", DENSITIES)
@given(own=shapes, drawn=shapes, seed=st.integers(0, 99))
@settings(max_examples=3, deadline=None)
def test_shapes_are_torchs(name: str, own: Shape, drawn: Shape, seed: int):
    torch.manual_seed(seed)
    density = DENSITIES[name].double().eval()
    context = contexts(density, own)
    p = density.given(context)
    assert p.batch_shape == (() if context is None else own)
    p = p.expand(own)
    assert (p.batch_shape, p.event_shape) == (own, density.event_shape)
    x = p.sample(drawn)
    assert x.shape == drawn + own + p.event_shape
    assert not x.requires_grad
    assert p.support.event_dim == len(p.event_shape)
    assert p.support.check(x).shape == drawn + own
    assert p.support.check(x).all()
    wide = p.expand((2, *own))
    assert wide.sample(drawn).shape == (*drawn, 2, *own, *p.event_shape)
    if density.exact:  # by hand, row by row
        log_p = wide.log_prob(x.unsqueeze(len(drawn)))
        assert log_p.shape == (*drawn, 2, *own)
        rows = x.flatten(0, len(drawn + own) - 1) if drawn + own else x.unsqueeze(0)
        if context is not None:
            context = context.expand(*drawn, *context.shape).reshape(len(rows), *density.context_shape)  # pyright: ignore
        want = density.log_prob(rows, context).reshape(drawn + own)
        torch.testing.assert_close(log_p.select(len(drawn), 1), want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", DENSITIES)
def test_draws_carry_the_true_gradient_or_none(name: str):
    """Two estimates of the gradient of E[f(x)] agree: through the draws, and from f(x) and log p (REINFORCE)."""
    density = DENSITIES[name].double().eval()
    p = density.given(contexts(density, ()))
    if not p.has_rsample:
        with pytest.raises(NotImplementedError, match="are not differentiable"):
            p.rsample((3,))
        return
    parameters = list(density.parameters())
    if not parameters:
        return
    torch.manual_seed(0)
    direction = [torch.randn_like(q) for q in parameters]

    def f(x: Tensor) -> Tensor:
        return torch.tanh(x - 0.3).reshape(len(x), -1).sum(1)

    def along(total: Tensor) -> float:
        found = torch.autograd.grad(total, parameters, allow_unused=True)
        return float(sum((g * d).sum() for g, d in zip(found, direction) if g is not None))

    differences = []
    for _ in range(20):
        x = p.rsample((300,))
        seen = f(x)
        through = along(seen.mean())
        with torch.no_grad():
            weight = (seen - seen.mean()) * 300 / 299
        differences.append(through - along((weight * p.log_prob(x.detach())).mean()))
    spread = torch.tensor(differences, dtype=torch.float64)
    assert spread.mean().abs() < 5 * spread.std() / 20**0.5, spread


def test_what_is_not_differentiable_says_so():
    mixed = Flow(zoo.TRANSFORMS["actnorm"](2, 0), Mixture(Normal((2,)), Normal((2,))), (2,))
    for density in (zoo.discrete("made"), zoo.discrete("made-orders"), zoo.discrete("made-groups"), mixed):
        assert not density.given().has_rsample
    for name in ("dequantize", "grid", "image"):
        assert not DENSITIES[name].reparameterized


@pytest.mark.parametrize(
    ("context", "match"),
    [
        (None, r"expects one of shape \(1, 3\), got none"),
        (torch.zeros(5, 2), r"context: expected shape \(..., 3\), got \(5, 2\)"),
        (torch.zeros(()), r"context: expected shape \(..., 3\), got \(\)"),
    ],
)
def test_contexts_are_checked_when_given(context: Tensor | None, match: str):
    with pytest.raises(ValueError, match=match):
        zoo.recipe("maf", 2, 3).given(context)
    with pytest.raises(ValueError, match="declares none"):
        zoo.recipe("maf", 2).given(torch.zeros(3))


def test_values_that_do_not_fit_get_sentences():
    p = zoo.recipe("maf", 2, 3).given(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"value: expected shape \(..., 2\), got \(4, 3\)"):
        p.log_prob(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"batch shape \(5,\) does not broadcast against \(4,\)"):
        p.log_prob(torch.zeros(5, 2))


def test_supports_are_those_of_the_data():
    assert DENSITIES["logit"].given().support.check(torch.tensor([-2.4, 3.6])).item()
    assert not DENSITIES["logit"].given().support.check(torch.tensor([-2.4, 3.7])).item()
    columns = DENSITIES["columns"].given()  # real, above -9, below 9, and between both
    assert not columns.support.check(torch.tensor([0.0, -9.5, 0.0, 0.0])).item()
    assert columns.support.check(torch.tensor([99.0, 99.0, -99.0, 0.0])).item()
    back = biject_to(columns.support)
    assert columns.support.check(back(torch.randn(50, 4))).all()
    assert zoo.discrete("made").given().support.is_discrete
    assert not zoo.discrete("made").given().support.check(torch.tensor([0.0, 1.0, 0.5, 0.0])).item()
    grid = DENSITIES["dequantize"].given().support  # 0, 1/2, 1, 3/2
    assert grid.check(torch.tensor([[0.5, 1.5], [0.5, 2.0], [0.25, 0.0]])).tolist() == [True, False, False]
    moved = DENSITIES["moved-uniform"].given().support  # not known in a simple form: where the density is
    assert moved.check(torch.tensor([[1.5, 3.5], [0.5, 3.5]], dtype=torch.float64)).tolist() == [True, False]


def test_torchs_own_wrappers_take_it():
    p = zoo.recipe("nsf_coupling", 2, 3).double().given(torch.randn(4, 3).double())
    x = p.sample()
    weights = distributions.Categorical(torch.ones(4).double())
    mixed = distributions.MixtureSameFamily(weights, p)
    torch.testing.assert_close(mixed.log_prob(x[0]), p.log_prob(x[0]).logsumexp(0) - torch.tensor(4.0).log())
    both = distributions.Independent(p, 1)
    torch.testing.assert_close(both.log_prob(x), p.log_prob(x).sum())
    positive = distributions.TransformedDistribution(p, [distributions.ExpTransform()])
    torch.testing.assert_close(positive.log_prob(x.exp()), p.log_prob(x) - x.sum(1))


BIJECTIVE = {**zoo.TRANSFORMS, **zoo.COUPLINGS}


@pytest.mark.parametrize("name", BIJECTIVE)
def test_transforms_are_torchs(name: str):
    transform = zoo.randomized(BIJECTIVE[name](3, 2)).double().eval()
    x, context = torch.rand(5, 4, 3).double(), torch.randn(4, 2).double()
    t = transform.given((3,), context)
    z = t(x)
    assert z.shape == t.forward_shape(x.shape) == t.inverse_shape(x.shape) == x.shape
    torch.testing.assert_close(t.inv(z), x, rtol=1e-6, atol=1e-6)
    log_det = torch.stack([transform(row, context)[1] for row in x])
    torch.testing.assert_close(t.log_abs_det_jacobian(x, z), log_det)
    assert t.bijective
    assert (t.domain.event_dim, t.codomain.event_dim) == (1, 1)
    assert t.domain.check(x).all()
    assert t.codomain.check(z).all()
    noise = distributions.Independent(distributions.Normal(torch.zeros(4, 3).double(), 1.0), 1)
    p = distributions.TransformedDistribution(noise, [t.with_cache().inv])
    torch.testing.assert_close(p.log_prob(x), noise.log_prob(z) + log_det)
    torch.testing.assert_close(p.log_prob(p.rsample((2,))).shape, torch.Size([2, 4]))


def test_transforms_may_change_the_shape():
    t = zoo.EVEN_TRANSFORMS["squeeze"]((1, 4, 4), 0).given((1, 4, 4))
    assert t.forward_shape(torch.Size([7, 1, 4, 4])) == (7, 4, 2, 2)
    assert t.inv(t(contract.images((1, 4, 4)))).shape == (3, 1, 4, 4)
    inner = zoo.TRANSFORMS["logit"](3, 0)
    assert isinstance(inner.given((3,)).domain.base_constraint, type(constraints.unit_interval))  # pyright: ignore
    with pytest.raises(ValueError, match="Dequantize is not bijective"):
        Dequantize().given((3,))
