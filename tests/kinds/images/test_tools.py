"""fit, report, score, interpolate and edit images on the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fluvial
from fluvial.interfaces.cli import main


def spots(n: int, seed: int, bright: bool = True) -> np.ndarray:
    rng = np.random.default_rng(seed)
    at = np.arange(8)
    centres = rng.uniform(2, 6, (n, 2, 1))
    up, across = (np.exp(-0.5 * ((at - c) / 1.2) ** 2) for c in centres.transpose(1, 0, 2))
    return ((250 if bright else 90) * up[:, :, None] * across[:, None, :] + rng.uniform(0, 5, (n, 8, 8))).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted run, its images, and folders of bright and of dark ones."""
    path = tmp_path_factory.mktemp("tools")
    both = np.concatenate([spots(150, 0), spots(150, 1, bright=False)])
    np.save(path / "spots.npy", both)
    for name, images in (("bright", spots(12, 2)), ("dark", spots(12, 3, bright=False))):
        (path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(path / name / f"{i:02d}.png")
    options = ["--model", "glow", "--set", "steps=2", "--set", "width=16", "--set", "levels=1"]
    assert main(["fit", str(path / "spots.npy"), *options, "--epochs", "12", "--out", str(path / "run")]) == 0
    return path


def test_fit_writes_the_report(folder: Path):
    page = (folder / "run" / "report.html").read_text()
    assert "bits per dimension" in page
    assert (folder / "run" / "figures" / "samples.png").exists()


def test_interpolate_writes_a_strip_between_the_ends(folder: Path, capsys: pytest.CaptureFixture):
    ends = [str(folder / name / "00.png") for name in ("bright", "dark")]
    assert main(["interpolate", str(folder / "run"), *ends, "-n", "5", "-o", str(folder / "way.png")]) == 0
    assert capsys.readouterr().out.strip().endswith("way.png")
    strip = np.asarray(Image.open(folder / "way.png"))
    scale = (strip.shape[0]) // 8
    assert strip.shape[1] == 5 * 8 * scale + 4 * 2
    assert np.array_equal(strip[::scale, : 8 * scale : scale], np.asarray(Image.open(ends[0])))
    assert np.array_equal(strip[::scale, -8 * scale :: scale], np.asarray(Image.open(ends[1])))


def test_edit_makes_dark_spots_bright(folder: Path, capsys: pytest.CaptureFixture):
    examples = ["--positives", str(folder / "bright"), "--negatives", str(folder / "dark")]
    image, out = str(folder / "dark" / "00.png"), folder / "strip.png"
    assert main(["edit", str(folder / "run"), image, *examples, "-n", "3", "-o", str(out)]) == 0
    assert "chance alone makes it" in capsys.readouterr().err
    model = fluvial.load(folder / "run")
    found = model.attribute(folder / "bright", folder / "dark")
    less, same, more = model.edit(image, found, [-1.0, 0.0, 1.0]).astype(int)
    assert np.array_equal(same, np.asarray(Image.open(image)))
    assert less.sum() < same.sum() < more.sum()


def test_score_tells_foreign_images(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8))
    for name, source in (("noise", tmp_path / "noise.npy"), ("known", folder / "bright")):
        run = str(folder / "run")
        assert main(["score", run, str(source), "-o", str(tmp_path / f"{name}.csv"), "--background", run]) == 0
    noise, known = (list(csv.DictReader((tmp_path / f"{n}.csv").open())) for n in ("noise", "known"))
    assert all(float(row["p_value"]) < 0.1 for row in noise)
    assert np.median([float(row["p_value"]) for row in known]) > 0.1
    assert all(float(row["background_excess_bits"]) == 0 for row in known)  # the yardstick is the model itself


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["interpolate", "{run}", "{image}", "{image}", "-n", "1"], "expected at least 2 images"),
        (["interpolate", "{run}", "{image}", "missing.png"], "missing.png"),
        (["interpolate", "{run}", "{image}", "{image}", "-o", "strip.jpg"], "written as a .png file"),
        (["edit", "{run}", "{image}", "--positives", "{bright}", "--negatives", "nowhere"], "nowhere"),
        (["edit", "{run}", "{bright}", "--positives", "{bright}", "--negatives", "{bright}"], "expected one image"),
    ],
)
def test_mistakes_get_sentences(folder: Path, capsys: pytest.CaptureFixture, words: list[str], sentence: str):
    names = {"run": folder / "run", "image": folder / "dark" / "00.png", "bright": folder / "bright"}
    assert main([word.format(**names) for word in words]) == 2
    assert sentence in capsys.readouterr().err
