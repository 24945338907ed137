"""The contract over the zoo (docs/design.md): every instance obeys every law that concerns it."""

from __future__ import annotations

import math

import contract
import pytest
import torch
import zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zoo import CONTEXT, randomized

from fluvial import models
from fluvial.conditioners import MaskedMLP
from fluvial.core import Density, Flow, Inverse
from fluvial.models import OrderMixture

DISCRETE = {recipe for recipe, _, _ in zoo.DISCRETE.values()}
RECIPES = [name for name in zoo.SMALL if name not in DISCRETE]
BIJECTIVE = {**zoo.TRANSFORMS, **zoo.COUPLINGS}
GAUSSIAN_TOLERANCE = 1e-7  # bisection's own resolution


def build(name: str, d: int, c: int):
    return randomized(BIJECTIVE[name](d, c)).double().eval()


def tolerance_of(name: str) -> float:
    return GAUSSIAN_TOLERANCE if "mixture" in name else 1e-9


def wrapped(name: str, x: torch.Tensor) -> torch.Tensor:
    """Circular maps live on [-3, 3)."""
    return (x + 3) % 6 - 3 if "circular" in name else x


def test_the_zoo_holds_every_recipe():
    assert {*zoo.SMALL, *zoo.BOUNDS, *zoo.GAMES} == {r.name for r in models.recipes() if r.kind != "images"}


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", BIJECTIVE)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(d=st.integers(1, 17), seed=st.integers(0, 10**6), n=st.integers(1, 5))
def test_transforms_invert(name: str, c: int, d: int, seed: int, n: int):
    d = max(d, 2) if name in zoo.COUPLINGS else d
    x = wrapped(name, contract.rows(d, n, seed))
    transform = build(name, d, c)
    contract.inverts(transform, x, contract.contexts(c, n), tolerance_of(name))
    with torch.no_grad():
        contract.inverts(transform, x, contract.contexts(c, n), tolerance_of(name))


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", BIJECTIVE)
def test_log_det_is_the_jacobians(name: str, c: int):
    for d in (2, 5) if name in zoo.COUPLINGS else (1, 4):
        x = wrapped(name, contract.rows(d, 2))
        # outputs of the mixture map are read back by bisection: as exact as that is
        contract.log_det_is_jacobians(
            build(name, d, c), x, contract.contexts(c, 2), 1e-6 if "mixture" in name else 1e-9
        )


@pytest.mark.parametrize("name", BIJECTIVE)
def test_transforms_invert_in_float32(name: str):
    d = 6
    transform = randomized(BIJECTIVE[name](d, 0)).eval()
    x = wrapped(name, contract.rows(d, 200)).float()
    with torch.no_grad():
        back = transform.inverse(transform(x)[0])[0]
    assert (back - x).abs().max() < 2e-3 if "mixture" in name else (back - x).abs().max() < 1e-4


