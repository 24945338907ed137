import math

import numpy as np
import pytest
import torch
from zoo import SMALL_IMAGES, image_recipe

from fluvial.core import Chain, Flow, Normal, UsageError, batched
from fluvial.kinds.images.files import write_png
from fluvial.kinds.images.latent import arc, attribute, edit, encode, interpolate, straight
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.schema import ImageSchema
from fluvial.models import build
from fluvial.transforms import Dequantize, Flatten, Standardize

SHAPES = {"nice": (1, 5, 3), "realnvp": (1, 4, 4), "glow": (3, 4, 4), "flowpp": (1, 6, 4), "multiscale": (1, 6, 4)}


def pixels(shape: tuple[int, int, int], n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (n, *shape), generator=torch.Generator().manual_seed(seed)).float()


def same(name: str, back: torch.Tensor, x: torch.Tensor) -> None:
    """Equal; learned noise (flowpp here) may lie at the edge of a grey level, and rounding then gives the next one."""
    if name != "flowpp":
        assert torch.equal(back, x)
    assert (back - x).abs().max() <= 1
    assert (back != x).double().mean() < 0.05


@pytest.mark.parametrize("path", [straight, arc])
def test_paths_begin_and_end_where_they_should(path):
    a, b = torch.randn(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z = path(a, b, torch.tensor([0.0, 0.5, 1.0]).double())
    torch.testing.assert_close(z[0], a)
    torch.testing.assert_close(z[2], b)
    for end in (a, -a):  # the same and the opposite direction
        assert torch.isfinite(path(a, end, torch.linspace(0, 1, 5).double())).all()
    torch.testing.assert_close(path(a, a, torch.tensor([0.3]).double())[0], a)
    torch.testing.assert_close(path(0 * a, b, torch.tensor([0.0, 1.0]).double()), torch.stack((0 * a, b)))


def test_on_the_arc_noise_stays_noise():
    """Half-way between independent draws: variance 1 on the arc, 1/2 on the straight line."""
    g = torch.Generator().manual_seed(0)
    draws = torch.randn(200, 2, 400, generator=g)
    half = torch.tensor([0.5])
    for path, variance in ((arc, 1.0), (straight, 0.5)):
        middle = torch.cat([path(a, b, half) for a, b in draws])
        assert middle.var().item() == pytest.approx(variance, abs=5 * math.sqrt(2 / middle.numel()))


@pytest.mark.parametrize("c", [0, 3])
@pytest.mark.parametrize("name", SMALL_IMAGES)
def test_ends_and_edits_of_no_strength_are_the_images(name: str, c: int):
    shape = SHAPES[name]
    density = image_recipe(name, shape, c)
    x = pixels(shape, 2)
    context = torch.eye(3)[:2] if c else None
    way = interpolate(density, x, 5, context)
    assert way.shape == (5, *shape)
    same(name, way[[0, -1]], x)
    assert torch.equal(way, interpolate(density, x, 5, context))
    one = None if context is None else context[:1]
    direction = torch.ones(x[0].numel())
    moved = edit(density, x[:1], direction, torch.tensor([-1.0, 0.0, 1.0]), one)
    same(name, moved[1], x[0])
    assert not torch.equal(moved[0], moved[2])


def test_context_changes_half_way():
    density = image_recipe("nice", (1, 5, 3), 3)
    x, context = pixels((1, 5, 3), 1).expand(2, -1, -1, -1), torch.eye(3)[:2]
    way = interpolate(density, x, 4, context, straight)
    z = encode(density, x, context)
    given = context[[0, 0, 1, 1]]
    want = batched.decode(density, straight(z[0], z[1], torch.linspace(0, 1, 4)), given)
    assert torch.equal(way, want)


def test_an_attribute_is_found_and_its_chance_told():
    """Noise shifted along one direction: found, longer than chance; between alike examples, as long as chance."""
    shape = (1, 8, 8)
    scale = Standardize(torch.tensor(128.0), torch.tensor(20.0))
    density = Flow(Chain(Dequantize(levels=256), scale, Flatten(shape)), Normal((64,)), shape)
    g = torch.Generator().manual_seed(0)
    true, z = torch.randn(64, generator=g), torch.randn(400, 64, generator=g)
    with_, without = (batched.decode(density, v) for v in (z[:200] + 0.5 * true, z[200:] - 0.5 * true))
    found = attribute(density, with_, without)
    assert torch.cosine_similarity(found.direction, true, 0) > 0.98
    assert found.length == pytest.approx(true.norm().item(), rel=0.1)
    assert found.length > 3 * found.by_chance
    none = attribute(density, without[:100], without[100:])
    assert 0.5 < none.length / none.by_chance < 1.5


def test_editing_adds_the_attribute():
    density = image_recipe("nice", (1, 4, 4))
    bright, dark = pixels((1, 4, 4), 100, 1) / 2 + 127, pixels((1, 4, 4), 100, 2) / 2
    direction = attribute(density, bright.floor(), dark.floor()).direction
    less, same, more = edit(density, dark[:1].floor(), direction, torch.tensor([-1.0, 0.0, 1.0])).mean((1, 2, 3))
    assert less < same < more


def test_too_few_get_sentences():
    density: Flow = image_recipe("nice", (1, 4, 4))
    x = pixels((1, 4, 4), 2)
    with pytest.raises(UsageError, match="at least 2 images, the two ends, got 1"):
        interpolate(density, x, 1)
    with pytest.raises(UsageError, match="got 2 positive and 1 negative"):
        attribute(density, x, x[:1])


def test_models_of_images_take_and_give_pictures(tmp_path):
    schema = ImageSchema((1, 4, 4), 8, {"side": ("left", "right")})
    config = {"model": "glow", "event_shape": (1, 4, 4), "context_shape": (1,), "context": [{"categories": 2}]}
    torch.manual_seed(0)
    density = build({**config, "options": {"levels": 1, "steps": 1, "width": 4}})
    x = pixels((1, 4, 4), 6)
    density.initialize(x, torch.tensor([[0.0], [1.0]]).repeat(3, 1))
    model = ImageModel(density.eval(), schema, {})
    images, labels = x[:, 0].byte().numpy(), {"side": "left"}
    way = model.interpolate(images[0], images[1], 4, labels)
    assert way.shape == (4, 4, 4)
    assert np.array_equal(way[[0, 3]], images[:2])
    for i in range(2):
        write_png(tmp_path / f"{i}.png", images[i])
    assert np.array_equal(model.interpolate(tmp_path / "0.png", tmp_path / "1.png", 4, labels), way)
    found = model.attribute(images[:3], images[3:], labels)
    moved = model.edit(images[0], found, [-1.0, 0.0, 1.0], labels)
    assert np.array_equal(moved[1], images[0])
    with pytest.raises(UsageError, match="expected one image, got 2"):
        model.edit(images[:2], found, [0.0], labels)


@pytest.mark.parametrize("name", SMALL_IMAGES)
def test_rounding_does_not_move_a_pixel(name: str):
    """float32, many pixels: noise at the edge of a grey level would come back as the next one."""
    density, x = image_recipe(name, SHAPES[name]), pixels(SHAPES[name], 2000)
    z = encode(density, x)
    assert (z.std(0) > 0).all()
    same(name, batched.decode(density, z), x)
