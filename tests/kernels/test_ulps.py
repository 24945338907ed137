"""How exact the kernels are in float32: bounds in units of the last place (ulps), eps = 2^-23, against float64.

These are the bounds that docs/performance.md states.
"""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from zoo import randomized

from fluvial.conditioners import MaskedMLP, WaveNet
from fluvial.kernels import native, spline, sweep
from fluvial.kernels.maps import Map
from fluvial.transforms import Autoregressive
from fluvial.univariate import Affine, ExpScale, Shift, SigmoidScale, TanhScale
from fluvial.univariate.affine import Scale

pytestmark = pytest.mark.skipif(not native.active(), reason=native.status())

EPS = 2.0**-23
SPLINE, ELEMENTARY, GATE = 8, 4, 2  # ulps


@pytest.fixture(params=native.instruction_sets(), autouse=True)
def instructions(request: pytest.FixtureRequest):
    with native.restricted_to(request.param):
        yield request.param


def drawn(shape: tuple[int, ...], most: float, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(shape, generator=g) - 1) * most


def ranges(points: list[Tensor]) -> tuple[Tensor, Tensor]:
    stacked = torch.stack(points)
    return stacked.amin(0), stacked.amax(0)


@given(
    inverse=st.booleans(),
    rows=st.integers(1, 40),
    events=st.integers(1, 20),
    bins=st.sampled_from([2, 3, 8, 13]),
    most=st.floats(0.0, 4.0),
    bound=st.floats(0.5, 8.0, width=32),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=20, deadline=None)
def test_the_spline(inverse: bool, rows: int, events: int, bins: int, most: float, bound: float, seed: int):
    """The result is that of the exact spline near x: both x and y within 8 ulps of the bound.

    The log-det is the exact one near there, give or take 8 ulps of itself or of 1, and how much it changes there.
    """
    theta, x = drawn((rows, 3 * bins - 1, events), most, seed), drawn((rows, events), 1.2 * bound, seed + 1)
    x[0, 0] = bound
    y, log_det = (spline.inverse if inverse else spline.forward)(x, theta, bins, bound)
    exact, near = theta.double(), SPLINE * EPS * bound
    around = [x.double() + near * step for step in (-1, -0.5, 0, 0.5, 1)]
    values = [(spline.inverse if inverse else spline.forward)(a, exact, bins, bound) for a in around]
    low, high = ranges([v[0] for v in values])
    assert ((y >= low - near) & (y <= high + near)).all()
    if inverse:  # the log-det is that of the x which is returned
        inner = [low - near + (high - low + 2 * near) * step for step in (0, 0.25, 0.5, 0.75, 1)]
        slopes = [-spline.forward(a, exact, bins, bound)[1] for a in inner]
    else:
        slopes = [v[1] for v in values]
    low, high = ranges(slopes)
    # at a knot its own piece may go on for some ulps, so that it changes the other way
    room = SPLINE * EPS * (1 + torch.maximum(low.abs(), high.abs())) + (high - low)
    assert ((log_det >= low - room) & (log_det <= high + room)).all()


def slopes_of(univariate: Map, raw: Tensor) -> tuple[Tensor, Tensor]:
    """x and the log-det of each position for z = 1 and t = 0: the map's scale rule, and nothing else."""
    n = len(raw)
    layout = sweep.Layout(torch.arange(n, dtype=torch.int32), torch.ones(1, n + 1, dtype=torch.int32), True)
    net = sweep.Net(
        [torch.zeros(1, n)],
        [torch.zeros(1)],
        torch.zeros(2, n, 1),
        torch.stack((torch.zeros(n), raw)),
        None,
        layout,
        0,
        False,
        "numbers",
        1,
    )
    x, _, kept = sweep.invert(net, univariate, torch.ones(1, n), keep=True)
    assert kept is not None
    return x[0], kept[-n:, 0]


def ulps(got: Tensor, want: Tensor) -> float:
    """The largest distance in ulps of ``want``, down to the smallest normal number."""
    size = torch.maximum(want.abs(), torch.tensor(2.0**-126, dtype=torch.float64))
    return float(((got.double() - want).abs() / torch.exp2(size.log2().floor() - 23)).max())


@given(st.lists(st.floats(-86, 84, width=32), min_size=1, max_size=40))
@example([0.0, -0.0, 1e-42, -1e-30, 84.0, -86.0])
@settings(max_examples=40, deadline=None)
def test_elementary_functions(values: list[float]):
    """exp, softplus and tanh, by the scale rules of affine maps: within 4 ulps."""
    raw = torch.tensor(values)
    exact = raw.double()
    assert ulps(slopes_of(Map("exp"), raw)[0], exact.exp()) <= ELEMENTARY
    assert ulps(slopes_of(Map("tanh", 1.0), raw)[1], exact.tanh()) <= ELEMENTARY
    shifted = (raw + 2.0).double()  # as float32 has it
    softplus = torch.where(shifted > 30, (-shifted).exp(), torch.nn.functional.softplus(-shifted, threshold=800))
    assert ulps(slopes_of(Map("sigmoid"), raw)[1], softplus) <= ELEMENTARY


@given(
    rows=st.integers(1, 40),
    d=st.integers(1, 30),
    width=st.integers(1, 40),
    scale=st.floats(0.1, 3.0),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=20, deadline=None)
