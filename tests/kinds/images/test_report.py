"""The report on a model of images: its numbers, its page, and what it says of models that are broken on purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fluvial.core import RunError
from fluvial.examine.verdict import worst
from fluvial.kinds.images.diagnose import ImageDiagnosis, diagnose_image, scale_sizes
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.schema import ImageSchema
from fluvial.kinds.images.verdict import judge_image
from fluvial.kinds.report import write_report
from fluvial.models import build


def blobs(n: int, seed: int, channels: int) -> np.ndarray:
    """A smooth spot anywhere on black, (n, channels, 8, 8) uint8."""
    rng = np.random.default_rng(seed)
    at = np.arange(8)
    centres = rng.uniform(2, 6, (n, 2, 1))
    up, across = (np.exp(-0.5 * ((at - c) / 1.2) ** 2) for c in centres.transpose(1, 0, 2))
    grey = (255 * up[:, :, None] * across[:, None, :]).astype(np.uint8)
    return grey[:, None].repeat(channels, 1)


@pytest.fixture(scope="module", params=["glow", "labelled", "multiscale"])
def model(request: pytest.FixtureRequest) -> ImageModel:
    labelled = request.param == "labelled"
    name = "multiscale" if request.param == "multiscale" else "glow"
    shape = (3 if labelled else 1, 8, 8)
    config = {
        "model": name,
        "event_shape": shape,
        "context_shape": (1,) if labelled else None,
        "context": [{"categories": 2}] if labelled else None,
        "options": {"steps": 2, "width": 16} if name == "glow" else {"width": 8, "hidden": 32},
    }
    torch.manual_seed(0)
    density = build(config)
    train, held_out = blobs(600, 0, shape[0]), blobs(120, 1, shape[0])
    x = torch.from_numpy(train).float()
    labels = [(v[:, 0, :, :4].sum((1, 2)) > v[:, 0, :, 4:].sum((1, 2)))[:, None] for v in (train, held_out)]
    context = [torch.from_numpy(v).float() if labelled else None for v in labels]
    density.initialize(x[:256], None if context[0] is None else context[0][:256])
    optimizer = torch.optim.Adam(density.parameters(), lr=5e-3)
    for _ in range(60):
        i = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        (-density(x[i], None if context[0] is None else context[0][i]).mean()).backward()
        torch.nn.utils.clip_grad_norm_(density.parameters(), 50.0)
        optimizer.step()
    density.eval()
    schema = ImageSchema(shape, 8, {"side": ("left", "right")} if labelled else {})
    record = {"model": config, "seed": 0, "versions": {"fluvial": "test"}, "sizes": {"train": 600}}
    names = ("train.context", "held_out.context")
    rows = {"train.pixels": train, "held_out.pixels": held_out}
    rows |= {k: v.numpy() for k, v in zip(names, context) if v is not None}
    metrics = [
        {"ended": True, "epoch": e, "train": 300.0 - e, "held_out": 300.0 - e, "best_epoch": 2} for e in range(3)
    ]
    fitted = ImageModel(density, schema, record, metrics, rows)  # pyright: ignore
    return replace(fitted, rows={**rows, "held_out.log_prob": fitted.log_prob_pixels(held_out, context[1])})


@pytest.fixture(scope="module")
def diagnosis(model: ImageModel) -> ImageDiagnosis:
    return diagnose_image(model)


def test_numbers_are_of_the_images(model: ImageModel, diagnosis: ImageDiagnosis):
    d, shape = diagnosis, model.schema.shape
    assert 0 < d.bits.mean() < 8
    assert d.histogram == pytest.approx(_entropy(d.held_out), rel=0.1)
    assert d.samples.shape == d.cool.shape == (120, *shape)
    assert d.bad_samples == 0
    halves = [model.schema.numbers // 2] * 2
    assert [s.numbers for s in d.scales] == ([] if model.exact else halves)
    assert model.exact or scale_sizes(model.density) == halves
    assert all(0 <= s.distance <= 1 for s in d.scales)
    assert np.array_equal(d.ways[0, [0, -1]], d.held_out[:2])
    assert d.round_trip.failed == d.round_trip_of_samples.failed == 0
    assert d.neighbours.shape == (10, *shape)
    distances = np.square(d.samples[0].astype(float) - model.rows["train.pixels"]).sum((1, 2, 3))
    assert np.array_equal(d.neighbours[0], model.rows["train.pixels"][distances.argmin()])


def _entropy(x: np.ndarray) -> float:
    p = np.bincount(x.ravel(), minlength=256) / x.size
    return float(-(p[p > 0] * np.log2(p[p > 0])).sum())


def test_foreign_images_are_told(diagnosis: ImageDiagnosis):
    noise = next(f for f in diagnosis.foreign if f.name == "uniform noise")
    assert noise.bits.min() > diagnosis.bits.max()
    assert noise.likelier == 0
    assert noise.typicality < 0.05
    assert {f.name for f in diagnosis.foreign} == {
        "one grey throughout",
        "uniform noise",
        "shuffled pixels",
        "inverted",
    }


def test_the_page_holds_pictures_and_numbers(model: ImageModel, tmp_path: Path):
    page = write_report(model, tmp_path)[0].read_text()
    content = json.loads((tmp_path / "report.json").read_text())
    bits = content["diagnosis"]["bits_per_dimension"]
    assert f"{bits['mean']:.3f} ± {bits['standard_error']:.3f}" in page
    assert content["verdict"].keys() == {"density", "sampling", "numerics"}
    names = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert names >= {"samples", "neighbours", "training", "likelihoods", "extremes", "interpolations"}
    assert ("noise" in names) == (not model.exact)
    assert page.count("data:image/png;base64") == len(names)
    assert "http" not in page.replace("http-equiv", "")


def test_a_model_that_repeats_its_training_images_is_caught(diagnosis: ImageDiagnosis):
    near = replace(diagnosis.memorisation, closer=1.0, samples=0.01 * diagnosis.memorisation.samples)
    checks = judge_image(replace(diagnosis, memorisation=near))
    assert any("repeats them" in c.sentence and c.level == "fail" for c in checks)


def test_broken_numbers_are_failures(diagnosis: ImageDiagnosis):
    lost = replace(diagnosis.round_trip, failed=12)
    assert worst(judge_image(replace(diagnosis, round_trip=lost)), "numerics") == "fail"
    impossible = diagnosis.bits.copy()
    impossible[3] = np.inf
    assert worst(judge_image(replace(diagnosis, bits=impossible)), "density") == "fail"
    assert worst(judge_image(replace(diagnosis, bits=diagnosis.bits + 6)), "density") == "fail"
    assert worst(judge_image(replace(diagnosis, bad_samples=1)), "sampling") == "fail"
    over = judge_image(replace(diagnosis, train_bits=diagnosis.train_bits - 3))
    assert any("overfitted" in c.sentence and c.level == "fail" for c in over)


def test_without_held_out_images_there_is_no_report(model: ImageModel, tmp_path: Path):
    rows = {k: v for k, v in model.rows.items() if not k.startswith("held_out")}
    with pytest.raises(RunError, match="fewer than 10 held-out images"):
        write_report(replace(model, rows=rows), tmp_path)
