"""The recipe wavenet: steps of several values, series as context, and sentences."""

from __future__ import annotations

import itertools

import pytest
import torch
from zoo import randomized

from fluvial import models
from fluvial.conditioners import WaveNet
from fluvial.core import Flow, Uniform, UsageError
from fluvial.transforms import Autoregressive
from fluvial.univariate import Categorical

TINY = {"levels": 2, "stacks": 1, "layers": 2, "channels": 6, "gates": 5, "skips": 8}


@pytest.mark.parametrize("components", [0, 2])
def test_steps_of_several_values_sum_to_one(components: int):
    density = randomized(models.wavenet((3, 2), components=components, **TINY)).double()
    x = torch.tensor(list(itertools.product(range(2), repeat=6)), dtype=torch.float64).view(-1, 3, 2)
    assert abs(density.log_prob(x).exp().sum() - 1) < 1e-12
    assert density.parts(x).shape == x.shape  # pyright: ignore
    torch.manual_seed(0)
    assert density.sample(4).shape == (4, 3, 2)


def test_a_series_as_context():
    net = WaveNet(3, classes=3, context=2, upsample=2, **{k: v for k, v in TINY.items() if k != "levels"})
    flow = randomized(Flow(Autoregressive(net, Categorical(3)), Uniform((None,)), (None,), (None, 2))).double()
    x, series = torch.randint(0, 3, (4, 5)).double(), torch.randn(4, 3, 2, dtype=torch.float64)
    log_p = flow.log_prob(x, series)
    later = series.clone()
    later[:, 2] += 1.0  # speaks for the fifth step alone
    parts = [flow.parts(x, s) for s in (series, later)]
    assert torch.equal(parts[0][:, :4], parts[1][:, :4])  # pyright: ignore
    assert (parts[0][:, 4] != parts[1][:, 4]).all()  # pyright: ignore
    torch.testing.assert_close(parts[0].sum(1), log_p)  # pyright: ignore
    torch.manual_seed(0)
    drawn, log_q = flow.of_length(6).sample_and_log_prob(4, series)
    torch.testing.assert_close(flow.log_prob(drawn, series), log_q)
    with pytest.raises(ValueError, match=r"context: expected shape \(4, T, 2\), got \(4, 3, 1\)"):
        flow.log_prob(x, series[:, :, :1])


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"event_shape": []}, r"expects \(T, ...\), got \(\)"),
        ({"context_shape": [2, 2]}, r"expected \(C,\) or None, got \(2, 2\)"),
        ({"options": {"components": -1}}, "expected 0 for a softmax or a number of logistics, got -1"),
        ({"options": {"levels": 1}}, "at least 2, got 1"),
        ({"options": {"kernel": 1}}, "kernel: expected at least 2, got 1"),
        ({"options": {"preset": "vocodr"}}, "did you mean 'vocoder'"),
    ],
)
def test_mistakes_get_sentences(config: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        models.build({"model": "wavenet", "event_shape": [None], **config})


@pytest.mark.parametrize(
    ("preset", "reads", "depth"), [("ibab", 5 * 1023 + 2, 50), ("vocoder", 3 * 2046 + 1, 30), ("vocoder16", 505, 24)]
)
def test_presets_read_what_their_sources_read(preset: str, reads: int, depth: int):
    density = models.build({"model": "wavenet", "event_shape": [None], "options": {"preset": preset}})
    net = density.transform.conditioner  # pyright: ignore
    assert net.receptive_field == reads
    assert len(net.dilations) == depth
