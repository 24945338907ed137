"""The compiled sweep equals the walk position by position: values, log-dets, gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.rounding import inside, rooms
from torch import Tensor
from zoo import randomized

from fluvial.conditioners import MaskedMLP
from fluvial.kernels import native
from fluvial.transforms import Autoregressive
from fluvial.univariate import Affine, Bernoulli, Categorical, RQSpline, Univariate
from fluvial.univariate.compiled import compiled

pytestmark = pytest.mark.skipif(not native.active(), reason=native.status())

BIJECTIVE = {name: u for name, u in zoo.UNIVARIATES.items() if compiled(u)}
STAIRCASES = {"bernoulli": Bernoulli(), "categorical": Categorical(4)}
NETWORKS = {
    "plain": {},
    "ordered": {"order": [2, 0, 4, 1, 3]},
    "drawn": {"drawn": 3},
    "residual": {"residual": True},
    "residual-drawn": {"residual": True, "drawn": 1},
    "direct": {"direct": True, "order": [4, 3, 2, 1, 0]},
    "narrow": {"hidden": (3, 2)},
    "near": {"reach": 0.5},
    **{name: {"activation": name} for name in ("tanh", "elu", "silu")},
}


@pytest.fixture(params=native.instruction_sets())
def instructions(request: pytest.FixtureRequest):
    with native.restricted_to(request.param):
        yield request.param


def build(univariate: Univariate, d: int, c: int = 0, scale: float = 0.4, **options: object) -> Autoregressive:
    torch.manual_seed(0)
    options = {"hidden": (24, 24), **options}
    return Autoregressive(
        randomized(MaskedMLP(d, univariate.size, context=c, **options), scale=scale).double(), univariate
    )


def noise(rows: int, d: int, c: int = 0, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, d, generator=g, dtype=torch.float64)
    return z, torch.randn(rows, c, generator=g, dtype=torch.float64) if c else None


def close(got: Tensor, want: Tensor, tolerance: float = 1e-10) -> bool:
    return bool(((got - want).abs() <= tolerance * (1 + want.abs())).all())


def equal_values(transform: Autoregressive, z: Tensor, context: Tensor | None) -> None:
    with torch.no_grad():
        for got, want in zip(transform.inverse(z, context), transform._walked(z, context)):
            assert got.shape == want.shape
            assert got.dtype == want.dtype
            assert close(got, want, 1e-10 if got.dtype == torch.float64 else 1e-4)


def gradients(inverse: Callable, transform: Autoregressive, z: Tensor, context: Tensor | None) -> list[Tensor]:
    sources = [z.clone().requires_grad_(), *([] if context is None else [context.clone().requires_grad_()])]
    x, log_det = inverse(*sources, *([None] if context is None else []))
    g = torch.Generator().manual_seed(9)
    loss = (x * torch.randn(x.shape, generator=g)).sum() + (log_det * torch.randn(log_det.shape, generator=g)).sum()
    parameters = [*sources, *transform.parameters()]
    return list(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))


def equal_gradients(transform: Autoregressive, z: Tensor, context: Tensor | None) -> None:
    pairs = [gradients(f, transform, z, context) for f in (transform.inverse, transform._walked)]
    largest = max(float(g.abs().max()) for g in pairs[1] if g.numel())
    for got, want in zip(*pairs):
        assert (got - want).abs().le(1e-10 * (1 + largest)).all()


@pytest.mark.parametrize("c", [0, 3])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["affine", "spline"])
def test_each_network(name: str, network: str, c: int):
    transform = build(BIJECTIVE[name], 5, c, **NETWORKS[network])
    z, context = noise(70, 5, c)
    equal_values(transform, z, context)
    equal_gradients(transform, z, context)


@pytest.mark.parametrize("name", BIJECTIVE)
def test_each_map_with_each_instruction_set(instructions: str, name: str):
    transform = build(BIJECTIVE[name], 19, scale=0.1)
    z, _ = noise(70, 19)
    equal_values(transform, z, None)
    equal_gradients(transform, z, None)


@pytest.mark.parametrize("name", STAIRCASES)
@pytest.mark.parametrize("network", ["plain", "ordered", "drawn", "residual"])
def test_discrete_maps(instructions: str, name: str, network: str):
    univariate = STAIRCASES[name]
    classes = 2 if name == "bernoulli" else univariate.size
    transform = build(univariate, 5, 3, classes=classes, **NETWORKS[network])
    z, context = noise(70, 5, 3)
    equal_values(transform, torch.sigmoid(z), context)
    equal_values(transform.float(), torch.sigmoid(z), context.float())


@given(
    d=st.integers(1, 40),
    rows=st.integers(0, 140),
    c=st.integers(0, 2),
    widths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    name=st.sampled_from(["affine", "affine-sigmoid", "gate", "spline-circular"]),
    residual=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_any_shape(d: int, rows: int, c: int, widths: list[int], name: str, residual: bool):
    hidden = (widths[0],) * len(widths) if residual else tuple(widths)
    transform = build(BIJECTIVE[name], d, c, hidden=hidden, residual=residual)
    z, context = noise(rows, d, c)
    equal_values(transform, z, context)
    if rows:
        equal_gradients(transform, z, context)


@pytest.mark.parametrize("name", ["affine", "spline"])
@torch.no_grad()
def test_float32_is_as_exact_as_rounding_allows(instructions: str, name: str):
    transform = build(BIJECTIVE[name], 30).float()
    z = noise(100, 30)[0].float()
    got = transform.inverse(z)
    assert {t.dtype for t in got} == {torch.float32}
    transform.double()
    names, weights = zip(*transform.named_parameters())
    walk = Sampled(transform, walk=True)

    def reference(z: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        parameters = {f"transform.{name}": weight for name, weight in zip(names, weights)}
        return torch.func.functional_call(walk, parameters, (z, None))

    assert all(map(inside, got, rooms(reference, (z.double(), *weights), torch.float32)))


def test_second_derivatives_go_through_the_walk():
    for name in ("affine", "spline-circular"):
        transform = build(BIJECTIVE[name], 3, 2, activation="tanh", hidden=(6, 6))
        z, context = noise(2, 3, 2)
        z.requires_grad_()
        context.requires_grad_()
        assert torch.autograd.gradcheck(transform.inverse, (z, context))
        assert torch.autograd.gradgradcheck(transform.inverse, (z, context))


def test_a_training_step_is_seen_at_once():
    """Nothing of the weights is remembered between calls."""
    transform, (z, _) = build(RQSpline(), 6), noise(9, 6)
    optimizer = torch.optim.Adam(transform.parameters(), lr=0.1, fused=True)
    for _ in range(3):
        optimizer.zero_grad()
        transform.inverse(z)[1].sum().backward()
        optimizer.step()
        equal_values(transform, z, None)


def test_threads_change_nothing():
    transform, (z, _) = build(RQSpline(), 9), noise(700, 9)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            with torch.no_grad():
                results.append(transform.inverse(z)[0])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_what_the_kernels_do_not_know_walks():
    @dataclass(frozen=True)
    class Own(Affine):
        def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
            return z, torch.zeros_like(z)

    z, _ = noise(4, 3)
    assert torch.equal(build(Own(), 3).inverse(z)[0], z)
    transform = build(Affine(), 3)
    over_models = torch.vmap(transform.inverse)(z.view(2, 2, 3))[0].view(4, 3)
    assert close(over_models, transform.inverse(z)[0])


def test_infinite_and_missing_noise_stays_in_its_row():
    transform, (z, _) = build(RQSpline(), 4), noise(20, 4)
    odd = z.clone()
    odd[3], odd[7, 1], odd[11, 3] = torch.nan, torch.inf, -1e300
    with torch.no_grad():
        got, walked = transform.inverse(odd)[0], transform._walked(odd, None)[0]
    torch.testing.assert_close(got, walked, equal_nan=True, rtol=1e-9, atol=1e-9)


class Sampled(torch.nn.Module):
    def __init__(self, transform: Autoregressive, walk: bool = False) -> None:
        super().__init__()
        self.transform, self.walk = transform, walk

    def forward(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.transform._walked(z, context) if self.walk else self.transform.inverse(z, context)


@pytest.mark.parametrize(
    ("univariate", "options"),
    [
        (Affine(), {"order": [2, 0, 4, 1, 3], "direct": True}),
        (RQSpline(4, circular=True), {"residual": True, "drawn": 1}),
        (Categorical(3), {"classes": 3}),
    ],
)
@torch.no_grad()
def test_compiled_sampling_sweeps_and_exported_sampling_walks(univariate: Univariate, options: dict):
    transform = build(univariate, 5, 2, **options)
    z, context = noise(8, 5, 2)
    z = z if univariate.bijective else torch.sigmoid(z)
    model, want = Sampled(transform).eval(), transform.inverse(z, context)
    graphs = []
    compiled = torch.compile(model, fullgraph=True, backend=lambda graph, _: graphs.append(graph) or graph)
    torch.testing.assert_close(compiled(z, context), want)
    assert [n for n in graphs[0].graph.nodes if "sweep" in str(n.target)]
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="aot_eager")(z, context), want)
    rows = torch.export.Dim("rows", min=2, max=1000)
    program = torch.export.export(model, (z[:4], context[:4]), dynamic_shapes=({0: rows}, {0: rows})).module()
    assert not any("fluvial" in str(n.target) for n in program.graph.nodes)  # it runs without fluvial
    torch.testing.assert_close(program(z, context), want)


@torch.no_grad()
def test_the_operator_is_as_torch_expects_it(monkeypatch: pytest.MonkeyPatch):
    seen, operator = list[tuple](), torch.ops.fluvial.sweep.default
    transform, (z, context) = build(RQSpline(), 3, 2), noise(4, 3, 2)
    with monkeypatch.context() as patch:
        patch.setattr(torch.ops.fluvial, "sweep", lambda *args: seen.append(args) or operator(*args))
        patch.setattr(torch.compiler, "is_compiling", lambda: True)
        transform.inverse(z, context)
    torch.library.opcheck(operator, seen[0])
