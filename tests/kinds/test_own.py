"""A person's own density trains, scores, draws and reports like any other; saved it is by the name of its recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fluvial
from fluvial import models
from fluvial.core import Density
from fluvial.core.errors import RunError, UsageError

RNG = np.random.default_rng(0)
TABLE = {"a": RNG.normal(1e6, 3.0, 300), "b": 1e-3 * RNG.normal(size=300), "g": RNG.choice(["x", "y"], 300)}


class Independent(Density):
    """Normal columns, their means linear in the context; in torch's own words."""

    def __init__(self, features: int, context: int = 0) -> None:
        super().__init__()
        self.event_shape, self.context_shape = (features,), (context,) if context else None
        self.mean, self.log_scale = nn.Linear(context, features), nn.Parameter(torch.zeros(features))
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self._normal(x.shape[0], context).log_prob(x).sum(1)

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self._normal(n, context).sample()
        return x, self.log_prob(x, context)

    def _normal(self, n: int, context: Tensor | None) -> torch.distributions.Normal:
        mean = self.mean.bias.expand(n, -1) if context is None else self.mean(context)
        return torch.distributions.Normal(mean, self.log_scale.exp())


def independent(event_shape: tuple[int, ...], *, context_shape: tuple[int, ...] | None = None) -> Density:
    return Independent(event_shape[0], 0 if context_shape is None else context_shape[0])


@pytest.mark.parametrize("context", [None, "g"])
def test_an_object_is_fitted_in_the_units_of_the_table(context: str | None, tmp_path: Path):
    own = Independent(2, 2 if context else 0)
    model = fluvial.fit(TABLE, own, context=context or (), drop=() if context else "g", epochs=2, progress=False)
    z = (TABLE["a"] - 1e6) / 3
    exact = -0.5 * (z**2 + (1e3 * TABLE["b"]) ** 2) - np.log(2 * np.pi * 3e-3)
    assert abs(model.log_prob(TABLE) - exact).mean() < 0.2
    draws = model.sample(300, seed=0)
    assert abs(draws["a"].mean() - 1e6) < 1
    assert np.array_equal(draws["b"], model.sample(300, seed=0)["b"])
    assert "Independent: 2 columns" in repr(model)
    with pytest.raises(UsageError, match="Independent was given as an object: register its recipe"):
        model.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_registered_recipe_is_saved_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert models.register(independent).name == models.register(independent).name == "independent"
    run = tmp_path / "run"
    model = fluvial.fit(TABLE, "independent", context="g", epochs=1, progress=False, out=run)
    assert np.array_equal(fluvial.load(run).log_prob(TABLE), model.log_prob(TABLE))
    assert "independent" in model.report().read_text()
    monkeypatch.setattr(models.registry, "_registered", {})
    with pytest.raises(RunError, match=r"'independent', which is not known here.*fluvial\.models\.register\(recipe\)"):
        fluvial.load(run)


PACKAGE = """
from fluvial.models import Recipe, Training, nsf

def small(event_shape, *, width=4):
    return nsf(event_shape, transforms=1, hidden=(width,))

recipe = Recipe(small, training=Training(learning_rate=1e-4))
"""


def test_an_installed_package_names_its_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine.py").write_text(PACKAGE)
    (tmp_path / "mine-1.dist-info").mkdir()
    (tmp_path / "mine-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    points = "[fluvial.models]\nsmall = mine:recipe\nother = mine:recipe\ngone = mine:gone\n"
    (tmp_path / "mine-1.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    model = fluvial.fit(TABLE, "small", drop="g", epochs=1, progress=False, options={"width": 5}, out=tmp_path / "run")
    assert model.record["settings"]["learning_rate"] == 1e-4
    assert model.record["model"]["options"] == {"width": 5}
    assert np.array_equal(fluvial.load(tmp_path / "run").log_prob(TABLE), model.log_prob(TABLE))
    for name, arguments, told in (
        ("small", {"context": "g"}, "model small: it takes no context"),
        ("smal", {}, "no model named 'smal'; did you mean 'small'?"),
        ("elsewhere", {}, r"no model named 'elsewhere'; known are .*\. A model of your own has its recipe registered"),
        ("other", {}, "the entry point 'other' of fluvial.models names a recipe that is called 'small'"),
        ("gone", {}, "the package that has the model 'gone' cannot be imported"),
    ):
        with pytest.raises(UsageError, match=told):
            fluvial.fit(TABLE, name, drop=() if arguments else "g", progress=False, **arguments)


@pytest.mark.parametrize(
    ("model", "arguments", "told"),
    [
        (Independent(2), {"out": "run"}, "Independent was given as an object: register its recipe"),
        (Independent(3), {}, r"expected a density of events of shape \(2,\), got Independent, of .* columns a, b"),
        (Independent(2, 5), {}, r"of contexts of shape None, got Independent, of contexts of shape \(5,\)"),
        (Independent(2), {"options": {"width": 3}}, "Independent is made already"),
        (nn.Linear(2, 2), {}, "expected a name or a fluvial.core.Density, got Linear"),
        (Independent, {}, "expected a name or a fluvial.core.Density, got type"),
    ],
)
def test_what_cannot_be_is_said_before_training(model, arguments, told):
    with pytest.raises(UsageError, match=told):
        fluvial.fit(TABLE, model, drop="g", epochs=10**9, progress=False, **arguments)


def test_only_recipes_are_registered():
    for name, make, told in (
        ("maf", independent, "there is a model named 'maf' already"),
        ("glow", independent, "there is a model named 'glow' already"),
        ("mine", 3, "expected a function"),
        ("mine", lambda event_shape, *, width, context_shape=None: None, "with a default for every option"),
    ):
        with pytest.raises(UsageError, match=told):
            models.register(models.Recipe(make, name))
    models.register(models.Recipe(lambda event_shape, *, context_shape=None: nn.Linear(1, 1), "mine"))
    with pytest.raises(UsageError, match=r"model mine: expected a fluvial\.core\.Density, got Linear"):
        models.build({"model": "mine", "event_shape": [2]})
