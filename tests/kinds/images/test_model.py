"""A fitted model of images: scores of an image alone, both directions, files."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from fluvial import models
from fluvial.core import Flow
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.kinds.images.model import ImageModel, pixel_noise, write_samples
from fluvial.kinds.images.schema import ImageSchema
from fluvial.models import continuous
from fluvial.training import Settings
from fluvial.training.saved import load_run

RNG = np.random.default_rng(0)
SIZES = {"train": 3, "held_out": 0, "parameters": 1}
SCORES = {"held_out": None, "histogram": None}


def model(channels=1, options=None, name="glow", context=None, seed=0):
    torch.manual_seed(seed)
    shape = (channels, 4, 6)
    config = {
        "model": name,
        "event_shape": list(shape),
        "options": {"bits": 8, **({"levels": 1, "steps": 2, "width": 4} if options is None else options)},
        "context_shape": [1] if context else None,
        "context": [{"categories": len(context)}] if context else None,
    }
    density = models.build(config)
    assert isinstance(density, Flow)
    for p in density.parameters():
        p.data += 0.05 * torch.randn_like(p)
    known = {"label": tuple(context)} if context else {}
    record = {"model": config, "version": "0", "command": "", "seed": 0, "holdout": 0.1, "exact": False}
    record |= {"settings": asdict(Settings()), "versions": {}, "warnings": [], "sizes": SIZES, "scores": SCORES}
    record["training"] = {"seconds": 1.0, "epochs": 1, "steps": 1, "best_epoch": 1, "skipped": 0}
    return ImageModel(density.eval(), ImageSchema(shape, 8, known), record)


def pictures(n, channels=1):
    return RNG.integers(0, 256, (n, 4, 6) if channels == 1 else (n, 4, 6, channels), dtype=np.uint8)


def test_an_images_score_does_not_depend_on_its_neighbours():
    m, x = model(), pictures(150)
    scores = m.score(x).log_prob
    assert np.allclose(m.score(x[::-1]).log_prob[::-1], scores, atol=1e-3)
    assert m.score(x[140]).log_prob[0] == pytest.approx(scores[140], abs=1e-3)
    assert m.score(x, seed=1).log_prob[0] != scores[0]
    assert np.array_equal(m.score(x).log_prob, scores)


def test_the_score_is_a_fair_draw_of_the_bound():
    """Over many seeds its mean is that of the density's own noise."""
    m, x = model(), pictures(1)
    with torch.no_grad():
        own = m.density.log_prob(torch.from_numpy(x[:, None].astype(np.float32)).expand(4000, -1, -1, -1)).numpy()
    ours = np.array([m.score(x, seed=s).log_prob[0] for s in range(400)])
    assert abs(ours.mean() - own.mean()) < 4 * math.hypot(ours.std() / 20, own.std() / math.sqrt(4000))


def test_the_density_behind_the_noise_is_the_same_one():
    for name, options in (
        ("glow", None),
        ("realnvp", {"scales": 1, "blocks": 1, "width": 4}),
        ("flowpp", {"width": 4}),
    ):
        for context in (None, "ab"):
            m = model(name=name, options=options, context=context)
            behind = continuous(m.density)
            assert behind is not None
            x, given = (
                torch.randint(0, 256, (3, 1, 4, 6)).float(),
                torch.tensor([[0.0], [1.0], [1.0]]) if context else None,
            )
            torch.manual_seed(5)
            want = m.density.log_prob(x, given)
            torch.manual_seed(5)
            assert torch.equal(behind.log_prob(x + torch.rand_like(x), given), want)
            assert {id(p) for p in behind.parameters()} == {id(p) for p in m.density.parameters()}
    learned = model(name="flowpp", options={"width": 4, "noise_couplings": 1})
    assert continuous(learned.density) is None
    assert np.isfinite(learned.score(pictures(3)).log_prob).all()
    assert continuous(models.build({"model": "nsf", "event_shape": [3]})) is None


