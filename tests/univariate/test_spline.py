"""The rational-quadratic spline beyond the contract: knots, tails, extremes, half precision."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.univariate import RQSpline


def theta(spline: RQSpline, n: int, scale: float, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(n, spline.size, generator=g, dtype=torch.float64)).to(dtype)


@given(bins=st.integers(2, 20), bound=st.floats(0.5, 50), seed=st.integers(0, 10**6), circular=st.booleans())
@settings(max_examples=40, deadline=None)
def test_monotone_smooth_and_onto(bins: int, bound: float, seed: int, circular: bool):
    spline = RQSpline(bins, bound, circular)
    x = torch.linspace(-bound, bound, 2001, dtype=torch.float64)[:-1]
    t = theta(spline, 1, 1.0, seed).expand(len(x), -1)
    z, log_det = spline.forward(x, t)
    assert (z.diff() > 0).all()
    assert abs(z[0] + bound) < 1e-9 * bound
    assert (z <= bound).all()
    # the slope is continuous: its change over a step shrinks with the step (knots included)
    fine = torch.linspace(-bound, bound, 20001, dtype=torch.float64)[:-1]
    slope = spline.forward(fine, t[:1].expand(len(fine), -1))[1].exp()
    assert slope.diff().abs().max() < log_det.exp().diff().abs().max() * 0.6 + 1e-9


def test_identity_outside_and_at_the_borders():
    spline = RQSpline(5, 2.0)
    x = torch.tensor([-1e6, -2.0, 2.0, 7.5, 1e6], dtype=torch.float64)
    z, log_det = spline.forward(x, theta(spline, 5, 2.0, 0))
    torch.testing.assert_close(z, x, rtol=0, atol=1e-12)
    assert log_det.abs().max() < 1e-6  # curvature at the border times rounding


def test_circular_values_wrap_with_one_slope_at_the_seam():
    spline = RQSpline(5, 3.0, circular=True)
    t = theta(spline, 1, 1.0, 1)
    x = torch.tensor([0.4], dtype=torch.float64)
    for a, b in zip(spline.forward(x, t), spline.forward(x + 6.0, t)):
        torch.testing.assert_close(a, b)
    seam = torch.tensor([3.0 - 1e-9, -3.0 + 1e-9], dtype=torch.float64)
    log_det = spline.forward(seam, t.expand(2, -1))[1]
    assert (log_det[0] - log_det[1]).abs() < 1e-6


def test_steep_splines_round_trip_in_float32_and_never_give_nan():
    spline = RQSpline()
    n = 20_000
    x = torch.empty(n).uniform_(-6, 6, generator=torch.Generator().manual_seed(0))
    t = theta(spline, n, 4.0, 0, torch.float32)
    z, log_det = spline.forward(x, t)
    back, back_log_det = spline.inverse(z, t)
    for value in (z, log_det, back, back_log_det):
        assert torch.isfinite(value).all()
    # an inverse is as good as its slope allows: errors of z, a few ulps, grow by dx/dz
    allowed = 1e-5 + 4e-6 * torch.exp(-log_det)
    assert ((back - x).abs() <= allowed).float().mean() > 0.999
    assert (
        (spline.forward(back, t)[0] - z).abs() < 1e-5 + 4e-6 * torch.exp(log_det.clamp(min=0))
    ).float().mean() > 0.999


def test_gradients_outside_the_interval_are_finite():
    spline = RQSpline()
    x = torch.tensor([-1e4, -5.0, 5.0, 1e4]).requires_grad_()
    t = theta(spline, 4, 3.0, 2, torch.float32).requires_grad_()
    for direction in (spline.forward, spline.inverse):
        z, log_det = direction(x, t)
        gradients = torch.autograd.grad(z.sum() + log_det.sum(), (x, t))
        assert all(torch.isfinite(g).all() for g in gradients)


def test_half_precision_parameters_are_read_in_float32():
    spline = RQSpline()
    z, log_det = spline.forward(torch.randn(4), theta(spline, 4, 1.0, 0).bfloat16())
    assert z.dtype == log_det.dtype == torch.float32


def test_vmap_over_models():
    spline = RQSpline(4)
    x = torch.randn(3, 7, dtype=torch.float64)
    t = theta(spline, 21, 1.0, 0).reshape(3, 7, spline.size).requires_grad_()
    z, log_det = torch.vmap(spline.forward)(x, t)
    want = [spline.forward(a, b) for a, b in zip(x, t)]
    torch.testing.assert_close(z, torch.stack([w[0] for w in want]))
    torch.testing.assert_close(log_det, torch.stack([w[1] for w in want]))
