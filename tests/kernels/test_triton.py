"""The Triton kernels against the torch source: on CUDA, or else in Triton's interpreter, where that is installed."""

import os

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
pytest.importorskip("triton", reason="Triton comes with torch for CUDA")

from zoo import randomized

from fluvial.conditioners import MaskedMLP
from fluvial.conditioners.sweeping import _prepare, _wrapped
from fluvial.kernels import spline_torch, spline_triton, sweep_triton
from fluvial.transforms import Autoregressive
from fluvial.univariate import Affine, ExpScale, Gate, RQSpline, Shift, SigmoidScale, TanhScale
from fluvial.univariate.compiled import compiled

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
KINDS = {False: spline_torch.Spline, True: spline_torch.InverseSpline}


def drawn(rows, events, bins, circular, dtype, seed=0, scale=2.0):
    g = torch.Generator().manual_seed(seed)
    x = 3.0 * torch.randn(rows, *events, generator=g, dtype=torch.float64)
    theta = scale * torch.randn(rows, 3 * bins - (0 if circular else 1), *events, generator=g, dtype=torch.float64)
    return x.to(DEVICE, dtype), theta.to(DEVICE, dtype)


def both(x, theta, bins, bound, inverse):
    """Results and gradients of the torch source and of the kernel."""
    want_in = [t.clone().requires_grad_() for t in (x, theta)]
    y, log_det = KINDS[inverse].apply(*want_in, bins, bound)[:2]
    g = torch.Generator().manual_seed(9)
    g_y, g_l = (torch.randn(x.shape, generator=g, dtype=torch.float64).to(x) for _ in range(2))
    want = (y, log_det, *torch.autograd.grad((y, log_det), want_in, (g_y, g_l)))
    out = spline_triton.run(x, theta, bins, bound, inverse)
    got = (*out, *spline_triton.vjp(x, theta, *out, g_y, g_l, bins, bound, inverse))
    return want, got


# the interpreter is slow, and so is compiling
@settings(max_examples=8 if DEVICE == "cpu" else 4, deadline=None, phases=[Phase.generate])
@given(
    rows=st.integers(1, 9),
    events=st.sampled_from([(1,), (5,), (63,), (2, 3)]),
    bins=st.integers(2, 9),
    bound=st.sampled_from([1.0, 3.0, 2.3, 5.0]),
    circular=st.booleans(),
    inverse=st.booleans(),
    seed=st.integers(0, 100),
)
def test_it_equals_the_torch_source_in_float64(rows, events, bins, bound, circular, inverse, seed):
    x, theta = drawn(rows, events, bins, circular, torch.float64, seed)
    if circular:
        x = (x + bound) % (2 * bound) - bound
    for want, got in zip(*both(x, theta, bins, bound, inverse)):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("inverse", [False, True])
def test_in_float32_it_is_as_exact_as_the_torch_source(inverse):
    x, theta = drawn(40, (7,), 8, False, torch.float32)
    exact = both(x.double(), theta.double(), 8, 5.0, inverse)[0]
    for truth, want, got in zip(exact, *both(x, theta, 8, 5.0, inverse)):
        # Triton's exponential of float32 is two units off, torch's one
        assert (got - truth).abs().max() < 10 * (want - truth).abs().max() + 1e-5


@pytest.mark.parametrize("inverse", [False, True])
def test_extreme_values(inverse):
    x = torch.tensor([[5.0, -5.0, 1e30, -1e30, 0.0, float("nan"), 1e-42, 5.0000005]], device=DEVICE)
    theta = 30.0 * torch.randn(1, 23, 8, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    exact = both(x.double(), theta.double(), 8, 5.0, inverse)[0]
    want, got = both(x, theta, 8, 5.0, inverse)
    for truth, a, b in zip(exact[:2], want[:2], got[:2]):
        assert torch.equal(a.isnan(), b.isnan())
        assert (b - truth).abs().nan_to_num().max() < 10 * (a - truth).abs().nan_to_num().max() + 1e-3
    assert torch.equal(torch.isfinite(got[3]), torch.isfinite(want[3]))


def test_rows_need_not_touch():
    x, theta = drawn(6, (5,), 4, False, torch.float64)
    wide = torch.zeros(6, 20, 5, dtype=torch.float64, device=DEVICE)
    wide[:, :11] = theta
    for want, got in zip(spline_triton.run(x, theta, 4, 5.0, False), spline_triton.run(x, wide[:, :11], 4, 5.0, False)):
        assert torch.equal(want, got)


SWEPT = {
    "shift": (Shift(), {}),
    "exp": (Affine(ExpScale()), {"activation": "tanh"}),
    "tanh": (Affine(TanhScale(0.7)), {"order": (2, 0, 4, 1, 3), "activation": "elu"}),
    "sigmoid": (Affine(SigmoidScale()), {"hidden": (2, 3), "activation": "silu"}),
    "gate": (Gate(), {"context": 2}),
    "drawn": (Affine(), {"hidden": (9,), "drawn": 1}),
    "spline": (RQSpline(), {"context": 2}),
    "small": (RQSpline(2, 2.3), {"order": (2, 0, 4, 1, 3)}),
    "circular": (RQSpline(5, 1.5, circular=True), {"hidden": (3, 20)}),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SWEPT)
def test_the_sweep_equals_the_walk(name, dtype):
    univariate, options = SWEPT[name]
    net = MaskedMLP(5, univariate.size, **{"hidden": (12, 10), **options})
    transform = Autoregressive(randomized(net), univariate).to(DEVICE, dtype).eval()
    g = torch.Generator().manual_seed(3)
    z, context = 2 * torch.randn(7, 5, generator=g).to(DEVICE, dtype), torch.randn(7, 2, generator=g).to(DEVICE, dtype)
    context = context if net.context else None
    with torch.no_grad():
        want = transform._walked(z, context)
        prepared, kind = _prepare(net, context), compiled(univariate)
        assert sweep_triton.knows(kind, prepared)
        got = sweep_triton.invert(prepared, kind, _wrapped(net, kind, z))
        apart = sweep_triton.invert(prepared, kind, _wrapped(net, kind, z).t().contiguous().t())
        assert torch.equal(apart[0], got[0])
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    for a, b in zip(want, got):
        torch.testing.assert_close(b, a, rtol=tolerance, atol=tolerance)