def test_the_sweeps_network(rows: int, d: int, width: int, scale: float, seed: int):
    """theta is within n + 3 ulps of the sum of its terms' sizes, n terms, as any order of summing guarantees."""
    torch.manual_seed(seed)
    transform = Autoregressive(randomized(MaskedMLP(d, 1, (width,)), scale=scale), Shift())
    z = drawn((rows, d), 3.0, seed)
    with torch.no_grad():
        x = transform.inverse(z)[0]
        net = transform.double().conditioner
        theta = net(x.double())[:, 0]  # given what the kernel knew at each position
        hidden, *_ = net.layers
        weight, last = (layer.weight * layer.mask for layer in (hidden, net.last))
        sizes = x.double().abs() @ weight.abs().t() + hidden.bias.abs()
        theirs = (d + 3) * EPS * sizes
        h = (x.double() @ weight.t() + hidden.bias).relu()
        room = (width + d + 6) * EPS * (h @ last.abs().t() + net.last.bias.abs() + z.abs()) + theirs @ last.abs().t()
        if net.direct is not None:
            across = net.direct.weight * net.direct.mask
            room += (width + d + 6) * EPS * (x.double().abs() @ across.abs().t() + net.direct.bias.abs())
    assert ((x - (z + theta)).abs() <= room + EPS * x.abs()).all()


@given(
    u=st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=20),
    v=st.floats(-1000, 1000, width=32),
)
@example([0.0, 1e-30, -1e-3, 1000.0, math.inf, -math.inf], math.inf)
@settings(max_examples=40, deadline=None)
def test_wavenets_gate(u: list[float], v: float):
    """tanh(u / 2) sigmoid(v) within 2 ulps of 1; its sums are held to torch's own error in test_wavenet.py."""
    n = len(u)
    net = WaveNet(2 * n, stacks=1, layers=1, channels=1, gates=n, skips=2 * n)
    net.requires_grad_(False)
    for parameter in net.parameters():
        parameter.zero_()
    net.bias[0] = torch.cat((torch.tensor(u), torch.full((n,), v)))
    net.skip.weight[:n], net.skip.weight[n:] = torch.eye(n), -torch.eye(n)  # products with 0, 1 and -1 are exact
    net.hidden.weight[:], net.last.weight[:] = torch.eye(2 * n), torch.eye(2 * n)
    positive, negative = net.stepper(torch.zeros(1, 1))(None)[0].chunk(2)
    want = torch.tanh(torch.tensor(u).double() / 2) * torch.sigmoid(torch.tensor(v).double())
    assert (positive - negative - want).abs().max() <= GATE * EPS


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1)])
def test_no_rows_no_columns_and_one_of_each(shape: tuple[int, int]):
    x, theta = torch.zeros(shape), torch.zeros(shape[0], 23, shape[1])
    for direction in (spline.forward, spline.inverse):
        y, log_det = direction(x, theta, 8, 5.0)
        assert y.shape == log_det.shape == shape
        assert y.abs().sum() <= SPLINE * EPS * 5.0
        assert log_det.abs().sum() <= SPLINE * EPS


@given(
    rule=st.sampled_from([ExpScale(), TanhScale(3.0), TanhScale(0.7), SigmoidScale()]),
    rows=st.integers(1, 9),
    events=st.integers(1, 70),
    inverse=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_the_affine_map(rule: Scale, rows: int, events: int, inverse: bool, seed: int):
    """z within 6 + 3 |s| ulps of its terms, s within 4 ulps (of raw + 2 as float32 has it, for the sigmoid)."""
    x, theta = drawn((rows, events), 9.0, seed), drawn((rows, 2, events), 6.0, seed + 1)
    univariate = Affine(rule)
    move = univariate.inverse if inverse else univariate.forward
    z, log_det = move(x, theta)
    t, raw = theta.double().unbind(1)
    if isinstance(rule, SigmoidScale):
        raw = (theta[:, 1] + 2.0).double() - 2.0
    s = rule(raw)
    assert ulps(log_det.abs(), s.abs()) <= ELEMENTARY
    x = x.double()
    want = x * s.exp() + t if inverse else (x - t) * (-s).exp()
    sizes = x.abs() * s.exp() + t.abs() if inverse else want.abs()
    assert ((z - want).abs() <= (6 + 3 * s.abs()) * EPS * sizes).all()
    exact = move(x, theta.double())
    with native.torch_only():
        for got, right in zip(exact, move(x, theta.double())):
            assert ((got - right).abs() <= 1e-12 * (1 + right.abs())).all()


@pytest.mark.parametrize("rule", [ExpScale(), TanhScale(3.0), TanhScale(0.7), SigmoidScale()], ids=str)
def test_the_scales_on_a_fine_grid(rule: Scale):
    raw = torch.linspace(-30, 30, 600_001)
    log_det = Affine(rule).forward(torch.zeros(1, len(raw)), torch.stack((torch.zeros_like(raw), raw))[None])[1]
    exactly = (raw + 2.0).double() - 2.0 if isinstance(rule, SigmoidScale) else raw.double()
    assert ulps(log_det[0].abs(), rule(exactly).abs()) <= ELEMENTARY


def test_affine_maps_of_any_layout_and_with_gradients_are_the_same():
    x, theta = drawn((5, 4, 3), 2.0, 0).double(), drawn((5, 2, 4, 3), 2.0, 1).double()
    with native.torch_only():
        want = Affine().forward(x, theta)
    turned = (t.transpose(-1, -2).contiguous().transpose(-1, -2) for t in (x, theta))
    strided = torch.stack((theta, theta), 1).flatten(0, 1)[::2]
    for got in (Affine().forward(*turned), Affine().forward(x, strided), Affine().forward(x, theta.requires_grad_())):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(theta.detach(), torch.ones_like(theta))
        assert torch.autograd.forward_ad.unpack_dual(Affine().forward(x, dual)[0]).tangent is not None