def test_noise_is_uniform_and_of_the_image_and_the_seed():
    x = RNG.integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    u = pixel_noise(x, 0)
    assert (u.min() >= 0, u.max() < 1) == (True, True)
    assert u.mean() == pytest.approx(0.5, abs=0.01)
    assert u.var() == pytest.approx(1 / 12, abs=0.003)
    assert np.array_equal(pixel_noise(x[7:9], 0), u[7:9])
    assert not np.array_equal(pixel_noise(x, 1), u)


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_and_images_are_each_others_inverse(channels):
    m, x = model(channels, context="ab"), pictures(5, channels)
    z = m.encode(x, {"label": "b"})
    assert (z.shape, z.dtype) == ((5, 24 * channels), np.float32)
    assert np.array_equal(m.decode(z, {"label": "b"}), x)
    assert np.array_equal(m.encode(x[2], {"label": "b"})[0], m.encode(x[2:3], {"label": "b"})[0])
    with pytest.raises(UsageError, match=r"z: expected shape \(N, "):
        m.decode(z[:, 1:], {"label": "b"})
    with pytest.raises(DataError, match="'label' is missing"):
        m.decode(z)


def test_samples_are_of_the_seed_and_the_temperature():
    m = model(3)
    first = m.sample(70, seed=4)
    assert (first.shape, first.dtype) == ((70, 4, 6, 3), np.uint8)
    assert np.array_equal(m.sample(70, seed=4), first)
    assert not np.array_equal(m.sample(70, seed=5), first)
    torch.manual_seed(0)
    a, b = m.sample(3), m.sample(3)
    torch.manual_seed(0)
    assert np.array_equal(m.sample(3), a)
    assert not np.array_equal(a, b)
    assert m.sample(200, temperature=0.2, seed=0).std(0).mean() < m.sample(200, seed=0).std(0).mean()
    with pytest.raises(UsageError, match="temperature"):
        m.sample(2, temperature=-1.0)
    with pytest.raises(UsageError, match="n: expected a number of images"):
        m.sample(0)


def test_draws_that_are_not_finite_are_drawn_again_or_told(monkeypatch):
    m = model()
    monkeypatch.setattr(ImageModel, "_draw", lambda self, n, *_: torch.full((n, 1, 4, 6), math.nan))
    with pytest.raises(RunError, match="were not finite"):
        m.sample(2, seed=0)


def test_images_of_another_kind_are_made_to_fit():
    m = model(3)
    grey = m.score(pictures(2)[..., None])
    assert grey.warnings[0] == "grey, taken as colour"
    assert np.isfinite(grey.log_prob).all()
    assert m.score(np.zeros((3, 4, 6), dtype=np.uint8)).log_prob.shape == (1,)  # one image, its channels first
    assert model(1).score(pictures(2, 3)).warnings[0] == "colour, taken as grey"


def test_files(tmp_path):
    m = model(context="ab")
    m = ImageModel(m.density, m.schema, m.record, [], {"contexts": np.zeros((3, 1))})
    m.save(tmp_path / "run")
    from fluvial import load

    again = load(tmp_path / "run")
    x = pictures(3)
    assert np.array_equal(again.log_prob(x, {"label": "a"}), m.log_prob(x, {"label": "a"}))
    assert np.array_equal(again.sample(3, seed=0), m.sample(3, seed=0))
    with pytest.raises(RunError, match="holds a finished run"):
        m.save(tmp_path / "run")
    saved = load_run(tmp_path / "run")
    saved.config["schema"]["shape"] = [1, 6, 4]
    from fluvial.kinds.images.saved import restore

    with pytest.raises(RunError, match="not one of the images in its schema"):
        restore(saved, tmp_path / "run")
    assert write_samples(tmp_path / "a.png", x) == [tmp_path / "a.png"]
    assert [p.name for p in write_samples(tmp_path / "many", x)] == [f"sample-{i:03d}.png" for i in range(3)]
    assert np.array_equal(again.log_prob(tmp_path / "many", {"label": "b"}), m.log_prob(x, {"label": "b"}))
    with pytest.raises(DataError, match=r"one .png file, or into a folder"):
        write_samples(tmp_path / "a.jpg", x)
