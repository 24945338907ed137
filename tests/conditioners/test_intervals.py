"""Networks of intervals: blind to what comes, equal step by step, and the same in every key."""

import math
from typing import Any

import pytest
import torch
from zoo import randomized

from fluvial.conditioners import ChordIntervals, Frames, PastIntervals, WaveNet

N = 9


def past(lags: tuple[int, ...] = (1, 3), reach: int = 2) -> PastIntervals:
    net = PastIntervals(WaveNet(2, 2, (N,), layers=2, stacks=1, channels=6, gates=5, skips=8), 4, lags, reach)
    randomized(net)
    return net.double().eval()


def chord() -> ChordIntervals:
    net = ChordIntervals(N, 1, 4, 3)
    randomized(net)
    return net.double().eval()


def bits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).double()


def test_each_step_of_a_walk_gives_what_the_parallel_pass_gives():
    frames = Frames(past(), chord())
    x = bits(2, 7 * N)
    want, step, previous = frames(x), frames.stepper(x), None
    with torch.no_grad():
        for i in range(7 * N):
            assert (step(previous) - want[:, :, i]).abs().max() < 1e-12
            previous = x[:, i]


def test_windows_are_read_so_far_back_and_about_and_no_farther():
    net = past(reach=1)
    torch.nn.init.zeros_(net.told.weight)  # the windows alone
    x = bits(1, 8, N).requires_grad_()
    grad = torch.autograd.grad(net(x)[0, :, 6, 4].sum(), x)[0][0]
    seen = (grad != 0).nonzero().tolist()
    assert seen == [[t, i] for t in (3, 5) for i in (3, 4, 5)]
    assert net.receptive_field == 4


def test_a_note_reads_the_ones_so_far_below_it():
    net = chord()
    x = bits(1, N).requires_grad_()
    grad = torch.autograd.grad(net(x, torch.full((1, 4 * N), 5.0))[0, 0, 6], x)[0][0]
    assert (grad != 0).nonzero().flatten().tolist() == [3, 4, 5]


def test_what_is_the_same_in_another_key_has_the_same_odds_but_for_the_place_itself():
    net, inner = past(), chord()
    torch.nn.init.zeros_(net.told.weight)
    torch.nn.init.zeros_(net.place)
    x = torch.zeros(1, 5, N, dtype=torch.float64)
    x[0, :, 3] = x[0, 2:, 5] = 1
    theta, moved = net(x), net(x.roll(1, 2))
    torch.testing.assert_close(theta[..., :-1], moved[..., 1:], rtol=0, atol=1e-12)
    odds = [inner(frame[:, -1], seen[:, :, -1].flatten(1)) for frame, seen in ((x, theta), (x.roll(1, 2), moved))]
    torch.testing.assert_close(odds[0][..., :-1], odds[1][..., 1:], rtol=0, atol=1e-12)


def test_values_that_are_not_there_are_as_silence_to_the_windows():
    net = past()
    torch.nn.init.zeros_(net.told.weight)
    x = bits(1, 6, N)
    x[0, 2] = 0
    gone = x.clone()
    gone[0, 2] = math.nan
    torch.testing.assert_close(net(gone), net(x), rtol=0, atol=0)


def test_the_last_frames_alone_are_the_same():
    net, x = past(), bits(2, 9, N)
    torch.testing.assert_close(net(x, None, 3), net(x)[:, :, -3:], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lags": (0,)}, r"lags and reach: expected at least 1 and 0, got \(0,\) and 2"),
        ({"lags": ()}, r"lags and reach: expected at least 1 and 0, got \(\) and 2"),
        ({"reach": -1}, r"lags and reach: expected at least 1 and 0, got \(1, 3\) and -1"),
    ],
)
def test_sizes_that_make_no_sense_are_a_sentence(options: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        past(**options)
    with pytest.raises(ValueError, match="dropout: expected a share below 1, got 1"):
        ChordIntervals(N, 1, dropout=1)
    with pytest.raises(ValueError, match=r"outer: expected a network of frames of shape \(N,\), got \(\)"):
        PastIntervals(WaveNet(2, layers=1), 4)
