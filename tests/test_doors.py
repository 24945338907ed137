"""The laws of the doors over the zoo: what does not fit is a sentence everywhere, and rows keep to themselves."""

from __future__ import annotations

from contextlib import nullcontext

import contract
import pytest
import torch
import zoo
from zoo import CONTEXT, randomized

from fluvial.core import Chain, Density, Flow, Inverse, Mixture, Normal, Transform
from fluvial.kernels import native
from fluvial.transforms import ActNorm, BatchNorm, Standardize

D = 4
KERNELS = pytest.mark.parametrize("kernels", [True, False], ids=["kernels", "torch"])
CONTEXTS = pytest.mark.parametrize("c", [0, CONTEXT])
CONTINUOUS = [name for name in zoo.SMALL if name not in {recipe for recipe, _, _ in zoo.DISCRETE.values()}]
VECTORS = {**zoo.TRANSFORMS, **zoo.COUPLINGS, **zoo.STOCHASTIC, **zoo.HEADS}
IMAGES = {**zoo.IMAGE_TRANSFORMS, **zoo.CHANNEL_TRANSFORMS, **zoo.EVEN_TRANSFORMS, **zoo.PIXELS}
SHAPELESS = (
    "reverse",
    "logit",
    "logit-alpha",
    "softplus",
    "dequantize",
    "dequantize-fine",
    "autoregressive-wavenet",
    "inverse-wavenet",
)
SHAPELESS_IMAGES = ("squeeze", "ordered-squeeze", "checkerboard", "unsqueeze")


def using(kernels: bool):
    return nullcontext() if kernels else native.torch_only()


def instance(name: str, c: int) -> tuple[Density, torch.Tensor, torch.Tensor | None]:
    given = contract.contexts(c, 3)
    if name in zoo.DISCRETE:
        return zoo.discrete(name, c), zoo.outcomes(name)[1:4].float(), None if given is None else given.float()
    if name in zoo.BASES:
        return zoo.BASES[name](D), torch.rand(3, D), None
    return zoo.recipe(name, D, c), torch.rand(3, D), None if given is None else given.float()


@KERNELS
@CONTEXTS
@pytest.mark.parametrize("name", [*CONTINUOUS, *zoo.DISCRETE, *zoo.BASES])
def test_densities(name: str, c: int, kernels: bool):
    density, x, context = instance(name, c)
    with using(kernels), torch.no_grad():
        contract.doors_of_densities(density, x, context)
        if context is not None:
            contract.one_context_serves_all_draws(density, context)
        contract.rows_keep_their_scores(density, x, context, 1e-4)
        contract.far_rows_are_impossible_not_nan(density, context)
        contract.any_real_dtype_is_read(density, x, context)
        contract.half_models_work_both_ways(density, x, context)


@KERNELS
@CONTEXTS
@pytest.mark.parametrize("name", VECTORS)
def test_transforms(name: str, c: int, kernels: bool):
    transform, context = randomized(VECTORS[name](D, c)).eval(), contract.contexts(c, 3)
    with using(kernels), torch.no_grad():
        x, given = torch.rand(3, D), None if context is None else context.float()
        contract.doors_of_transforms(transform, x, given, name in SHAPELESS, name == "standardize")


@CONTEXTS
@pytest.mark.parametrize("name", IMAGES)
def test_transforms_of_images(name: str, c: int):
    shape = (4, 4, 4)
    transform, context = randomized(IMAGES[name](shape, c), scale=0.2).eval(), contract.contexts(c, 3)
    with torch.no_grad():
        given = None if context is None else context.float()
        contract.doors_of_transforms(transform, torch.rand(3, *shape).round(), given, name in SHAPELESS_IMAGES)


@CONTEXTS
@pytest.mark.parametrize("name", zoo.SMALL_IMAGES)
def test_densities_of_images(name: str, c: int):
    shape = (1, 4, 4)
    density, context = zoo.image_recipe(name, shape, c), contract.contexts(c, 3)
    x = torch.randint(0, 256, (3, *shape)).float()
    with torch.no_grad():
        contract.doors_of_densities(density, x, None if context is None else context.float())
        if context is not None:
            contract.one_context_serves_all_draws(density, context.float())


