"""VAEs of images, and models that only draw: through fit, score, sample, report, and back from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fluvial.core import Flow, Inverse, Normal, UsageError
from fluvial.core.randomness import drawing_from
from fluvial.kinds.images.model import ImageModel
from fluvial.models import VAE, build
from fluvial.models.image_gan import ImageFlowGAN, ImageGAN
from fluvial.tasks.fit import fit, load
from fluvial.training import Settings
from fluvial.transforms import Flatten
from fluvial.univariate import Gate

RNG = np.random.default_rng(0)
SMALL = {"latent": 3, "channels": [4], "hidden": 16, "samples": 4}


def spots(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright half, left or right, (n, 6, 8) uint8, and which."""
    side = RNG.integers(2, size=n)
    images = RNG.integers(0, 60, (n, 6, 8))
    images[:, :, :4] += 180 * (side == 0)[:, None, None]
    images[:, :, 4:] += 180 * (side == 1)[:, None, None]
    return images.astype(np.uint8), np.array(["left", "right"])[side]


@pytest.fixture(scope="module", params=["vae_iaf", "labelled"])
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageModel, Path, Any]:
    images, side = spots(300)
    path, name = tmp_path_factory.mktemp("run"), "vae" if request.param == "labelled" else request.param
    labels = {"labels": side} if request.param == "labelled" else {}
    model = fit(images, name, epochs=3, out=path / "run", options={**SMALL, "bits": 3}, progress=False, **labels)
    return model, path / "run", images


def test_a_vae_of_images_comes_back_and_says_bound(fitted: tuple[ImageModel, Path, Any]):
    model, path, images = fitted
    labels = {"label": "left"} if model.schema.context else None
    scores = model.score(images[:20], labels)
    assert not model.exact
    assert "upper bound, as each is an average over 4 draws" in repr(model)
    assert any("average over 4 draws" in note for note in scores.warnings)
    np.testing.assert_array_equal(load(path).score(images[:20], labels).log_prob, scores.log_prob)
    assert model.sample(3, seed=0).shape == (3, 6, 8)


def test_latent_variables_go_both_ways(fitted: tuple[ImageModel, Path, Any]):
    model, _, images = fitted
    labels = {"label": "left"} if model.schema.context else None
    z = model.encode(images[:5], labels)
    assert z.shape == (5, 3)
    assert model.decode(z, labels).shape == (5, 6, 8)
    assert model.interpolate(images[0], images[1], 4, labels).shape == (4, 6, 8)
    with pytest.raises(UsageError, match="expected shape"):
        model.decode(np.zeros((2, 48)), labels)
    with pytest.raises(UsageError, match="only the noise of a flow can be cooled"):
        model.sample(2, labels, temperature=0.5)


def test_the_report_of_a_vae_shows_reconstructions(fitted: tuple[ImageModel, Path, Any], tmp_path: Path):
    if fitted[0].schema.context:
        pytest.skip("one report is enough")
    page = fitted[0].report(tmp_path).read_text()
    assert "what the latent variables keep" in page
    assert "Round trip" not in page


@pytest.mark.parametrize("bits", [1, 2])
def test_pixels_of_few_bits_sum_to_one_given_latent_variables(bits: int):
    model = build({"model": "vae", "event_shape": [1, 1, 2], "options": {**SMALL, "bits": bits}})
    assert isinstance(model, VAE)
    values = torch.cartesian_prod(*[torch.arange(2.0**bits)] * 2).view(-1, 1, 1, 2)
    z = torch.randn(1, 3).expand(len(values), -1)
    with torch.no_grad():
        assert model.likelihood.log_prob(values, z).exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 7, 5), (1, 20, 28)])
def test_images_of_any_size_go_through(shape: tuple[int, int, int]):
    model = build({"model": "vae_iaf", "event_shape": shape, "options": {"hidden": 8, "width": [8], "bits": 8}})
    x = torch.randint(256, (4, *shape)).float()
    assert model.log_prob(x).isfinite().all()
    assert model.sample(2).shape == (2, *shape)


