"""The compiled spline equals the torch source: values, gradients, extremes, layouts, threads, transformations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels.rounding import ULPS, Room, inside, rooms
from torch import Tensor

from fluvial.kernels import native, spline, spline_torch
from fluvial.univariate import RQSpline

pytestmark = pytest.mark.skipif(not native.active(), reason=native.status())

Case = tuple[Tensor, Tensor, int, float]


def case(
    rows: int, events: tuple[int, ...], bins: int, circular: bool = False, seed: int = 0, scale: float = 1.0
) -> Case:
    g = torch.Generator().manual_seed(seed)
    x = 2.5 * torch.randn(rows, *events, generator=g, dtype=torch.float64)
    size = 3 * bins - (not circular)
    return x, scale * torch.randn(rows, size, *events, generator=g, dtype=torch.float64), bins, 4.0


def values_and_gradients(module, inverse: bool, x: Tensor, theta: Tensor, bins: int, bound: float) -> list[Tensor]:
    x, theta = x.clone().requires_grad_(), theta.clone().requires_grad_()
    y, log_det = (module.inverse if inverse else module.forward)(x, theta, bins, bound)
    g = torch.Generator().manual_seed(7)
    grads = [torch.randn(y.shape, generator=g, dtype=torch.float64).to(y.dtype) for _ in range(2)]
    return [y.detach(), log_det.detach(), *torch.autograd.grad((y, log_det), (x, theta), grads)]


def spline_rooms(
    inverse: bool, x: Tensor, theta: Tensor, bins: int, bound: float, dtype: torch.dtype = torch.float64
) -> list[Room]:
    """The room of each of :func:`values_and_gradients`."""

    def reference(x: Tensor, theta: Tensor, shift: Tensor) -> list[Tensor]:
        if inverse:  # the log-det and the gradients are those at the x which is returned, itself rounded
            solved = spline_torch.inverse(x, theta, bins, bound)[0] + shift
            x = spline_torch.forward(solved, theta, bins, bound)[0]
        return values_and_gradients(spline_torch, inverse, x, theta, bins, bound)

    x, theta = x.double(), theta.double()
    *others, of_x, of_theta = rooms(reference, (x, theta, torch.zeros_like(x)), dtype)
    # sums that cancel: their terms are the gradient at x times the interval, whatever is left of them
    terms = 2 * bound * (of_x.most + ULPS * torch.finfo(dtype).eps * of_x.want.abs()).unsqueeze(1)
    return [*others, of_x, Room(of_theta.want, of_theta.most.amax(1, keepdim=True) + terms)]


@pytest.fixture(params=native.instruction_sets())
def instructions(request: pytest.FixtureRequest):
    with native.restricted_to(request.param):
        yield request.param


@pytest.mark.parametrize("inverse", [False, True])
@example(rows=24, events=[40, 40], bins=40, circular=False, seed=0)
@given(
    rows=st.integers(0, 40),
    events=st.lists(st.integers(1, 40), max_size=2),
    bins=st.integers(2, 40),
    circular=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_torch_source_in_float64(
    inverse: bool, rows: int, events: list[int], bins: int, circular: bool, seed: int
):
    one = case(rows, tuple(events), bins, circular, seed, 0.7)
    assert all(map(inside, values_and_gradients(spline, inverse, *one), spline_rooms(inverse, *one)))


@pytest.mark.parametrize("bins", [2, 5, 8, 30])
@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("inverse", [False, True])
def test_each_instruction_set_equals_the_torch_source(instructions: str, bins: int, circular: bool, inverse: bool):
    for events in (1, 6, 17, 63):
        one = case(37, (events,), bins, circular, scale=1.5)
        assert all(map(inside, values_and_gradients(spline, inverse, *one), spline_rooms(inverse, *one)))


@pytest.mark.parametrize("inverse", [False, True])
def test_float32_is_as_exact_as_rounding_allows(instructions: str, inverse: bool):
    x, theta, bins, bound = case(100, (63,), 8, scale=1.5)
    x, theta = x.float(), theta.float()
    got = values_and_gradients(spline, inverse, x, theta, bins, bound)
    assert {t.dtype for t in got} == {torch.float32}
    assert all(map(inside, got, spline_rooms(inverse, x, theta, bins, bound, torch.float32)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("inverse", [False, True])
def test_extreme_inputs(instructions: str, dtype: torch.dtype, inverse: bool):
    special = [0.0, -0.0, 4.0, -4.0, 4.0 + 1e-5, 1e30, -1e30, torch.inf, -torch.inf, torch.nan, 1e-42, 3.999999]
    x = torch.tensor(special, dtype=dtype).expand(7, -1).contiguous()
    theta = case(7, (len(special),), 8)[1].to(dtype)
    theta[1] = 0.0
    theta[2] = 30.0 * theta[2]
    theta[3, :16] = 7.0  # equal knots
    theta[4, 3] = torch.nan
    theta[5, 16:] = 80.0
    theta[6, 2] = -torch.inf
    got, want = ((m.inverse if inverse else m.forward)(x, theta, 8, 4.0) for m in (spline, spline_torch))
    for a, b in zip(got, want):
        assert torch.equal(a.isnan(), b.isnan())
        rows = [0, 1, 3, 4, 5, 6]  # the third row's bins are too steep for any two orders of rounding
        close = 1e-9 if dtype == torch.float64 else 2e-3  # at the border a log-det is curvature times rounding
        torch.testing.assert_close(a[rows], b[rows], equal_nan=True, rtol=close, atol=close)
        assert not a[[0, 1, 2, 3, 5, 6]][:, :9].isnan().any()


def test_theta_of_any_layout():
    x, theta, bins, bound = case(12, (5, 4), 8)
    want = spline_torch.forward(x, theta, bins, bound)
    turned = theta.transpose(1, 3).contiguous().transpose(1, 3)
    padded = torch.cat((theta, theta), 2)[:, :, : theta.shape[2]]
    strided = torch.stack((theta, theta), 1).flatten(0, 1)[::2]
    for other in (turned, padded, strided):
        assert not other.is_contiguous()
        for a, b in zip(spline.forward(x, other, bins, bound), want):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    back = x.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(spline.forward(back, theta, bins, bound), want, rtol=0, atol=1e-12)
    shared = theta[:1].expand(12, *theta.shape[1:])
    got, want = (values_and_gradients(m, False, x, shared, bins, bound) for m in (spline, spline_torch))
    torch.testing.assert_close(got, want)


def test_threads_change_nothing():
    x, theta, bins, bound = case(3000, (7,), 8)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(values_and_gradients(spline, True, x, theta, bins, bound))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


@pytest.mark.parametrize("circular", [False, True])
def test_first_and_second_derivatives(circular: bool):
    univariate = RQSpline(4, 3.0, circular)
    g = torch.Generator().manual_seed(3)
    x = torch.randn(3, 2, generator=g, dtype=torch.float64).requires_grad_()
    theta = torch.randn(3, univariate.size, 2, generator=g, dtype=torch.float64).requires_grad_()
    for direction in (univariate.forward, univariate.inverse):
        assert torch.autograd.gradcheck(direction, (x, theta))
        assert torch.autograd.gradgradcheck(direction, (x, theta))


def test_torch_func_transformations():
    univariate = RQSpline()
    x, theta, *_ = case(21, (4,), 8)
    x, theta = x.unflatten(0, (3, 7)), theta.unflatten(0, (3, 7))

    def loss(x: Tensor, theta: Tensor) -> Tensor:
        z, log_det = univariate.forward(x, theta)
        return z.square().sum() + log_det.sum()

    gradients = torch.func.grad(loss, (0, 1))
    over_models = torch.vmap(gradients)(x, theta)
    one_by_one = [gradients(a, b) for a, b in zip(x, theta)]
    for i, got in enumerate(over_models):
        torch.testing.assert_close(got, torch.stack([w[i] for w in one_by_one]))
    shared = torch.vmap(gradients, (None, 0))(x[0], theta)[1]
    torch.testing.assert_close(shared[1], gradients(x[0], theta[1])[1])
    with torch.no_grad():
        plain = torch.vmap(univariate.inverse)(x, theta)
    torch.testing.assert_close(plain[0], torch.stack([univariate.inverse(a, b)[0] for a, b in zip(x, theta)]))


def test_an_exported_program_still_trains():
    class Loss(torch.nn.Module):
        def forward(self, x: Tensor, theta: Tensor) -> Tensor:
            return sum(part.sum() for part in RQSpline().forward(x, theta))

    x, theta, *_ = case(6, (4,), 8)
    theta.requires_grad_()
    want = torch.autograd.grad(Loss()(x, theta), theta)[0]
    program = torch.export.export(Loss(), (x, theta.detach())).module()
    assert not any("fluvial" in str(node.target) for node in program.graph.nodes)  # it runs without fluvial
    torch.testing.assert_close(torch.autograd.grad(program(x, theta), theta)[0], want)


def test_a_theta_that_does_not_fit_gets_a_sentence():
    with pytest.raises(ValueError, match="does not fit 8 bins"):
        spline.forward(torch.zeros(2, 3), torch.zeros(2, 9, 3), 8, 5.0)