@KERNELS
def test_the_cases_that_crashed(kernels: bool):
    for recipe in ("maf", "iaf", "nsf", "made"):
        density = zoo.recipe(recipe, 8) if recipe != "made" else zoo.discrete("made")
        with using(kernels), torch.no_grad():
            for width in (1, 2, 7, 9):
                contract.refuses(density.decode, torch.randn(64, width))  # pyright: ignore
                contract.refuses(density.encode, torch.randn(64, width))  # pyright: ignore
    step = zoo.TRANSFORMS["autoregressive-affine"](3, 2)
    with using(kernels), torch.no_grad():
        for context in (None, torch.randn(1, 2), torch.randn(2000, 3)):
            contract.refuses(step.inverse, torch.randn(2000, 3), context)
            contract.refuses(step.walk, torch.randn(2000, 3), context)  # pyright: ignore


def test_steps_of_the_wrong_size_alone():
    x = torch.zeros(2, 3, 5, 4)
    for name in ("squeeze", "ordered-squeeze"):
        contract.refuses(zoo.EVEN_TRANSFORMS[name]((3, 4, 4), 0).forward, x)
        contract.refuses(zoo.EVEN_TRANSFORMS[name]((3, 4, 4), 0).inverse, x)
    contract.refuses(zoo.EVEN_TRANSFORMS["checkerboard"]((3, 4, 4), 0).inverse, x)


def test_a_flow_knows_the_context_of_what_it_wraps():
    inner = zoo.recipe("maf", 3, 2)
    outer = Flow(Standardize(torch.zeros(3), torch.ones(3)), inner, (3,))
    assert outer.context_shape == (2,)
    x, context = torch.rand(4, 3), torch.rand(4, 2)
    torch.testing.assert_close(outer.log_prob(x, context), inner.log_prob(x, context))
    with pytest.raises(ValueError, match=r"the base reads contexts of shape \(2,\), got \(5,\)"):
        Flow(Standardize(torch.zeros(3), torch.ones(3)), inner, (3,), (5,))
    with pytest.raises(ValueError, match="give context_shape"):
        Flow(Standardize(torch.zeros(3), torch.ones(3)), inner, (3,), None, torch.nn.Linear(4, 2))


def test_chains_are_indexed():
    steps = [zoo.TRANSFORMS[name](3, 0) for name in ("reverse", "actnorm", "permute")]
    chain = Chain(*steps)
    assert chain[0] is steps[0]
    assert chain[-1] is steps[2]
    assert isinstance(chain[1:], Chain)
    assert list(chain[1:]) == steps[1:]


@pytest.mark.parametrize("build", [lambda d: Standardize(torch.randn(d), torch.rand(d) + 0.1), BatchNorm])
def test_a_constant_log_det_is_the_same_for_all_rows(build):
    for d in (3, 7, 31, 100):
        step: Transform = randomized(build(d)).eval()
        for move in (step.forward, step.inverse):
            assert len(move(torch.randn(37, d))[1].unique()) == 1


def _nested(d: int, c: int) -> tuple[Flow, list[Transform]]:
    """Flows of which everything inside depends on data, at each place where something can be inside."""
    learned = [ActNorm((d,)), BatchNorm(d), ActNorm((d,)), BatchNorm(d), ActNorm((d,))]
    shape = (c,) if c else None
    parts = [Flow(step, Normal((d,)), (d,), shape) for step in learned[3:]]
    inner = Flow(Chain(zoo.TRANSFORMS["inverse-autoregressive"](d, c), learned[2]), Mixture(*parts), (d,), shape)
    middle = Flow(Chain(learned[1]), inner, (d,), shape)
    return Flow(Chain(learned[0]), middle, (d,), shape), learned  # pyright: ignore


@CONTEXTS
def test_initialize_and_measure_reach_everything(c: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fluvial.core.transform._NUMBERS", 64)  # more rows than pass at once
    flow, learned = _nested(D, c)
    x, context = 5 + 3 * torch.randn(100, D), contract.contexts(c, 100)
    given = None if context is None else context.float()
    flow.initialize(x, given)
    flow.measure(x, given)
    for step in learned:
        assert step.initialized if isinstance(step, ActNorm) else (step.mean != 0).any() or (step.variance != 1).any()
    assert (flow.eval().encode(x, given).mean(0).abs() < 10).all()


def test_inverse_of_a_step_knows_both_shapes():
    step = Inverse(zoo.EVEN_TRANSFORMS["squeeze"]((1, 4, 4), 0))
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(step(step.inverse(x)[0])[0], x)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_autocast_keeps_scores_in_float32(name: str):
    density, x = zoo.recipe(name, D), torch.rand(3, D)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        z = density.encode(x)  # pyright: ignore
        log_p, back = density.log_prob(x), density.decode(z)  # pyright: ignore
    assert {log_p.dtype, z.dtype, back.dtype} <= {torch.float32, torch.float64}
    torch.testing.assert_close(log_p, density.log_prob(x), rtol=0.1, atol=0.5)
