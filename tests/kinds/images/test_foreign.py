from dataclasses import replace

import numpy as np
import pytest
import torch

from fluvial.core import RunError, UsageError
from fluvial.kinds.images.foreign import foreignness
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.schema import ImageSchema
from fluvial.models import build

SHAPE = (1, 8, 8)


def textures(n: int, seed: int, spread: float = 20.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(128, spread, (n, *SHAPE))
    return noise.clip(0, 255).astype(np.uint8)


def model_of(x: np.ndarray, bits: int = 8) -> ImageModel:
    """Glow as initialised by the images: each number of each scale with their mean and variance."""
    torch.manual_seed(0)
    density = build({"model": "glow", "event_shape": SHAPE, "options": {"steps": 1, "width": 8, "bits": bits}})
    density.initialize(torch.from_numpy(x).float())
    fitted = ImageModel(density.eval(), ImageSchema(SHAPE, bits, {}), {})  # pyright: ignore
    held_out = textures(200, 1)
    return replace(fitted, rows={"held_out.pixels": held_out, "held_out.log_prob": fitted.log_prob_pixels(held_out)})


def test_flat_images_look_likely_and_are_found_foreign():
    model = model_of(textures(500, 0))
    flat = np.full((3, *SHAPE), 128, dtype=np.uint8)
    fresh = textures(100, 2)
    of_flat, of_fresh = (foreignness(model, x, model.log_prob_pixels(x)) for x in (flat, fresh))
    assert model.log_prob_pixels(flat).min() > model.rows["held_out.log_prob"].max()
    assert of_flat.deviation.min() > 3
    assert of_flat.p_value.max() == of_flat.p_value.min() == pytest.approx(2 / 201)
    assert of_flat.compressor.p_value.max() == pytest.approx(1 / 201)
    assert (of_fresh.p_value < 0.05).mean() < 0.15
    assert of_fresh.background is None
    assert set(of_fresh.columns()) == {"deviation", "p_value", "excess_bits", "excess_p_value"}


def test_a_background_model_judges_too():
    model, background = model_of(textures(500, 0)), model_of(textures(500, 3, spread=60.0))
    rough, fresh = textures(50, 4, spread=60.0), textures(50, 5)
    views = [foreignness(model, x, model.log_prob_pixels(x), None, background) for x in (rough, fresh)]
    assert views[0].background is not None
    assert views[1].background is not None
    assert views[0].background.p_value.max() == pytest.approx(1 / 201)
    assert (views[1].background.p_value < 0.05).mean() < 0.2
    assert "background_excess_bits" in views[0].columns()


def test_other_images_and_missing_ones_get_sentences():
    model = model_of(textures(500, 0))
    x = textures(2, 0)
    with pytest.raises(UsageError, match="of 8 bits, got one of"):
        foreignness(model, x, model.log_prob_pixels(x), None, replace(model, schema=ImageSchema(SHAPE, 5, {})))
    with pytest.raises(UsageError, match="its labels, digit, are not those"):
        foreignness(
            model, x, model.log_prob_pixels(x), None, replace(model, schema=ImageSchema(SHAPE, 8, {"digit": ("1",)}))
        )
    with pytest.raises(RunError, match="no held-out images to compare with"):
        foreignness(replace(model, rows={}), x, model.log_prob_pixels(x))
