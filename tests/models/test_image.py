"""Recipes for images: published sizes, deep inversion, whole-model initialisation, temperature, sentences."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import zoo

from fluvial import models
from fluvial.core import Density, Flow, UsageError
from fluvial.core.initialization import DataDependent
from fluvial.transforms import ActNorm, FullMatrix, LUMatrix


def sizes(density: Density) -> int:
    return sum(p.numel() for p in density.parameters())


def glow_size(levels: int, steps: int, border: int, additive: bool = False) -> int:
    """Parameters of Glow with networks of 512 channels, counted by hand from the published layers."""
    total, channels = 0, 12
    for level in range(levels):
        half = channels // 2
        out = half if additive else channels
        net = 9 * (half + border) * 512 + 2 * 512 + 512 * 512 + 2 * 512 + 9 * (512 + border) * out + 2 * out
        total += steps * (2 * channels + channels**2 + net)
        prior = 9 * (half + border) * channels + 2 * channels
        total += prior if level < levels - 1 else 2 * channels
        channels = 2 * channels
    return total


@pytest.mark.parametrize(
    ("preset", "shape", "arguments", "published"),
    [
        ("paper_cifar10", (3, 32, 32), (3, 32, 0), 44.0e6),
        ("code_cifar10", (3, 32, 32), (3, 32, 1), None),
        ("paper_imagenet32", (3, 32, 32), (3, 48, 0), None),
        ("paper_imagenet64", (3, 64, 64), (4, 48, 0), 110.9e6),
        ("code_celeba_hq", (3, 64, 64), (6, 32, 1, True), None),
    ],
)
def test_glow_has_the_published_size(preset: str, shape: tuple, arguments: tuple, published: float | None):
    """44.0M and 110.9M: Durkan et al. 2019, arXiv 1906.04032, table 3, which counts Glow's parameters."""
    torch.manual_seed(0)
    options = models.preset("glow", preset, shape)
    per_step = {**options, "steps": 1}
    one, two = (sizes(models.glow(shape, **{**per_step, "steps": k})) for k in (1, 2))
    got = one + (options["steps"] - 1) * (two - one)  # the steps of a level are alike
    assert got == glow_size(*arguments)
    if published:
        assert abs(got / published - 1) < 2e-3


def test_realnvp_has_the_published_layers():
    """CIFAR-10: 8 blocks, 64 maps, one downscale; counted by hand from the paper's description."""

    def net(inputs: int, width: int, moved: int, blocks: int) -> int:
        first = 9 * inputs * width + 2 * width
        block = 2 * width + 9 * width**2 + width + 2 * width + 9 * width**2 + 2 * width
        skips = (blocks + 1) * (width**2 + 2 * width)
        last = 2 * width + width * 2 * moved + 2 * (2 * moved)
        return first + blocks * block + skips + last + 1

    shape = (3, 32, 32)
    density = models.realnvp_images(shape, **models.preset("realnvp", "paper_cifar10", shape))
    # a checkerboard's network sees its channels twice and the mask; one of channels has twice the width
    boards = 3 * net(7, 64, 3, 8) + 4 * net(13, 128, 6, 8)
    assert sizes(density) == boards + 3 * net(12, 128, 6, 8)


@pytest.mark.parametrize(
    ("preset", "shape", "width", "layers"),
    [
        ("paper_mnist", (1, 28, 28), 1000, (5, 5, 5, 5)),
        ("paper_tfd", (1, 48, 48), 5000, (4, 4, 4, 4)),
        ("paper_svhn", (3, 32, 32), 2000, (4, 4, 4, 4)),
        ("code_cifar10", (3, 32, 32), 2400, (1, 1, 3, 3, 2, 2, 1, 1)),
        ("code_tfd", (1, 48, 48), 2000, (3, 3, 2, 2, 1, 1, 1, 1)),
    ],
)
def test_nice_has_the_published_layers(preset: str, shape: tuple, width: int, layers: tuple):
    """Counted on a narrow twin: the whole would fill the memory."""
    options = models.preset("nice", preset, shape)
    assert options["width"] == width
    half = torch.Size(shape).numel() // 2
    networks = [zip([half, *[7] * n], [*[7] * n, half]) for n in layers]
    want = sum(a * b + b for network in networks for a, b in network)
    got = sizes(models.nice_images(shape, **{**options, "width": 7}))
    assert got == want + 2 * 2 * half  # and the shift and scale of the diagonal map


