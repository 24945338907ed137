"""WaveNet: causal to the last digit, its receptive field as the formula has it, its queues equal to the whole."""

from __future__ import annotations

import math

import contract
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import randomized

from fluvial.conditioners import Conditioner, WaveNet
from fluvial.kernels import gated, native

SMALL = {"channels": 6, "gates": 5, "skips": 8}
KINDS = {
    "numbers": {},
    "classes": {"classes": 5},
    "wide": {"classes": 5, "kernel": 3, "first": 3},
    "rest": {"rest": (2,), "first": 2},
    "rest-classes": {"classes": 5, "rest": (2, 1), "kernel": 4},
}
GIVEN = {"plain": (0, 0), "global": (3, 0), "local": (3, 1), "upsampled": (3, 4)}


def build(kind: str, given: str = "plain", **options: int) -> WaveNet:
    context, upsample = GIVEN[given]
    sizes = {"stacks": 2, "layers": 2, **SMALL, **KINDS[kind], **options}
    return randomized(WaveNet(3, context=context, upsample=upsample, **sizes)).double()  # pyright: ignore


def batch(net: WaveNet, given: str, steps: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 5, (3, steps, *net.rest), generator=generator).double()
    context, upsample = GIVEN[given]
    if not context:
        return x, None
    shape = (3, -(-steps // upsample), context) if upsample else (3, context)
    return x, torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
def test_queues_and_prefixes_equal_the_parallel_pass(kind: str, given: str):
    net = build(kind, given)
    x, context = batch(net, given, 23)
    x[0, 3] = math.nan
    contract.stepper_equals_forward(net, x, context)
    longer = Conditioner.stepper(net, x[:, :2], context)  # it was told of two steps only
    want, previous = net(x, context), None
    for i in range(6):
        assert (longer(previous) - want[:, :, i]).abs().max() < 1e-12
        previous = x[:, i]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
def test_the_last_steps_alone_are_the_same(kind: str, given: str):
    net = build(kind, given)
    x, context = batch(net, given, 31)
    for last in (1, 7, 30, 31):
        torch.testing.assert_close(net(x, context, last), net(x, context)[:, :, 31 - last :], rtol=0, atol=1e-12)


@pytest.mark.parametrize("given", ["plain", "global"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_spelt_out_is_the_same_as_the_start(kind: str, given: str):
    net = build(kind, given)
    x, context = batch(net, given, 12)
    nothing = torch.full((3, 40, *net.rest), -1.0 if net.classes else math.nan, dtype=torch.float64)
    torch.testing.assert_close(net(torch.cat((nothing, x), 1), context)[:, :, 40:], net(x, context), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "reads"),
    [
        ({"stacks": 1, "layers": 4}, 2**4),
        ({"stacks": 1, "layers": 1}, 2),
        ({"stacks": 2, "layers": 3}, 1 + 2 * 7),
        ({"stacks": 2, "layers": 2, "kernel": 3, "first": 4}, 4 + 2 * 2 * 3),
    ],
)
def test_it_reads_the_receptive_field_and_nothing_else(options: dict, reads: int):
    torch.manual_seed(0)  # some weights close every path through the last ReLUs at some step
    net = randomized(WaveNet(2, **{**SMALL, **options})).double()
    assert net.receptive_field == reads
    steps = reads + 6
    x = torch.randn(1, steps, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: net(v).sum((0, 1)), x)[:, 0]  # (output, input)
    for t in range(steps):
        assert (jacobian[t, t:] == 0).all()
        assert (jacobian[t, : max(0, t - reads)] == 0).all()
        assert (jacobian[t, max(0, t - reads) : t] != 0).all()


@given(
    steps=st.integers(1, 40),
    stacks=st.integers(1, 2),
    layers=st.integers(1, 4),
    kernel=st.integers(2, 4),
    first=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=15, deadline=None)
def test_any_size_steps_as_it_scores(steps: int, stacks: int, layers: int, kernel: int, first: int, seed: int):
    net = build("classes", "global", stacks=stacks, layers=layers, kernel=kernel, first=first)
    x, context = batch(net, "global", steps, seed)
    want, step, previous = net(x, context), net.stepper(x, context), None
    with torch.no_grad():
        for i in range(steps):
            assert (step(previous) - want[:, :, i]).abs().max() < 1e-12
            previous = x[:, i]
    cut = min(steps, 1 + seed % steps)
    torch.testing.assert_close(net(x, context, cut), want[:, :, steps - cut :], rtol=0, atol=1e-12)


def test_the_gated_layers_gradient_is_autograds():
    """The hand-written backward pass against autograd through the convolution as torch has it."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()

    batch_, dilation, last = 2, 3, 4
    h, taps, mix = draw(14 * batch_, 4), draw(3, 4, 10), draw(5, 4)
    for gate in (draw(10), draw(1, batch_, 10), draw(8, batch_, 10)):

        def by_convolution(h, taps, gate, mix):
            x = h.view(14, batch_, 4).permute(1, 2, 0)
            z = torch.nn.functional.conv1d(x, taps.permute(2, 1, 0), dilation=dilation).permute(2, 0, 1) + gate
            u, v = z.chunk(2, 2)
            y = torch.tanh(u / 2) * torch.sigmoid(v)
            return h.view(14, batch_, 4)[6:] + y @ mix, y[-last:]

        ours = gated.layer(h, taps, gate, mix, dilation, batch_, last)
        theirs = by_convolution(h, taps, gate, mix)
        weights = [torch.randn(t.shape, dtype=torch.float64, generator=generator) for t in ours]
        for a, b in zip(ours, theirs):
            torch.testing.assert_close(a, b.flatten(0, 1))
        mine, its = (
            torch.autograd.grad(sum((o.reshape(w.shape) * w).sum() for o, w in zip(out, weights)), (h, taps, gate, mix))
            for out in (ours, theirs)
        )
        for a, b in zip(mine, its):
            torch.testing.assert_close(a, b)


def test_half_precision_stays_close():
    net = randomized(WaveNet(4, classes=5, stacks=2, layers=3, channels=16, gates=16, skips=16))
    x = torch.randint(0, 5, (2, 40)).float()
    with torch.autocast("cpu", torch.bfloat16):
        half = net(x)
    assert half.dtype == torch.float32
    assert (half - net(x)).abs().max() < 0.05 * net(x).abs().max()
    half.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())


def test_memory_of_a_walk_does_not_grow():
    net = WaveNet(2, stacks=1, layers=3, **SMALL)
    with torch.no_grad(), native.torch_only():
        queues = net.stepper(torch.zeros(1, 1))
        place = queues.ring.data_ptr()  # pyright: ignore
        for _ in range(50):
            queues(torch.zeros(1))
    assert queues.ring.data_ptr() == place  # pyright: ignore
    assert queues.ring.shape == (sum(net.spans), 6, 1)  # pyright: ignore


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kernel": 1}, "kernel: expected at least 2, got 1"),
        ({"stacks": 0}, "stacks: expected at least 1, got 0"),
        ({"channels": 0}, "channels: expected at least 1, got 0"),
        ({"spread": 0.0}, "spread: expected a positive number, got 0.0"),
    ],
)
def test_sizes_that_do_not_work_get_sentences(options: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        WaveNet(2, **options)


def test_a_series_that_is_too_short_gets_a_sentence():
    net = build("classes", "upsampled")
    x, context = batch(net, "upsampled", 12)
    with pytest.raises(ValueError, match=r"13 steps need a series of 4 rows, 4 steps each, got 3 rows"):
        net(torch.cat((x, x[:, :1]), 1), context)
    step = net.stepper(x, context)
    with torch.no_grad():
        for i in range(12):
            step(x[:, i - 1] if i else None)
        with pytest.raises(ValueError, match="step 12 needs row 3 of the series"):
            step(x[:, 11])
