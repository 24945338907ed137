"""Models by name, from plain JSON."""

from __future__ import annotations

import json

import pytest
import torch

from fluvial import models
from fluvial.core import UsageError


def test_build_from_json():
    config = json.loads(
        json.dumps(
            {
                "model": "nsf",
                "event_shape": [2],
                "context_shape": [2],
                "options": {"transforms": 2, "hidden": [8, 8]},
                "columns": [{"lower": 0.0, "scale": 2.0}, {"step": 1.0}],
                "context": [{"categories": 3}, {"location": 5.0}],
            }
        )
    )
    density = models.build(config)
    assert not density.exact
    context = torch.tensor([[2.0, 5.5]]).expand(6, -1)
    x = density.sample(6, context)
    assert x.dtype == torch.float64
    assert (x[:, 0] > 0).all()
    assert torch.equal(x[:, 1], x[:, 1].round())
    assert torch.isfinite(density.log_prob(x, context)).all()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model": "nfs", "event_shape": [2]}, "did you mean 'nsf'"),
        ({"model": "__import__", "event_shape": [2]}, "no model named"),
        ({"model": "maf", "event_shape": [2], "options": {"transform": 3}}, "did you mean 'transforms'"),
        ({"model": "maf", "event_shape": [2], "options": {"transforms": "many"}}, "does not fit; its default is 5"),
        ({"model": "maf", "event_shape": [2], "options": {"transforms": 0}}, "at least 1"),
        ({"model": "maf", "event_shape": [2], "options": {"hidden": []}}, "does not fit"),
        ({"model": "maf", "event_shape": [2], "options": {"preset": "papre"}}, "did you mean 'paper'"),
        ({"model": "maf", "event_shape": [2, 2]}, r"expects \(D,\)"),
        ({"model": "maf", "event_shape": [2], "context_shape": [0]}, "C >= 1"),
        ({"model": "maf", "event_shape": [2], "options": {"activation": "os.system"}}, "os.system"),
        ({"model": "maf", "event_shape": [2], "columns": [{"lower": 0.0}]}, "1 column maps do not fit"),
        ({"model": "maf", "event_shape": [1], "columns": [{"code": "x"}]}, "code"),
    ],
)
def test_mistakes_get_sentences(config: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        models.build(config)


FLAT = [r for r in models.recipes() if r.kind != "images"]


@pytest.mark.parametrize(("model", "name"), [(r.name, p) for r in FLAT for p in r.presets])
def test_presets_build(model: str, name: str):
    density = models.build({"model": model, "event_shape": [3], "options": {"preset": name}})
    assert sum(p.numel() for p in density.parameters()) > 1000


@pytest.mark.parametrize("name", [r.name for r in FLAT])
def test_full_options_build_again(name: str):
    """What a run folder holds is every option, spelled out."""
    config = json.loads(json.dumps({"model": name, "event_shape": [3], "options": models.resolve(name, {})}))
    models.build(config)


def test_paper_sizes():
    """MAF (5) on BSDS300, two hidden layers of 512: parameters of the released code's layers, counted by hand."""
    density = models.maf((63,), **models.preset("maf", "paper"))
    one = 63 * 512 + 512 + 512 * 512 + 512 + 2 * (512 * 63 + 63) + 2 * 63
    assert sum(p.numel() for p in density.parameters()) == 5 * one