def test_published_sizes():
    """Those of the model of MNIST: 32 variables, 16, 32, 32 maps, 450 units, 8 steps of 1,920 (Kingma et al. 2016)."""
    sizes = {"model": "vae_iaf", "event_shape": [1, 28, 28], "options": {"preset": "paper", "bits": 1}}
    with torch.device("meta"):
        vae = build(sizes)
    assert isinstance(vae, VAE)
    assert vae.prior.event_shape == (32,)
    maps = [half.out_channels for half in vae.encoder.halves]  # pyright: ignore
    assert (maps, vae.encoder.last.out_features) == ([16, 32, 32], 450)  # pyright: ignore
    steps = [step.transform for step in vae.posterior.transform if isinstance(step, Inverse)]  # pyright: ignore
    widths = [[layer.out_features for layer in step.conditioner.layers] for step in steps]
    assert widths == [[1920, 1920]] * 8
    assert all(isinstance(step.univariate, Gate) for step in steps)
    assert {step.conditioner.context_features for step in steps} == {450}


GAME = {"noise": 4, "channels": [4], "hidden": 16}


def test_a_gan_of_images_draws_and_refuses_what_needs_a_density(tmp_path: Path):
    images, side = spots(300)
    model = fit(images, "gan", labels=side, epochs=3, out=tmp_path / "run", options=GAME, progress=False)
    assert "only draws samples" in repr(model)
    drawn = model.sample(4, {"label": "left"}, seed=0)
    assert drawn.shape == (4, 6, 8)
    np.testing.assert_array_equal(load(tmp_path / "run").sample(4, {"label": "left"}, seed=0), drawn)
    for ask in (lambda: model.score(images, {"label": "left"}), lambda: model.encode(images[:2], {"label": "left"})):
        with pytest.raises(UsageError, match=r"no log-density|no noise that a given image stands for"):
            ask()
    page = model.report(tmp_path / "page").read_text()
    assert "these checks are\nleft out" in page
    assert "Foreign images" not in page


def test_the_critic_sees_drawn_images_as_it_sees_given_ones():
    model = build({"model": "gan", "event_shape": [1, 6, 8], "options": {**GAME, "bits": 2}})
    assert isinstance(model, ImageGAN)
    with drawing_from(1):
        seen = model.drawn(50, None)
    with drawing_from(1):
        drawn = model.sample(50)
    torch.testing.assert_close(seen, model.seen(drawn), rtol=0, atol=1e-5)
    assert set(drawn.unique().tolist()) <= {0, 1, 2, 3}
    for layer in (model.generator.first, model.generator.doubles[0]):
        (grad,) = torch.autograd.grad(seen.square().sum(), layer.weight, retain_graph=True)
        assert grad.abs().sum() > 0


def test_a_gan_of_images_learns_what_labels_say():
    images, side = spots(600)
    settings = Settings(learning_rate=5e-3, batch_size=100)
    model = fit(images, "gan", labels=side, epochs=25, options=GAME, settings=settings, progress=False)
    left, right = (model.sample(100, {"label": name}, seed=0).astype(float) for name in ("left", "right"))
    for drawn, sign in ((left, 1), (right, -1)):
        assert sign * (drawn[:, :, :4].mean() - drawn[:, :, 4:].mean()) > 60


def test_a_gan_of_images_starts_at_the_mean_image():
    model = build({"model": "gan", "event_shape": [1, 6, 8], "options": {**GAME, "bits": 2}})
    x = (torch.arange(48).view(1, 1, 6, 8) >= 24).float() * torch.tensor([3.0, 1.0]).view(2, 1, 1, 1)
    model.initialize(x)
    with torch.no_grad():
        for p in model.generator.parameters():  # pyright: ignore
            p.zero_()
    torch.testing.assert_close(model.sample(1)[0], x.mean(0))


def test_a_flow_gan_of_images_learns_by_its_critic_and_keeps_a_bound():
    images, _ = spots(300)
    options = {"transforms": 2, "width": [16], "channels": [4], "hidden": 16}
    asked = {"epochs": 5, "settings": Settings(learning_rate=1e-2), "progress": False}
    fits = [fit(images, "flow_gan", options={**options, "weight": w}, **asked) for w in (0.0, 1.0)]
    assert not fits[1].exact
    alone, beside = (float(model.log_prob(images).mean()) for model in fits)
    assert beside > alone + 5
    game = fits[0].density
    with drawing_from(1):
        seen = game.drawn(20, None)  # pyright: ignore
    with drawing_from(1):
        torch.testing.assert_close(seen, game.seen(game.sample(20)), rtol=0, atol=1e-5)  # pyright: ignore
    grads = torch.autograd.grad(seen.square().sum(), list(game.transform.parameters()))  # pyright: ignore
    assert any(g.abs().sum() > 0 for g in grads)
    with pytest.raises(ValueError, match="begins with Dequantize"):
        ImageFlowGAN(Flow(Flatten((1, 6, 8)), Normal((48,)), (1, 6, 8)), game.critic, 1.0, 256)  # pyright: ignore
