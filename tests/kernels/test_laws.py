"""The compiled laws of columns equal the torch source: values, gradients, extremes, layouts, threads, derivatives."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch
from kernels.rounding import inside, rooms
from torch import Tensor
from transforms.test_laws import LAWS, some

from fluvial.kernels import native
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law, Reading
from fluvial.transforms.laws import Laws

pytestmark = pytest.mark.skipif(not native.active(), reason=native.status())


@pytest.fixture(params=native.instruction_sets())
def instructions(request: pytest.FixtureRequest):
    with native.restricted_to(request.param):
        yield request.param


def case(rows: int, components: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Laws, Reading, Tensor]:
    g = torch.Generator().manual_seed(seed)
    laws = Laws(list(LAWS.values()), components).to(dtype)
    cells = torch.stack([c[torch.randint(len(c), (rows,), generator=g)] for c in map(some, LAWS.values())], 1)
    theta = 1.5 * torch.randn(rows, sum(laws.sizes), generator=g, dtype=torch.float64).to(dtype)
    return laws, laws.read(cells.squeeze(2)), theta


def values_and_gradients(laws: Laws, reading: Reading, theta: Tensor, compiled: bool) -> list[Tensor]:
    theta = theta.clone().requires_grad_()
    with nullcontext() if compiled else native.torch_only():
        log_p = laws.log_prob(reading, theta)
    g = torch.Generator().manual_seed(7)
    weights = torch.randn(log_p.shape, generator=g, dtype=torch.float64).to(log_p.dtype)
    return [log_p.detach(), *torch.autograd.grad(log_p, theta, weights)]


def matches(laws: Laws, reading: Reading, theta: Tensor) -> bool:
    """Whether values and gradients are as near to float64's as rounding of theta and of the cells' edges allows."""
    exact = reading.to(torch.float64)

    def reference(theta: Tensor, low: Tensor, high: Tensor, log_width: Tensor) -> list[Tensor]:
        return values_and_gradients(laws, exact._replace(low=low, high=high, width=log_width.exp()), theta, False)

    inputs = (theta.double(), exact.low, exact.high, exact.width.log())
    got = values_and_gradients(laws, reading, theta, True)
    return all(map(inside, got, rooms(reference, inputs, theta.dtype))) and {t.dtype for t in got} == {theta.dtype}


@pytest.mark.parametrize("components", [1, 3, 12])
@pytest.mark.parametrize("rows", [1, 5, 33])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_each_instruction_set_equals_the_torch_source(
    instructions: str, components: int, rows: int, dtype: torch.dtype
):
    assert matches(*case(rows, components, dtype))


def mixture(gridded: bool) -> tuple[Laws, Reading, Tensor]:
    """Three columns whose cells lie anywhere, and are as narrow or wide as cells can be."""
    law = Law((0.0,), missing=True, rest=ColumnMap(step=1.0) if gridded else ColumnMap())
    laws = Laws([law] * 3, components=4).double()
    edges = [0.0, -0.0, 1e-30, -3.0, 40.0, -90.0, 800.0, -1e4, 1e5, -1e5, 7.5, -7.5]
    widths = [1e-8, 1e-3, 1.0, 1e5] if gridded else [0.0]
    low = torch.tensor([a for a in edges for _ in widths], dtype=torch.float64).unsqueeze(1).repeat(1, 3)
    width = torch.tensor([w for _ in edges for w in widths], dtype=torch.float64).unsqueeze(1).expand(-1, 3)
    atom = torch.tensor([-1, 0, -1]).expand(low.shape)
    reading = Reading(low + 5, atom, low, low, low + width, width if gridded else width + 1, torch.zeros_like(low))
    g = torch.Generator().manual_seed(3)
    return laws, reading, torch.randn(len(low), sum(laws.sizes), generator=g, dtype=torch.float64)


@pytest.mark.parametrize("gridded", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [-20.0, 0.0, 20.0])
def test_far_narrow_and_wide_cells(instructions: str, gridded: bool, dtype: torch.dtype, scale: float):
    laws, reading, theta = mixture(gridded)
    theta[:, -4:] = scale
    laws, reading, theta = laws.to(dtype), reading.to(dtype), theta.to(dtype)
    assert all(t.isfinite().all() for t in values_and_gradients(laws, reading, theta, True))
    assert matches(laws, reading, theta)


def test_logits_that_bar_an_atom_or_a_component(instructions: str):
    laws, reading, theta = mixture(True)
    size = laws.sizes[0]
    theta[:, 1] = -math.inf  # a missing cell, which there is none of
    theta[:, size] = -math.inf  # the atom of the second column, whose cells are the atom's
    theta[:, 2 * size + 3 : 2 * size + 5] = -math.inf  # two components of the third
    for a, b in zip(*(values_and_gradients(laws, reading, theta, compiled) for compiled in (True, False))):
        assert a.isfinite().all()
        torch.testing.assert_close(a, torch.where(b.isnan(), a, b))  # torch's derivative of -inf is NaN
    assert (values_and_gradients(laws, reading, theta, True)[1][:, size] == 0).all()


def test_what_no_law_allows_is_minus_infinity_with_finite_gradients(instructions: str):
    laws = Laws([LAWS["labels"], LAWS["spike"], LAWS["plain"]], components=3).double()
    impossible = [[7.0, 1.0, 0.0], [0.0, -3.0, 0.0], [0.0, 1.0, math.nan], [0.0, 1.0, 1e300]]
    rows = torch.tensor(impossible, dtype=torch.float64)
    theta = torch.randn(4, sum(laws.sizes), generator=torch.Generator().manual_seed(0)).double()
    got, gradient = values_and_gradients(laws, laws.read(rows), theta, True)
    torch.testing.assert_close(got, values_and_gradients(laws, laws.read(rows), theta, False)[0])
    assert gradient.isfinite().all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_theta_that_is_no_number_is_not_hidden(instructions: str, value: float):
    laws, reading, theta = mixture(True)
    for k in range(laws.sizes[0]):
        bad = theta.clone()
        bad[1, k] = value
        got, want = (values_and_gradients(laws, reading, bad, compiled)[0] for compiled in (True, False))
        assert torch.equal(got.isnan(), want.isnan())
        assert not got[2:].isnan().any()


def test_threads_and_layouts_change_nothing():
    laws, reading, theta = case(700, 5)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(values_and_gradients(laws, reading, theta, True))
    finally:
        torch.set_num_threads(before)
    turned = Reading(*(t.t().contiguous().t() for t in reading))
    for other in (theta.t().contiguous().t(), torch.cat((theta, theta), 1)[:, : theta.shape[1]]):
        results.append(values_and_gradients(laws, turned, other, True))
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


def test_no_rows_and_one_column():
    laws, reading, theta = case(3, 2)
    assert laws.log_prob(Reading(*(t[:0] for t in reading)), theta[:0]).shape == (0, len(LAWS))
    whole = laws.log_prob(reading, theta)
    for i, part in enumerate(theta.split(laws.sizes, 1)):
        one = Reading(*(t[:, i : i + 1] for t in reading))
        assert torch.equal(laws.column(i).log_prob(one, part), whole[:, i : i + 1])


def test_rounded_values_are_raised_first():
    years = (12.0, 24.0, 36.0)
    laws = Laws([Law(years, rest=ColumnMap(step=1.0, scale=12.0), rounded=years), LAWS["plain"]], 3).double()
    g = torch.Generator().manual_seed(0)
    theta = torch.randn(5, sum(laws.sizes), generator=g, dtype=torch.float64)
    reading = laws.read(torch.tensor([[12.0, 1.0], [13.0, 0.5], [24.0, 3.0], [36.0, -1.0], [70.0, 2.0]]))
    assert matches(laws, reading, theta)


def test_first_and_second_derivatives():
    on_grid = Law((1.0,), missing=True, rest=ColumnMap(step=0.5))
    laws = Laws([LAWS["labels"], on_grid, Law((0.0,), rest=ColumnMap()), LAWS["plain"]], 2).double()
    rows = torch.tensor([[1.0, 1.0, 0.0, 2.0], [0.0, 1.5, -0.7, 4.0], [2.0, math.nan, 0.3, 3.0]], dtype=torch.float64)
    reading, g = laws.read(rows), torch.Generator().manual_seed(0)
    theta = torch.randn(3, sum(laws.sizes), generator=g, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: laws.log_prob(reading, t), theta)
    assert torch.autograd.gradgradcheck(lambda t: laws.log_prob(reading, 2 * t), theta)


def test_transformations_take_torch_s_operators():
    laws, reading, theta = case(4, 2)
    want = values_and_gradients(laws, reading, theta, True)
    (gradient,) = torch.func.vjp(lambda t: laws.log_prob(reading, t), theta)[1](torch.ones_like(want[0]))
    theta.requires_grad_()
    torch.testing.assert_close(gradient, torch.autograd.grad(laws.log_prob(reading, theta).sum(), theta)[0])
    with native.torch_only():
        torch.testing.assert_close(laws.log_prob(reading, theta).detach(), want[0])


def test_a_gradient_at_the_cells_takes_torch_s_operators():
    laws, reading, theta = case(4, 2)
    moved = reading._replace(log_det=reading.log_det.clone().requires_grad_())
    (gradient,) = torch.autograd.grad(laws.log_prob(moved, theta).sum(), moved.log_det)
    assert (gradient != 0).any()
