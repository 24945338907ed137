"""Fitting images: what is learnt, what the record says, resuming bit for bit, and sentences."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fluvial
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.kinds.images import read as images
from fluvial.kinds.images.read import read_images
from fluvial.kinds.origin import Origin
from fluvial.training import Settings

TINY = {"levels": 1, "steps": 1, "width": 4}
DATA = Path(os.environ.get("FLUVIAL_DATA", Path(__file__).parents[3] / "shared" / "data"))


def blobs(n=120, height=6, width=4, seed=0):
    """Light spots on dark ground, left ones first."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 30, (n, height, width))
    x[: n // 2, 2:4, 0:2] += 150
    x[n // 2 :, 2:4, 2:4] += 150
    return x.astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for i, image in enumerate(blobs()):
        path = tmp_path / "data" / ("left" if i < 60 else "right") / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "data"


def fit(data, model="glow", **arguments):
    arguments = {"epochs": 1, "options": TINY, "progress": False, **arguments}
    return fluvial.fit(data, model, **arguments)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("nice", {"width": 8, "layers": 1}),
        ("realnvp", {"scales": 1, "blocks": 1, "width": 4}),
        ("glow", TINY),
        ("flowpp", {"couplings": [1, 1, 1], "width": 4, "components": 2}),
        ("flowpp", {"couplings": [1, 1, 1], "width": 4, "components": 2, "noise_couplings": 1}),
        ("multiscale", {"width": 4, "components": 2, "hidden": 8}),
    ],
)
def test_every_model_fits_scores_and_draws(model, options, channels):
    data = blobs(40)
    data = data if channels == 1 else np.stack([data] * 3, 3)
    fitted = fit(data, model, options=options)
    scores = fitted.score(data[:3])
    assert np.isfinite(scores.log_prob).all()
    assert np.allclose(scores.values, -scores.log_prob / (channels * 24 * math.log(2)))
    assert fitted.sample(2, seed=0).shape == data[:2].shape
    assert fitted.exact == (model == "multiscale")
    z = fitted.encode(data[:3])
    assert z.shape == (3, channels * 24)
    assert np.array_equal(fitted.decode(z), data[:3])


def test_the_record_says_how_and_how_well():
    seen = []
    model = fit(blobs(), epochs=2, seed=3, progress=seen.append, origin=Origin("fluvial fit x"))
    record = model.record
    sizes = {"train": 96, "validation": 12, "held_out": 12}
    assert record["sizes"] == {**sizes, "parameters": record["sizes"]["parameters"]}
    assert (record["seed"], record["command"], record["augmentation"], record["exact"]) == (
        3,
        "fluvial fit x",
        [],
        False,
    )
    held_out = record["scores"]["held_out"]
    kept = model.rows["held_out.log_prob"]
    unit = 24 * math.log(2)
    assert held_out["bits_per_dimension"] == pytest.approx(-kept.mean() / unit)
    assert held_out["standard_error"] == pytest.approx(kept.std() / unit / math.sqrt(12))
    assert held_out["bits_per_dimension"] == pytest.approx(min(r.held_out for r in seen if r.ended) / unit, abs=0.3)
    again = model.log_prob(model.schema.decode(model.rows["held_out.pixels"]))
    assert np.allclose(again, kept, atol=1e-3)
    everything = np.concatenate((model.rows["train.pixels"], model.rows["held_out.pixels"]))
    assert len(set(map(bytes, everything))) == 108  # those that stopped the training are not kept
    assert set(map(bytes, everything)) < set(map(bytes, blobs()[:, None]))
    share = np.bincount(model.rows["train.pixels"].ravel(), minlength=256) + 1
    share = share / share.sum()
    want = -np.log2(share)[model.rows["held_out.pixels"]].mean()
    assert record["scores"]["histogram"] == pytest.approx(want)


def test_it_learns_to_beat_the_histogram():
    rng = np.random.default_rng(0)
    flat = (rng.integers(0, 240, (400, 1, 1)) + rng.integers(0, 9, (400, 6, 4))).astype(np.uint8)
    settings = Settings(epochs=25, learning_rate=1e-2, batch_size=40)
    model = fit(flat, options={"levels": 1, "steps": 2, "width": 8}, settings=settings, epochs=None)
    scores = model.record["scores"]
    assert scores["histogram"] > 7.5
    assert scores["held_out"]["bits_per_dimension"] < 6.5


