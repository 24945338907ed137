"""The compiled generation of WaveNet equals the queues in torch, and so the parallel pass: theta, values, log P."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.rounding import inside, rooms
from torch import Tensor
from zoo import randomized

from fluvial.conditioners import WaveNet
from fluvial.kernels import native
from fluvial.transforms import Autoregressive
from fluvial.univariate import Categorical, DiscretizedLogistics, Tempered

pytestmark = pytest.mark.skipif(not native.active(), reason=native.status())

SMALL = {"stacks": 2, "layers": 3, "channels": 6, "gates": 5, "skips": 19}
GIVEN = {"plain": (0, 0), "global": (3, 0), "local": (3, 1), "upsampled": (3, 4)}
KINDS = {
    "classes": (Categorical(5), {"classes": 5}),
    "wide": (Categorical(300), {"classes": 300, "kernel": 3, "first": 3}),
    "rest": (Categorical(3), {"classes": 3, "rest": (2, 1)}),
    "logistics": (DiscretizedLogistics(50, 3), {"centre": 24.5, "spread": 24.5}),
    "many-logistics": (DiscretizedLogistics(65536, 10, -16.0), {"centre": 32767.5, "spread": 32767.5, "rest": (2,)}),
    "tempered": (Tempered(Categorical(5), 0.6), {"classes": 5}),
    "tempered-logistics": (Tempered(DiscretizedLogistics(50, 3), 1.7), {"centre": 24.5, "spread": 24.5}),
}


@pytest.fixture(params=native.instruction_sets())
def instructions(request: pytest.FixtureRequest):
    with native.restricted_to(request.param):
        yield request.param


def build(kind: str, given: str = "plain", **options: object) -> Autoregressive:
    torch.manual_seed(0)
    (univariate, own), (context, upsample) = KINDS[kind], GIVEN[given]
    net = WaveNet(univariate.size, context=context, upsample=upsample, **{**SMALL, **own, **options})
    return Autoregressive(randomized(net).double(), univariate)


def noise(transform: Autoregressive, rows: int, steps: int, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    g, net = torch.Generator().manual_seed(seed), transform.conditioner
    z = torch.rand((rows, steps, *net.rest), generator=g, dtype=torch.float64)
    if net.given is None:
        return z, None
    shape = (rows, -(-steps // net.upsample), 3) if net.upsample else (rows, 3)
    return z, torch.randn(shape, generator=g, dtype=torch.float64)


def walked(transform: Autoregressive, z: Tensor, context: Tensor | None, known: Tensor | None = None):
    x, log_det = zip(*transform.walk(z, context, known))
    return torch.stack(x, 1), torch.stack(log_det, 1)


def equal(got: tuple[Tensor, Tensor], want: tuple[Tensor, Tensor], tolerance: float = 1e-12) -> None:
    assert got[0].dtype == want[0].dtype
    assert torch.equal(got[0], want[0])
    assert got[1].shape == want[1].shape
    assert ((got[1] - want[1]).abs() <= tolerance * (1 + want[1].abs())).all()


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_draws_equal_those_of_torch(instructions: str, kind: str, given: str):
    transform = build(kind, given)
    z, context = noise(transform, 7, 21)
    with native.torch_only():
        want = walked(transform, z, context)
        scored = -transform.forward(want[0], context)[1]
    equal(walked(transform, z, context), want)
    x, log_det = transform.inverse(z, context)  # all moments in one call
    equal((x, log_det), (want[0], want[1].sum(1)))
    torch.testing.assert_close(log_det, scored, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_what_is_known_is_kept(kind: str):
    transform = build(kind, "upsampled")
    z, context = noise(transform, 3, 14)
    known = transform.inverse(noise(transform, 3, 14, seed=1)[0], context)[0][:, :9]
    known[0, 2:5], known[1, 8], known[2, 1] = math.nan, math.nan, 1.0
    if transform.conditioner.classes:
        known[2, 3] = 2.5  # no class: of probability 0, and nothing for the first convolution
    with native.torch_only():
        want = walked(transform, z, context, known)
    got = walked(transform, z, context, known)
    assert torch.equal(got[0], want[0])
    torch.testing.assert_close(got[1], want[1], rtol=1e-12, atol=1e-12)


@given(
    rows=st.integers(0, 23),
    steps=st.integers(1, 30),
    channels=st.integers(1, 40),
    gates=st.integers(1, 40),
    skips=st.integers(1, 40),
    layers=st.integers(1, 4),
    kernel=st.integers(2, 4),
    first=st.integers(1, 3),
    kind=st.sampled_from(["classes", "logistics"]),
    given=st.sampled_from(["plain", "global", "upsampled"]),
)
@settings(max_examples=30, deadline=None)
@torch.no_grad()
def test_any_shape(rows: int, steps: int, kind: str, given: str, **options: int):
    transform = build(kind, given, **options)
    z, context = noise(transform, rows, steps)
    with native.torch_only():
        want = walked(transform, z, context)
    equal(walked(transform, z, context), want)
    step = transform.conditioner.stepper(z, context)
    theta = [step(want[0][:, i - 1] if i else None) for i in range(steps)]
    torch.testing.assert_close(
        torch.stack(theta, 2), transform.conditioner(want[0], context), rtol=0, atol=1e-12, check_stride=False
    )


@pytest.mark.parametrize("kind", ["classes", "logistics"])
@torch.no_grad()
def test_float32_is_as_exact_as_rounding_allows(instructions: str, kind: str):
    transform = build(kind, channels=48, gates=40, skips=33).float()
    net, z = transform.conditioner, noise(transform, 33, 60)[0]
    x = transform.inverse(z.float())[0]
    step = net.stepper(x)
    got = torch.stack([step(x[:, i - 1] if i else None) for i in range(60)], 2)
    assert got.dtype == torch.float32
    net.double()
    names, weights = zip(*net.named_parameters())

    def reference(*weights: Tensor) -> list[Tensor]:
        return [torch.func.functional_call(net, dict(zip(names, weights)), (x.double(),))]

    assert all(map(inside, [got], rooms(reference, weights, torch.float32)))


@torch.no_grad()
def test_threads_change_nothing():
    transform = build("classes", "global")
    z, context = noise(transform, 70, 9)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(transform.inverse(z, context))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


def test_gradients_go_through_torch():
    transform = build("classes")
    z, _ = noise(transform, 3, 6)
    transform.inverse(z)[1].sum().backward()
    assert all(p.grad is not None for p in transform.parameters())


@torch.no_grad()
def test_extreme_theta_and_noise():
    """Barred classes are never drawn, and what is not a number stays in its stream."""
    transform = build("classes")
    net = transform.conditioner
    net.last.bias[:] = torch.tensor([-math.inf, 900.0, 899.0, -900.0, -math.inf])
    z = torch.tensor([0.0, 1.0, 1 - 1e-16, 0.5, math.nan], dtype=torch.float64)[:, None].expand(-1, 4)
    x, log_det = transform.inverse(z)
    assert ((x[:4] > 0) & (x[:4] < 4)).all()
    assert log_det[:4].isfinite().all()
    for weight in (net.taps, net.mix):
        weight *= 1e30
    theta = net.stepper(x)(None)
    assert theta.isnan().any() or theta[:, 1:4].isfinite().all()
    net.bias[0] = math.nan
    assert net.stepper(x)(None).isnan().all()
