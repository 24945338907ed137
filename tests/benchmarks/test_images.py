"""The rows of images: figures in every unit agree, uniform noise has 8 bits, resuming, and pieces of an epoch."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.images import likelihood, rows
from benchmarks.images.pictures import Pictures
from benchmarks.images.pieces import Pieces
from fluvial import models
from fluvial.core import Chain, Flow, Uniform
from fluvial.training import Settings
from fluvial.transforms import Dequantize, Standardize


def row(logit: bool) -> rows.Row:
    options = {"transforms": 1, "hidden": (8,)} if logit else {"levels": 1, "steps": 1, "width": 4}
    return rows.Row(
        "digits",
        "maf" if logit else "glow",
        options,
        Settings(batch_size=8, patience=99),
        unit="nats",
        logit=logit,
        piece=64,
    )


def test_bits_of_a_logit_convert_into_bits_of_pixels():
    """The MAF paper's formula and the density of pixels itself give the same number."""
    torch.manual_seed(0)
    chosen, x = row(True), torch.randint(0, 256, (50, 16))
    density = chosen.build((16,))
    assert isinstance(density, Flow)
    found = likelihood.figures(chosen, density, x)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        y, _ = density.transform(x)
    want = likelihood.bits_from_logit(density.base.log_prob(y), y).mean()
    assert found["bits"] == pytest.approx(want.item(), abs=2e-3)
    assert found["nats"] == pytest.approx(density.base.log_prob(y).mean().item(), abs=2e-3)


def test_uniform_pixels_have_eight_bits_and_zero_nats():
    x = torch.randint(0, 256, (9, 12))
    scale = Standardize(torch.tensor(0.0), torch.tensor(256.0))
    density = Flow(Chain(Dequantize(levels=256), scale), Uniform((12,)), (12,))
    log_p = density.log_prob(x)
    torch.testing.assert_close(likelihood.bits_per_dim(log_p, 12), torch.full((9,), 8.0))
    torch.testing.assert_close(likelihood.unit_nats(log_p, 12), torch.zeros(9), atol=1e-4, rtol=0)


def test_a_piece_is_part_of_the_rows_and_changes():
    rows = Pieces(torch.arange(100).unsqueeze(1), None, 20)
    first, second = (torch.cat(rows.batches(torch.randperm(100), 8)) for _ in range(2))
    assert rows.count() == len(set(first.tolist())) == 20
    assert set(first.tolist()) != set(second.tolist())


@pytest.mark.parametrize("logit", [True, False])
def test_a_row_is_run_and_noted(logit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = Pictures(*(torch.randint(0, 256, (n, 1, 4, 4), dtype=torch.uint8) for n in (80, 20, 20)))
    monkeypatch.setitem(likelihood.ROWS, "small", row(logit))
    monkeypatch.setattr(rows.pictures, "load", lambda name: data)
    common = {"budget": 0.5, "device": "cpu", "checkpoints": tmp_path, "records": tmp_path, "test": True}
    likelihood.run("small", **common, piece=0.0)
    assert not (tmp_path / "images-small.json").exists()
    likelihood.run("small", **common)
    likelihood.run("small", **common, seed=1)
    runs = json.loads((tmp_path / "images-small.json").read_text())["runs"]
    assert [r["settings"]["seed"] for r in runs] == [0, 1]
    for r in runs:
        steps = [point["step"] for point in r["curve"]]
        assert steps == sorted(steps)
        assert math.isfinite(r["test"]["bits"])
        assert math.isfinite(r["test"]["nats"])


def test_equal_compute_is_a_number_of_steps():
    density = models.glow((1, 4, 4), levels=1, steps=1, width=4)
    digits = Pieces(torch.randint(0, 256, (640, 1, 4, 4)), None, 64)
    piece, settings = likelihood.counted(density, digits, Settings(batch_size=8), 0.4)
    assert settings.epochs
    assert settings.epochs >= 8
    assert piece.piece % 8 == 0
