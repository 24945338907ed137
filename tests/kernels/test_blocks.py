"""Products that skip a mask's zero blocks equal the dense ones, forward and backward, for any mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fluvial.conditioners import MaskedMLP
from fluvial.kernels.blocks import blocks_of, linear


def staircase(rows: int, columns: int, degrees: int) -> Tensor:
    steps = [1 + torch.arange(width) * degrees // width for width in (rows, columns)]
    return (steps[0][:, None] >= steps[1]).float()


def operands(mask: Tensor, batch: int = 140, seed: int = 0) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = [(batch, mask.shape[1]), tuple(mask.shape), (mask.shape[0],)]
    return [torch.randn(shape, generator=g, dtype=torch.float64).requires_grad_() for shape in shapes]


@given(rows=st.integers(128, 300), columns=st.integers(128, 300), degrees=st.integers(1, 400), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_any_staircase(rows: int, columns: int, degrees: int, seed: int):
    mask = staircase(rows, columns, degrees).double()
    x, weight, bias = operands(mask, seed=seed)
    got, want = linear(x, weight, bias, mask, blocks_of(mask)), F.linear(x, weight * mask, bias)
    torch.testing.assert_close(got, want)
    g = torch.randn(got.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    pairs = (torch.autograd.grad(y, (x, weight, bias), g) for y in (got, want))
    for a, b in zip(*pairs):
        torch.testing.assert_close(a, b)
    with torch.no_grad():
        torch.testing.assert_close(linear(x, weight, bias, mask, blocks_of(mask)), want)


def test_blocks_skip_what_a_staircase_leaves_empty():
    blocks = blocks_of(staircase(256, 256, 62))
    read = sum((b.stop - b.start) * b.reads for b in blocks)
    assert read < 0.7 * 256 * 256
    assert blocks_of(staircase(64, 256, 62)) == ()  # too narrow to gain
    shuffled = staircase(256, 256, 62)[torch.randperm(256, generator=torch.Generator().manual_seed(0))]
    assert blocks_of(shuffled) == ()  # degrees that are not sorted


@pytest.mark.parametrize("options", [{}, {"drawn": 0}, {"residual": True}, {"order": list(range(9))[::-1]}])
def test_networks_read_as_with_dense_products(options: dict):
    torch.manual_seed(0)
    net = MaskedMLP(9, 2, (160, 160), **options).double()
    x = torch.randn(200, 9, dtype=torch.float64)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.1)
    want = torch.cat([net(row) for row in x.split(100)])  # too few rows for blocks
    torch.testing.assert_close(net(x), want)


def test_second_derivatives_and_transformations():
    mask = staircase(128, 128, 20).double()
    x, weight, bias = operands(mask, batch=128)

    def loss(x: Tensor) -> Tensor:
        return linear(x, weight, bias, mask, blocks_of(mask)).pow(3).sum()

    def dense(x: Tensor) -> Tensor:
        return F.linear(x, weight * mask, bias).pow(3).sum()

    twice = [
        torch.autograd.grad(torch.autograd.grad(f(x), x, create_graph=True)[0].square().sum(), (x, weight, bias))
        for f in (loss, dense)
    ]
    for a, b in zip(*twice):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(torch.func.grad(loss)(x.detach()), torch.func.grad(dense)(x.detach()))
