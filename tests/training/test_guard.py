"""Configurations that ask for more than the run's weights are: refused before they fill time or memory."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo
from fuzz import harness

from fluvial.core.errors import FluvialError
from fluvial.models import build
from fluvial.tasks.fit import load_model
from fluvial.training import guard
from fluvial.training.guard import check_size

RUNS = Path(__file__).parents[1] / "runs"
WIDE, DEEP = 2**31, [1] * 100_000
BOMBS = [
    ("sound", {"stacks": 1, "layers": 30, "channels": 1}),
    ("sound", {"layers": 200}),
    ("sound", {"stacks": 1e30}),
    ("sound", {"stacks": 10**9}),
    ("sound", {"kernel": WIDE}),
    ("sound", {"channels": WIDE}),
    ("sound", {"components": WIDE}),
    ("rolls", {"hidden": DEEP}),
    ("rolls", {"hidden": [100_000, 100_000]}),
    ("rolls", {"values": WIDE}),
    ("table", {"hidden": DEEP}),
    ("table", {"hidden": [60_000, 60_000]}),
    ("table", {"hidden": [WIDE]}),
    ("table", {"transforms": 1e9}),
    ("table", {"transforms": 10**9}),
    ("table", {"bins": WIDE}),
    ("labels", {"hidden": [100_000] * 3}),
    ("labels", {"classes": [WIDE]}),
    ("labels", {"orders": WIDE, "drawn": True}),
    ("labels", {"groups": [WIDE]}),
    ("images", {"levels": WIDE}),
    ("images", {"steps": WIDE}),
    ("images", {"width": WIDE}),
]
SHAPES = [("images", [40_000, 2, 2]), ("images", [1, 2**13, 2**13]), ("table", [2**26]), ("labels", [2**24])]


@pytest.fixture
def bomb(tmp_path: Path):
    """Changes the configuration of a run, and says what is wrong with what becomes of it."""

    def changed(kind: str, change: Any) -> str | None:
        shutil.copytree(RUNS / kind, tmp_path / "run")
        config = json.loads((RUNS / kind / "config.json").read_text())
        change(config)
        (tmp_path / "run" / "config.json").write_text(json.dumps(config))

        def call() -> None:
            with pytest.raises(FluvialError) as told:
                load_model(tmp_path / "run").sample(1)
            raise told.value

        return harness.fault(lambda seed, folder: call, 0)

    return changed


@pytest.mark.parametrize(("kind", "options"), BOMBS, ids=lambda v: str(v)[:40])
def test_options_of_a_larger_model(monkeypatch: pytest.MonkeyPatch, bomb, kind: str, options: dict[str, Any]):
    monkeypatch.setattr(harness, "MEMORY", 1 << 30)
    assert bomb(kind, lambda config: config["model"]["options"].update(options)) is None


@pytest.mark.parametrize(("kind", "shape"), SHAPES, ids=lambda v: str(v)[:40])
def test_events_of_a_larger_model(monkeypatch: pytest.MonkeyPatch, bomb, kind: str, shape: list[int]):
    monkeypatch.setattr(harness, "MEMORY", 1 << 30)
    assert bomb(kind, lambda config: config["model"].update(event_shape=shape)) is None


@pytest.mark.parametrize(("kind", "field"), [("sound", {"seconds": 1e5}), ("rolls", {"steps": 10**9})])
def test_lengths_that_would_take_hours(bomb, kind: str, field: dict[str, Any]):
    assert bomb(kind, lambda config: config["schema"].update(field)) is None


def stored(model: torch.nn.Module) -> dict[str, Any]:
    state = model.state_dict().items()
    return {n: {"dtype": guard._NAMES[v.dtype], "shape": list(v.shape), "data_offsets": (0, 0)} for n, v in state}


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        *((name, [None] if name.startswith("wavenet") else [6], {}) for name in zoo.SMALL),
        *(
            (name, [3, 16, 16], {} if name == "multiscale" else {"width": 8})
            for name in zoo.SMALL_IMAGES
            if name != "nice"
        ),
        ("nice", [3, 16, 16], {"width": 8}),
        ("maf", [3], {"hidden": [4] * 20, "transforms": 20}),
        ("made", [300], {"classes": [2], "hidden": [20], "orders": 32}),
        ("realnvp", [1, 512, 512], {"width": 4}),
    ],
    ids=lambda v: str(v)[:40],
)
def test_a_model_is_its_own(name: str, shape: list[int], options: dict[str, Any]):
    config = {"model": name, "event_shape": shape, "options": options}
    check_size(config, stored(build(config)))
