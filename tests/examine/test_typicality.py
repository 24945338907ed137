import math
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.core import Chain, DataError, Flow, Normal
from fluvial.examine.typicality import Reference, bits, compressed_bits, excess
from fluvial.training import score
from fluvial.transforms import Dequantize, Flatten, Standardize

SHAPE = (1, 16, 16)
MEAN, SPREAD = 128.0, 40.0


def textures(n: int, seed: int) -> torch.Tensor:
    noise = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))
    return (MEAN + SPREAD * noise).floor().clamp(0, 255)


def of_textures() -> Flow:
    """The true density of the textures."""
    to_noise = Standardize(torch.tensor(MEAN), torch.tensor(SPREAD))
    return Flow(Chain(Dequantize(levels=256), to_noise, Flatten(SHAPE)), Normal((256,)), SHAPE)


def log_p(x: torch.Tensor) -> np.ndarray:
    return score(of_textures(), x).double().numpy()


def test_flat_images_are_the_likeliest_and_yet_told_from_textures():
    flat = torch.arange(100.0, 156.0, 8).reshape(-1, 1, 1, 1).expand(-1, *SHAPE)
    held_out, fresh = textures(300, 1), textures(100, 2)
    known = Reference.of(log_p(held_out))
    assert log_p(flat).min() > known.values.max()  # likelihood alone calls them the most familiar of all
    assert known.deviation(log_p(flat)).min() > 5
    assert known.two_sided(log_p(flat)).max() == pytest.approx(2 / 301)
    assert (known.two_sided(log_p(fresh)) < 0.05).mean() < 0.15
    beyond = {name: excess(log_p(x), of(x)) for name, x in (("held", held_out), ("flat", flat), ("fresh", fresh))}
    familiar = Reference.of(beyond["held"])
    assert familiar.at_least(beyond["flat"]).max() == pytest.approx(1 / 301)
    assert (familiar.at_least(beyond["fresh"]) < 0.05).mean() < 0.15


def of(x: torch.Tensor) -> np.ndarray:
    return compressed_bits(x.byte().numpy())


def test_a_background_model_takes_off_what_it_explains_itself():
    """Textures of another brightness: a model that allows for any brightness finds them as likely as the rest."""
    wide = Flow(
        Chain(Dequantize(levels=256), Standardize(torch.tensor(MEAN), torch.tensor(60.0)), Flatten(SHAPE)),
        Normal((256,)),
        SHAPE,
    )
    darker, fresh = (textures(50, 3) - 40).clamp(0, 255), textures(50, 4)
    over = [excess(log_p(x), bits(score(wide, x).double().numpy())) for x in (darker, fresh)]
    assert over[0].min() > over[1].max()


def test_excess_is_in_bits():
    assert excess(np.array([-10 * math.log(2)]), np.array([4.0])) == pytest.approx([6.0])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 40))
def test_p_values_of_fresh_draws_are_valid(seed: int, n: int):
    """P(p <= a) <= a for any n, ties included."""
    rng = np.random.default_rng(seed)
    p = np.concatenate(
        [Reference.of(rng.integers(0, 30, n).astype(float)).two_sided(rng.integers(0, 30, 1)) for _ in range(400)]
    )
    for a in (0.05, 0.2, 0.5):
        assert (p <= a).mean() <= a + 4 * math.sqrt(a * (1 - a) / 400)
    assert p.min() >= 2 / (n + 1) or n == 2
    assert p.max() <= 1


def test_impossible_rows_are_as_foreign_as_can_be():
    known = Reference.of(np.arange(9.0))
    assert known.two_sided(np.array([-np.inf])) == pytest.approx([0.2])
    assert known.deviation(np.array([-np.inf]))[0] == -np.inf
    with pytest.raises(DataError, match="at least 2 held-out rows, got 1"):
        Reference.of(np.array([1.0, -np.inf]))


def test_compression_finds_the_filter():
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (1, 1, 64, 1))
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    assert compressed_bits(ramp)[0] < 8 * len(zlib.compress(ramp.tobytes(), 9))
    assert compressed_bits(noise).shape == (2,)
    assert compressed_bits(noise).min() >= 8 * 3 * 32 * 32  # noise cannot be compressed
    plane = (np.arange(32)[:, None] * 5 + np.arange(32) * 3).astype(np.uint8)[None, None]
    assert compressed_bits(plane)[0] < 8 * 64  # only Paeth's filter makes it (nearly) constant
    with pytest.raises(DataError, match=r"uint8 \(N, C, H, W\), got float64 \(2, 2\)"):
        compressed_bits(np.zeros((2, 2)))
