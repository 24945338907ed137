"""The contract over the image transforms and recipes of the zoo."""

from __future__ import annotations

import contract
import pytest
import torch
import zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zoo import CONTEXT, randomized

from fluvial import models

ANY = {**zoo.IMAGE_TRANSFORMS, **zoo.CHANNEL_TRANSFORMS, **zoo.EVEN_TRANSFORMS}
SIZES = {"nice": (1, 3, 3), "realnvp": (3, 6, 6), "glow": (3, 4, 4), "flowpp": (1, 6, 4), "multiscale": (1, 6, 4)}
"""Odd sizes where the recipe can take them; 6 x 6 and 6 x 4 become odd once halved."""

DEQUANTIZED = [name for name in zoo.SMALL_IMAGES if name != "multiscale"]
"""Densities of pixels with noise, a bound; the others are of the pixels themselves, exact."""


def build(name: str, shape: zoo.Image, c: int):
    return randomized(ANY[name](shape, c), scale=0.2).double().eval()


def tolerance_of(name: str) -> float:
    return 1e-7 if "mixture" in name or name == "flowpp" else 1e-9


def pixels(shape: zoo.Image, n: int = 3, seed: int = 0, bits: int = 8) -> torch.Tensor:
    return torch.randint(0, 2**bits, (n, *shape), generator=torch.Generator().manual_seed(seed)).double()


def inside(shape: zoo.Image, n: int = 3) -> torch.Tensor:
    """Dequantised pixels."""
    return pixels(shape, n) + 0.5


def test_the_zoo_holds_every_image_recipe():
    flows = (r.name for r in models.recipes("images") if r.training.objective == "likelihood")
    assert set(zoo.SMALL_IMAGES) == set(flows)  # the others are tried in kinds/images/test_latent_models.py


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", ANY)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    channels=st.integers(1, 4),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    n=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_transforms_invert(name: str, c: int, channels: int, height: int, width: int, n: int, seed: int):
    if name in zoo.CHANNEL_TRANSFORMS:
        channels += 1
    if name in zoo.EVEN_TRANSFORMS:
        height, width = 2 * height, 2 * width
    width += height == width == 1  # a checkerboard needs two squares
    shape = (channels, height, width)
    contract.inverts(
        build(name, shape, c), contract.images(shape, n, seed), contract.contexts(c, n), tolerance_of(name)
    )


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", ANY)
def test_log_det_is_the_jacobians(name: str, c: int):
    shape = (3, 2, 4) if name in zoo.EVEN_TRANSFORMS else (3, 3, 2)
    x, context = contract.images(shape, 2), contract.contexts(c, 2)
    contract.log_det_is_jacobians(build(name, shape, c), x, context, 1e-6 if "mixture" in name else 1e-9)


@pytest.mark.parametrize("name", ANY)
def test_transforms_invert_in_float32(name: str):
    shape = (4, 6, 6)
    transform = randomized(ANY[name](shape, 0), scale=0.1).eval()
    x = contract.images(shape, 20).float()
    with torch.no_grad():
        back = transform.inverse(transform(x)[0])[0]
    assert (back - x).abs().max() < (2e-3 if "mixture" in name else 1e-4)


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", zoo.PIXELS)
def test_transforms_of_pixels_return_to_them(name: str, c: int):
    shape = (2, 4, 6)
    transform = randomized(zoo.PIXELS[name](shape, c), scale=0.2).double().eval()
    x, context = pixels(shape), contract.contexts(c, 3)
    z, log_det = transform(x, context)
    assert tuple(z.shape[1:]) == tuple(transform.output_shape(shape))
    assert torch.equal(transform.inverse(z, context)[0], x)
    assert torch.isfinite(log_det).all()


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", DEQUANTIZED)
def test_whole_models(name: str, c: int):
    """Jacobian, gradients, copies and round trips of everything behind the dequantisation."""
    shape = SIZES[name]
    density = zoo.continuous(zoo.image_recipe(name, shape, c)).double()
    x, context = inside(shape, 1), contract.contexts(c, 1)
    contract.log_det_is_jacobians(density.transform, x, context, 1e-6 if name == "flowpp" else 1e-9)
    fresh = zoo.continuous(zoo.image_recipe(name, shape, c)).double()
    with torch.no_grad():
        for p in fresh.parameters():
            p.zero_()
        contract.survives_copies(density, x, context, fresh)
    # far samples saturate the logit, which cannot be undone there
    behind = zoo.continuous(zoo.image_recipe(name, shape, c), skip=2).double()
    contract.samples_match_log_prob(behind, context, 1, 1e-4 if name == "flowpp" else 1e-8)
    torch.testing.assert_close(density.decode(density.encode(x, context), context), x, rtol=1e-6, atol=1e-5)
    assert density.encode(x, context).shape == (1, x[0].numel())