def test_labels_condition_the_model(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(160):
        path = tmp_path / ("dark", "light")[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((100 * (i % 2) + rng.integers(50, 90, (6, 4))).astype(np.uint8)).save(path)
    settings = Settings(epochs=30, learning_rate=2e-2, batch_size=20)
    model = fit(tmp_path, labels="folder", settings=settings, epochs=None)
    assert model.schema.context == {"label": ("dark", "light")}
    assert set(model.rows["contexts"].ravel().tolist()) == {0.0, 1.0}
    own, wrong = (model.score(tmp_path / "dark", {"label": word}) for word in ("dark", "light"))
    assert own.log_prob.mean() > wrong.log_prob.mean() + 5
    assert np.allclose(model.score(tmp_path).log_prob[:80], own.log_prob, atol=1e-2)
    dark, light = (model.sample(50, {"label": word}, seed=0).mean() for word in ("dark", "light"))
    assert dark + 50 < light
    assert model.sample(5, seed=0).shape == (5, 6, 4)
    for bad, sentence in (({"label": "up"}, "never seen; it knows dark, light"), ({"size": 1}, "no label 'size'")):
        with pytest.raises(DataError, match=sentence):
            model.sample(2, bad)
    plain = fit(tmp_path)
    with pytest.raises(UsageError, match="labels: this model is given none"):
        plain.score(tmp_path, "folder")
    with pytest.raises(UsageError, match="given nothing"):
        plain.sample(2, {"label": "left"})


def test_mirror_images_are_stated_wherever_scores_are():
    model = fit(blobs(), flip=True)
    assert model.schema.flipped
    assert model.record["augmentation"] == ["horizontal flip"]
    assert all(m["augmentation"] == ["horizontal flip"] for m in model.metrics)


def test_fewer_bits():
    model = fit(blobs(), options={**TINY, "bits": 5})
    assert model.rows["train.pixels"].max() < 32
    assert model.schema.bits == 5
    assert set(np.unique(model.sample(4, seed=0)).tolist()) <= {round(v * 255 / 31) for v in range(32)}
    with pytest.raises(UsageError, match=r"bits: .* 1 to 8, got 9"):
        fit(blobs(), options={**TINY, "bits": 9})


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("held", [1 << 29, 0])
def test_a_fit_that_stopped_resumes_to_the_same_bits(folder, tmp_path, monkeypatch, held):
    monkeypatch.setattr(images, "_HELD", held)

    def fitted(out, resume=False, until=10**9, **arguments):
        def progress(record):
            if record.epoch >= until:
                raise StoppedError

        arguments = {"labels": "folder", "flip": True, **arguments}
        return fit(folder, epochs=4, out=out, resume=resume, progress=progress, **arguments)

    whole = fitted(tmp_path / "whole")
    with pytest.raises(StoppedError):
        fitted(tmp_path / "run", until=2)
    with pytest.raises(RunError, match="other training rows"):
        fitted(tmp_path / "run", resume=True, flip=False)
    resumed = fitted(tmp_path / "run", resume=True)
    for a, b in zip(whole.density.parameters(), resumed.density.parameters()):
        assert torch.equal(a, b)
    loaded = fluvial.load(tmp_path / "run")
    assert loaded.schema == resumed.schema
    assert np.array_equal(loaded.log_prob(folder), resumed.log_prob(folder))
    assert np.array_equal(fitted(tmp_path / "run", resume=True).log_prob(folder), loaded.log_prob(folder))
    assert loaded.metrics == resumed.metrics


def test_sizes_that_a_model_cannot_halve_get_a_sentence_with_one_that_it_can():
    with pytest.raises(UsageError, match=r"can be halved 0 times; .*; --size 6x4 does so"):
        fit(blobs(height=5, width=7))
    model = fit(blobs(height=5, width=7), size=(6, 4))
    assert model.schema.shape == (1, 4, 6)
    assert model.record["warnings"] == ["cropped at the centre and resized to 6 x 4: all 120"]
    assert np.isfinite(model.log_prob(blobs(3, 9, 9))).all()
    with pytest.raises(DataError, match="the model's images are 4 x 6"):
        fit(blobs()).score(blobs(3, 6, 5))


def test_a_large_image_that_cannot_be_halved_gets_a_sentence():
    with pytest.raises(UsageError, match=r"of 101 x 67 cannot be halved.*; --size 66x100 does so"):
        fit(np.zeros((3, 101, 67), dtype=np.uint8), None, options={})


def test_mistakes_get_sentences(folder):
    for arguments, sentence in (
        ({"data": blobs()[:1]}, "one image is not enough"),
        ({"context": ["label"]}, "leave out label"),
        ({"holdout": 0.7}, "share of the images"),
        ({"model": "maf"}, "maf is a model of tables; for images there is flow_gan, flowpp, gan"),
        ({"model": "gloww"}, "did you mean 'glow'"),
        ({"options": {"widht": 3}}, "width"),
        ({"rate": 3}, "rate is about sound; this is about images"),
        ({"drop_missing": True}, "drop_missing is about tables"),
        ({"labels": "colour"}, "labels: expected 'folder'"),
    ):
        with pytest.raises((UsageError, DataError), match=sentence):
            fit(**{"data": folder, **arguments})
    with pytest.raises(UsageError, match="glow is a model of images: give an image file"):
        fit(np.zeros((20, 3)))


def test_images_without_held_out_ones():
    model = fit(blobs(), holdout=0.0)
    assert model.record["scores"] == {"held_out": None, "histogram": None}
    assert "held_out.pixels" not in model.rows


@pytest.mark.skipif(not (DATA / "mnist").exists(), reason="the data folder is not here")
def test_digits_and_their_labels():
    digits = read_images(DATA / "mnist" / "t10k-images-idx3-ubyte.gz", labels="labels").take(np.arange(1000))
    model = fit(digits, None, options={"width": 8}, epochs=1)
    assert model.schema.context == {"label": tuple("0123456789")}
    scores = model.record["scores"]
    assert model.exact
    assert scores["held_out"]["bits_per_dimension"] < scores["histogram"]
    assert model.sample(3, {"label": "7"}, seed=0).shape == (3, 28, 28)
