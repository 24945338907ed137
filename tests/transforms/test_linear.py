"""Linear maps: exact under autocast, and a whitening of any rows."""

from __future__ import annotations

import pytest
import torch
import zoo

from fluvial.core import Flow, Normal
from fluvial.core.transform import Transform, sum_event
from fluvial.transforms import LULinear, Standardize, Whiten


def test_a_linear_map_is_not_rounded_under_autocast():
    transform, x = zoo.randomized(LULinear(17)), torch.randn(50, 17)
    want = transform(x)
    with torch.autocast("cpu", torch.bfloat16):
        got = transform(x)
        back = transform.inverse(got[0])[0]
    assert all(map(torch.equal, got, want))
    torch.testing.assert_close(back, x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rows_are_summed_in_float32(dtype: torch.dtype):
    log_det = torch.rand(4, 31, 33).to(dtype)  # a thousand terms; half precision keeps three digits of their sum
    for inside in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            total = sum_event(log_det)
        assert total.dtype == torch.float32
        torch.testing.assert_close(total.double(), log_det.double().sum((1, 2)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", ["constant", "twice", "few", "one"])
@pytest.mark.parametrize("c", [0, 2])
def test_rows_that_fill_fewer_dimensions_than_they_have_are_whitened(case: str, c: int):
    torch.manual_seed(0)
    x = torch.randn(40, 4)
    if case == "constant":
        x[:, 1] = 7.0
    elif case == "twice":
        x[:, 3] = x[:, 0]
    else:
        x = x[: {"few": 3, "one": 1}[case]]
    context = torch.randn(len(x), c) if c else None
    flow = Flow(Whiten(4, c), Normal((4,)), (4,), (c,) if c else None)
    flow.initialize(x, context)
    with torch.no_grad():
        assert torch.isfinite(flow.log_prob(x, context)).all()
        assert torch.isfinite(flow.sample(len(x), context)).all()


@pytest.mark.parametrize("transform", [Standardize(torch.zeros(2), torch.full((2,), 3.0)), Whiten(2)])
def test_whole_numbers_are_not_what_their_noise_is_rounded_to(transform: Transform):
    if isinstance(transform, Whiten):
        transform.set(torch.zeros(2), 3 * torch.eye(2))
    x = torch.tensor([[1, 2]])
    for way in (transform, transform.inverse):
        for whole, real in zip(way(x), way(x.float())):
            torch.testing.assert_close(whole, real)