@pytest.mark.parametrize(("model", "name"), [(r.name, p) for r in models.recipes("images") for p in r.presets])
def test_presets_name_options_that_exist(model: str, name: str):
    shape = (3, 64, 64) if "64" in name or "celeba" in name else (3, 32, 32)
    options = models.resolve(model, {"preset": name}, shape)
    if model in ("realnvp", "glow"):
        assert options["scales" if model == "realnvp" else "levels"] >= 2
    kinds = {"paper": LUMatrix, "code": FullMatrix}
    if model == "glow":
        small = models.glow(shape, **{**options, "steps": 1, "width": 4})
        assert any(isinstance(m, kinds[name.split("_")[0]]) for m in small.modules())


def test_build_from_json():
    config = {
        "model": "glow",
        "event_shape": [1, 4, 4],
        "context_shape": [1],
        "options": {"steps": 1, "width": 8, "levels": 2},
        "context": [{"categories": 10}],
    }
    density = models.build(json.loads(json.dumps(config)))
    x, labels = torch.randint(0, 256, (6, 1, 4, 4)), torch.arange(6.0).unsqueeze(1)
    assert density.log_prob(x, labels).shape == (6,)
    assert density.sample(6, labels).shape == (6, 1, 4, 4)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model": "glow", "event_shape": [3]}, r"glow is a model of images, \(C, H, W\), but the events have shape"),
        ({"model": "maf", "event_shape": [1, 4, 4]}, r"maf is a model of vectors, \(D,\), but"),
        ({"model": "glwo", "event_shape": [1, 4, 4]}, "did you mean 'glow'"),
        ({"model": "glow", "event_shape": [1, 28, 28], "options": {"levels": 3}}, "28 x 28 can be halved 2 times"),
        ({"model": "glow", "event_shape": [1, 3, 3]}, "can be halved 0 times"),
        ({"model": "glow", "event_shape": [1, 4, 4], "options": {"linear": "svd"}}, "known are lu, full, qr"),
        ({"model": "glow", "event_shape": [1, 4, 4], "options": {"steps": 0}}, "at least 1, got 0"),
        ({"model": "glow", "event_shape": [1, 4, 4], "options": {"preset": "paper"}}, "no preset named 'paper'"),
        ({"model": "glow", "event_shape": [1, 4, 4], "context_shape": [2, 2]}, r"expects \(F,\)"),
        ({"model": "realnvp", "event_shape": [1, 5, 6]}, "5 x 6 can be halved 0 times"),
        ({"model": "realnvp", "event_shape": [1, 4, 4], "options": {"scales": 0}}, "at least 1, got 0"),
        ({"model": "flowpp", "event_shape": [1, 5, 4]}, "must be even, got 5 x 4"),
        ({"model": "flowpp", "event_shape": [1, 4, 4], "options": {"couplings": [1, 2]}}, "three numbers"),
        ({"model": "nice", "event_shape": [1, 1, 1]}, "at least 2 numbers"),
        ({"model": "nice", "event_shape": [1, 0, 4]}, "each at least 1"),
    ],
)
def test_mistakes_get_sentences(config: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        models.build(config)


@pytest.mark.parametrize(
    "options", [{}, {"sigmoid": True, "linear": "full", "factor": 3.0, "border": True}], ids=["default", "code"]
)
def test_glow_inverts_at_depth(options: dict):
    """3 levels of 32 steps, as it starts and after 20 steps of training: data return, samples are finite."""
    torch.manual_seed(0)
    shape = (1, 8, 8)
    density = models.glow(shape, levels=3, steps=32, width=4, **options)
    smooth = torch.linspace(0, 200, 64).view(1, 1, 8, 8)
    x = (smooth + 40 * torch.rand(64, 1, 1, 1) + 10 * torch.rand(64, *shape)).floor()
    density.initialize(x)
    optimizer = torch.optim.Adam(density.parameters(), lr=1e-3)
    for steps in (0, 20):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = -density.log_prob(x[torch.randint(64, (16,))]).mean() / 64
            loss.backward()
            torch.nn.utils.clip_grad_norm_(density.parameters(), 1.0)
            optimizer.step()
            assert torch.isfinite(loss)
        behind = zoo.continuous(density, skip=2)
        with torch.no_grad():
            data = (x + 0.5) / 256 - 0.5
            assert (behind.decode(behind.encode(data)) - data).abs().max() < 1e-4
            assert torch.isfinite(behind.sample(64)).all()


@pytest.mark.parametrize("name", zoo.SMALL_IMAGES)
def test_training_lowers_the_bits(name: str):
    """A few steps on smooth images get below what uniform noise costs, on images not trained on."""
    torch.manual_seed(0)
    shape = (1, 4, 4)
    ramp = torch.arange(16.0).view(1, 1, 4, 4) * 8

    def draw(n: int) -> torch.Tensor:
        return (ramp + 60 * torch.rand(n, 1, 1, 1) + 20 * torch.rand(n, *shape)).floor()

    options = {**zoo.SMALL_IMAGES[name], "width": 16}
    density = models.recipe_of(name, shape).build(shape, **options)
    density.initialize(draw(64))
    slow = name == "nice"  # its noise has unit scale, its pixels do not, and nothing is set from data
    optimizer = torch.optim.Adam(density.parameters(), lr=2e-2 if slow else 5e-3)
    for _ in range(300 if slow else 60):
        optimizer.zero_grad()
        (-density.train().log_prob(draw(32)).mean()).backward()
        torch.nn.utils.clip_grad_norm_(density.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        bits = models.bits_per_dimension(density.eval().log_prob(draw(500)).mean(), shape)
    # log2 20 = 4.3 for the noise of each pixel and 5.9 / 16 for what they share: no density may do better
    assert 4.3 < bits < 7.0


def test_parameters_set_by_data_survive_files_and_copies():
    torch.manual_seed(0)
    density = models.glow((1, 4, 4), steps=2, width=8)
    x = torch.randint(0, 256, (20, 1, 4, 4)).float()
    density.initialize(x)
    layers = [m for m in density.modules() if isinstance(m, (ActNorm, DataDependent))]
    hidden = [m for m in layers if not (isinstance(m, DataDependent) and m.zero)]  # pyright: ignore
    assert len(hidden) == 2 * 2 * 3
    assert all(bool(m.initialized) for m in layers)  # pyright: ignore
    fresh = models.glow((1, 4, 4), steps=2, width=8)
    fresh.load_state_dict(density.state_dict())
    for twin in (density, copy.deepcopy(density), fresh):
        before = copy.deepcopy(twin.state_dict())
        twin.initialize(x // 9)
        assert all(torch.equal(v, before[k]) for k, v in twin.state_dict().items())


def test_labels_reach_the_last_prior_alone_where_the_paper_has_it_so():
    shape = (1, 4, 4)
    density = zoo.image_recipe("glow", shape, 3, condition_couplings=False)
    z, c = torch.randn(4, 16), torch.eye(3)[[0, 1, 2, 0]]
    behind = zoo.continuous(density)
    x, other = behind.decode(z, c), behind.decode(z, c.flip(1))
    assert (x - other).abs().max() > 1e-3
    assert all(m.context is None for m in density.modules() if isinstance(m, zoo.ConvNet))


def test_temperature_narrows_the_samples_of_every_scale():
    torch.manual_seed(0)
    density = zoo.continuous(zoo.image_recipe("glow", (1, 4, 4)), skip=2)
    cold, warm = (models.sample_at_temperature(density, 300, t) for t in (0.3, 1.0))
    assert cold.std(0).mean() < 0.7 * warm.std(0).mean()
    still = models.sample_at_temperature(density, 2, 0.0)
    torch.testing.assert_close(still, density.decode(torch.zeros(2, 16)))
    with pytest.raises(ValueError, match="temperature: expected a number >= 0, got -1"):
        models.sample_at_temperature(density, 2, -1.0)
    uniform = Flow(density.transform, zoo.Uniform((16,)), (1, 4, 4))
    with pytest.raises(ValueError, match="the base is Uniform"):
        models.sample_at_temperature(uniform, 2, 0.5)