@pytest.mark.parametrize("name", zoo.STOCHASTIC)
@given(d=st.integers(1, 17), seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_stochastic_transforms_return_to_their_grid(name: str, d: int, seed: int):
    transform = zoo.STOCHASTIC[name](d, 0)
    x = torch.randint(-8, 9, (20, d), generator=torch.Generator().manual_seed(seed)).double()
    z, log_det = transform(x)
    assert torch.equal(transform.inverse(z)[0], x)
    assert log_det.shape == (20,)
    assert torch.isfinite(log_det).all()
    assert not transform.exact
    assert not transform.bijective


@pytest.mark.parametrize("name", zoo.HEADS)
@pytest.mark.parametrize("d", [1, 4, 7])
def test_heads_of_discrete_rows_keep_probabilities(name: str, d: int):
    head = zoo.HEADS[name](d, 0)
    x = torch.eye(d).double()
    z, log_det = head(x)
    assert z.shape[1:] == head.output_shape((d,))
    assert torch.equal(head.inverse(z)[0].double(), x)
    assert (log_det == 0).all()
    assert (head(x + 100)[1] == -torch.inf).all()


@pytest.mark.parametrize("name", [n for n, u in zoo.UNIVARIATES.items() if u.identity_at_zero])
def test_zero_theta_is_the_identity(name: str):
    univariate = zoo.UNIVARIATES[name]
    x = wrapped(name, contract.rows(6))
    for direction in (univariate.forward, univariate.inverse):
        y, log_det = direction(x, torch.zeros(5, univariate.size, 6, dtype=torch.float64))
        assert (y - x).abs().max() < 1e-12
        assert log_det.abs().max() < 1e-12


@pytest.mark.parametrize("name", zoo.UNIVARIATES)
def test_univariate_gradients(name: str):
    univariate = zoo.UNIVARIATES[name]
    g = torch.Generator().manual_seed(3)
    x = wrapped(name, contract.rows(2, 3)).requires_grad_()
    theta = torch.randn(3, univariate.size, 2, generator=g, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(univariate.forward, (x, theta))
    if not isinstance(univariate, zoo.GaussianMixture):
        assert torch.autograd.gradcheck(univariate.inverse, (x, theta))
        assert torch.autograd.gradgradcheck(univariate.forward, (x, theta))
    else:  # bisection cannot be differenced at gradcheck's step; its gradient is the implicit function's
        z = univariate.forward(x, theta)[0].detach()
        slope = torch.autograd.grad(univariate.forward(x, theta)[0].sum(), theta)[0]
        got = torch.autograd.grad(univariate.inverse(z, theta)[0].sum(), theta)[0]
        rate = univariate.forward(x, theta)[1].exp().unsqueeze(1)
        torch.testing.assert_close(got, -slope / rate, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize(
    "options",
    [{}, {"order": [2, 0, 4, 1, 3]}, {"residual": True}, {"direct": True}, {"hidden": (3, 2)}],
    ids=["plain", "ordered", "residual", "direct", "narrow"],
)
def test_masked_networks_are_autoregressive(c: int, options: dict):
    settings_ = {"hidden": (16, 16), "activation": "tanh", **options}
    net = randomized(MaskedMLP(5, 3, context=c, **settings_)).double()
    x, context = contract.rows(5), contract.contexts(c)
    contract.is_autoregressive(net, x, context)
    contract.stepper_equals_forward(net, x, context)


@given(d=st.integers(1, 17), c=st.integers(0, 2), width=st.integers(1, 40), residual=st.booleans())
@settings(max_examples=15, deadline=None)
def test_steppers_equal_the_parallel_pass(d: int, c: int, width: int, residual: bool):
    net = randomized(MaskedMLP(d, 2, (width, width), c, residual=residual)).double()
    contract.stepper_equals_forward(net, contract.rows(d), contract.contexts(c))
    if width >= d:
        smooth = randomized(MaskedMLP(d, 2, (width, width), c, activation="tanh", residual=residual)).double()
        contract.is_autoregressive(smooth, contract.rows(d), contract.contexts(c))


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", zoo.DISCRETE)
def test_discrete_densities(name: str, c: int):
    density, x, context = zoo.discrete(name, c).double(), zoo.outcomes(name), contract.contexts(c, 1)
    contract.sums_to_one(density, x, context)
    contract.draws_what_it_says(density, x, context)
    some, rows = x[::7], None if context is None else context.expand(len(x[::7]), -1)
    torch.testing.assert_close(density.log_prob(some.long(), rows), density.log_prob(some, rows), rtol=0, atol=0)
    contract.parameters_get_gradients(density, some, rows)
    contract.survives_copies(density, some, rows, zoo.discrete(name, c).double())
    contract.samples_match_log_prob(density, None if context is None else context.expand(5, -1), 5, 1e-12)
    if isinstance(density, Flow):
        assert torch.equal(density.decode(density.encode(some, rows), rows), some)
        assert torch.equal(density.train().log_prob(some, rows), density.eval().log_prob(some, rows))
    single = density.float()
    got = single.log_prob(some.float(), None if rows is None else rows.float()).double()
    torch.testing.assert_close(got, density.double().log_prob(some, rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", [name for name in zoo.DISCRETE if name != "made-groups"])  # the same network
def test_conditioners_of_discrete_densities(name: str, c: int):
    density, x, context = zoo.discrete(name, c).double(), zoo.outcomes(name), contract.contexts(c, 1)
    flows = [density.component(m) for m in range(density.orders)] if isinstance(density, OrderMixture) else [density]
    for flow in flows:
        conditioner = flow.transform.conditioner  # pyright: ignore
        contract.reads_what_comes_before(conditioner, x, context)
        contract.stepper_equals_forward(conditioner, x, None if context is None else context.expand(len(x), -1))


def test_iaf_is_maf_read_backwards():
    maf_step = build("autoregressive-affine", 6, CONTEXT)
    iaf_step = Inverse(maf_step)
    x, context = contract.rows(6), contract.contexts(CONTEXT)
    for a, b in zip(iaf_step.inverse(x, context), maf_step(x, context)):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", zoo.BASES)
def test_bases_integrate_to_one_and_sample_themselves(name: str):
    base = zoo.BASES[name](1).double()
    contract.integrates_to_one(base, reach=1.0 if name == "uniform" else 2000.0, tolerance=3e-3)
    torch.manual_seed(0)
    contract.samples_match_log_prob(base, None, 500, 1e-12)
    if name != "mixture":
        u = base.cdf(base.sample(20_000)).sort(0).values.squeeze(1)
        grid = (torch.arange(20_000) + 0.5) / 20_000
        assert (u - grid).abs().max() < 1.95 / math.sqrt(20_000)  # Kolmogorov, p = 0.001


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", RECIPES)
def test_densities_integrate_to_one(name: str, c: int):
    contract.integrates_to_one(zoo.recipe(name, 1, c).double(), contract.contexts(c, 1), reach=200.0)
    # iaf: the same transforms as maf's, whose scoring walks; wavenet_mixed: its tails reach beyond a grid of two axes,
    # and each of its conditionals is integrated in tests/models/test_wavenet_mixed.py
    if name not in ("iaf", "wavenet_mixed"):
        contract.integrates_to_one(zoo.recipe(name, 2, c).double(), contract.contexts(c, 1), reach=60.0)


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", zoo.BOUNDS)
def test_bounds(name: str, c: int):
    density, x, context = zoo.recipe(name, 3, c).double(), contract.rows(3), contract.contexts(c)
    assert not density.exact
    contract.draws_come_with_what_log_prob_says(density, context)
    contract.bounds_lie_below(density, x, context)
    contract.copies_draw_the_same(density, x, context, zoo.recipe(name, 3, c).double())
    contract.doors_of_densities(density, x, context)
    contract.far_rows_are_impossible_not_nan(density, context)
    contract.loss_reaches_every_parameter(lambda: density.bound(x, context), density)  # pyright: ignore


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", RECIPES)
def test_densities(name: str, c: int):
    density = zoo.recipe(name, 3, c).double()
    x, context = contract.rows(3), contract.contexts(c)
    contract.samples_match_log_prob(density, context, 5, 1e-5 if "mog" in name else 1e-8)
    contract.gradients_are_right(density, x, context)
    contract.survives_copies(
        density,
        x,
        context,
        models.recipe_of(name).build((3,), context_shape=(c,) if c else None, **zoo.SMALL[name]).double().eval(),
    )
    torch.testing.assert_close(density.decode(density.encode(x, context), context), x, rtol=1e-6, atol=1e-6)
    assert density(x, context).shape == (5,)


@pytest.mark.parametrize("name", [n for n in RECIPES if n not in ("realnvp", "maf", "mixed")])
def test_evaluation_equals_training(name: str):
    density = zoo.recipe(name, 3).double()
    x = contract.rows(3)
    want = density.log_prob(x)
    assert torch.equal(density.train().log_prob(x), want)


@pytest.mark.parametrize("name", zoo.SMALL)
def test_context_matters_to_every_recipe(name: str):
    density = zoo.recipe(name, 3, CONTEXT).double()
    x = contract.rows(3, 1) if name in RECIPES else torch.zeros(1, 3)
    a, b = (density.log_prob(x, contract.contexts(CONTEXT, 1, seed)) for seed in (1, 2))
    assert (a - b).abs() > 1e-6


@pytest.mark.parametrize("name", [*zoo.SMALL, "mixture"])
def test_wrong_shapes_get_sentences(name: str):
    conditional, plain = (
        models.made((3,), orders=2, context_shape=shape) if name == "mixture" else zoo.recipe(name, 3, c)
        for c, shape in ((CONTEXT, (CONTEXT,)), (0, None))
    )
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 3\), got \(5, 4\)"):
        plain.log_prob(torch.zeros(5, 4))
    with pytest.raises(ValueError, match="declares none"):
        plain.log_prob(torch.zeros(5, 3), torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"expects one of shape \(5, 3\), got none"):
        conditional.log_prob(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"context: expected shape \(5, 3\), got \(5, 2\)"):
        conditional.log_prob(torch.zeros(5, 3), torch.zeros(5, 2))


def test_columns_of_context_are_encoded_at_the_door():
    density = zoo.conditional_table(2).double()
    context = torch.tensor([[2.0, 1.5]], dtype=torch.float64)
    contract.integrates_to_one(density, context, reach=80.0)
    contract.samples_match_log_prob(density, context.expand(7, -1), 7, 1e-8)


@pytest.mark.parametrize("name", [*(n for n in RECIPES if n != "iaf"), *zoo.DISCRETE])  # iaf's parallel way is sampling
def test_compile_and_export(name: str):
    discrete = name in zoo.DISCRETE
    density = zoo.discrete(name, CONTEXT) if discrete else zoo.recipe(name, 4, CONTEXT)
    x = zoo.outcomes(name)[:5].float() if discrete else contract.rows(4).float()
    arguments = (x, contract.rows(CONTEXT, seed=2).float())
    with torch.no_grad():
        want = density(*arguments)
        torch._dynamo.reset()
        compiled = torch.compile(density, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(*arguments), want)
        batch = torch.export.Dim("batch", min=2)
        program = torch.export.export(density, arguments, dynamic_shapes=tuple({0: batch} for _ in arguments))
        torch.testing.assert_close(program.module()(*arguments), want)
        more = tuple(torch.cat((a, a)) for a in arguments)
        torch.testing.assert_close(program.module()(*more), density(*more))
    torch._dynamo.reset()
    compiled = torch.compile(density, fullgraph=True, backend="aot_eager")
    grads = [torch.autograd.grad(d(*arguments).sum(), list(density.parameters())) for d in (density, compiled)]
    for a, b in zip(*grads):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_extreme_rows_stay_finite(name: str):
    density = zoo.recipe(name, 3)
    x = torch.tensor(
        [
            [1e3, -1e3, 1e3],
            [5.0, -5.0, 5.0],
            [0.0, 0.0, 0.0],
            [1e-42, -1e-42, 1e-42],
            [30.0, 30.0, -30.0],
            [0.0, 0.0, 0.0],
        ]
    )
    assert torch.isfinite(density.log_prob(x)).all()
    assert density.log_prob(x[:1]).shape == (1,)
    assert density.log_prob(x[:0]).shape == (0,)
    x = x[1:].requires_grad_()
    (gradient,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    assert torch.isfinite(gradient).all()
    z = 1000.0 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert not density.decode(z).isnan().any()  # pyright: ignore


@pytest.mark.parametrize("name", ["realnvp", "maf", "iaf", "nsf", "nsf_coupling", "maf_mog", "made_mog"])
def test_likelihood_does_not_exceed_the_truth(name: str):
    """A trained density scores fresh rows of a known one no better than the truth does, nor much worse."""
    torch.manual_seed(0)

    def draw(n: int) -> torch.Tensor:  # a banana: x1 | x0 ~ N(x0^2 - 1, 0.5)
        a = torch.randn(n)
        return torch.stack((a, a.square() - 1 + 0.5 * torch.randn(n)), 1)

    def truth(x: torch.Tensor) -> torch.Tensor:
        noise = torch.distributions.Normal(0.0, 1.0)
        return noise.log_prob(x[:, 0]) + torch.distributions.Normal(x[:, 0].square() - 1, 0.5).log_prob(x[:, 1])

    options = {} if name == "made_mog" else {"transforms": 2}
    density: Density = models.recipe_of(name).build((2,), **options, hidden=(32, 32))
    optimizer = torch.optim.Adam(density.parameters(), lr=1e-2)
    train, fresh = draw(2000), draw(4000)
    for _ in range(100 if "mog" in name else 150):
        optimizer.zero_grad()
        (-density.log_prob(train[torch.randint(len(train), (256,))]).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        gap = truth(fresh) - density.log_prob(fresh)
    assert gap.mean() > -3 * gap.std() / math.sqrt(len(fresh))
    assert gap.mean() < 0.6