@pytest.mark.parametrize("name", DEQUANTIZED)
def test_gradients(name: str):
    shape = (1, 2, 2) if name == "nice" else (1, 4, 4)
    options = {"levels": 1} if name == "glow" else {}
    density = zoo.continuous(zoo.image_recipe(name, shape, 2, **options)).double()
    contract.gradients_are_right(density, inside(shape, 2), contract.contexts(2, 2))


@pytest.mark.parametrize("name", zoo.SMALL_IMAGES)
def test_densities_of_pixels(name: str):
    """Whole pipelines: integers in, integers out, one number per image, context used, wrong shapes refused."""
    shape = SIZES[name]
    density = zoo.image_recipe(name, shape, CONTEXT)
    x, context = pixels(shape), contract.contexts(CONTEXT, 3).float()
    assert density.exact == (name not in DEQUANTIZED)
    for values in (x.float(), x.byte(), x.long()):
        torch.manual_seed(0)
        got = density(values, context)
        assert got.shape == (3,)
        assert torch.isfinite(got).all()
    drawn = density.sample(3, context)
    assert torch.equal(drawn, drawn.round())
    assert drawn.min() >= 0
    assert drawn.max() <= 255
    assert torch.isfinite(density.sample_and_log_prob(3, context)[1]).all()
    assert torch.equal(density.decode(density.encode(x.float(), context), context), x.float())
    torch.manual_seed(0)
    other = density(x.float(), 1 + context)
    torch.manual_seed(0)
    assert (density(x.float(), context) - other).abs().min() > 1e-6
    with pytest.raises(ValueError, match=r"x: expected shape \(B, "):
        density.log_prob(x.float().mT[:, :, :1], context)


@pytest.mark.parametrize("name", [n for n in DEQUANTIZED if n != "realnvp"])  # which normalises each batch
def test_evaluation_equals_training(name: str):
    density = zoo.continuous(zoo.image_recipe(name, SIZES[name]))
    x = inside(SIZES[name]).float()
    want = density.log_prob(x)
    assert torch.equal(density.train().log_prob(x), want)


@pytest.mark.parametrize("name", zoo.SMALL_IMAGES)
def test_compile_and_export(name: str):
    shape = SIZES[name]
    density = zoo.image_recipe(name, shape, CONTEXT)
    x = inside(shape) if name in DEQUANTIZED else pixels(shape)
    arguments = (x.float(), contract.contexts(CONTEXT, 3).float())
    smooth = zoo.continuous(density) if name in DEQUANTIZED else density
    with torch.no_grad():
        torch._dynamo.reset()
        compiled = torch.compile(smooth, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(*arguments), smooth(*arguments))
        batch = torch.export.Dim("batch", min=2)
        program = torch.export.export(density, arguments, dynamic_shapes=tuple({0: batch} for _ in arguments))
        more = tuple(torch.cat((a, a)) for a in arguments)
        torch.manual_seed(0)
        want = density(*more)
        torch.manual_seed(0)
        torch.testing.assert_close(program.module()(*more), want)


@pytest.mark.parametrize("name", zoo.SMALL_IMAGES)
def test_blank_images_and_single_images_train(name: str):
    """Channels without variance, all black and all white, one image: finite, and so are the gradients."""
    shape = (1, 4, 4)
    density = models.recipe_of(name, shape).build(shape, **zoo.SMALL_IMAGES[name])
    for x in (torch.zeros(4, *shape), torch.full((4, *shape), 255.0), torch.full((1, *shape), 255.0)):
        density.initialize(x)
        for mode in (density.train(), density.eval()):
            log_p = mode.log_prob(x)
            assert torch.isfinite(log_p).all()
            density.zero_grad()
            log_p.sum().backward()
            assert all(torch.isfinite(p.grad).all() for p in density.parameters() if p.grad is not None)
    assert not density.sample(2).isnan().any()
