"""What the package shows of itself: its names, its version, its types."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest

import fluvial
from fluvial import models

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("module", [fluvial, models], ids=lambda m: m.__name__)
def test_dir_shows_the_public_names_and_nothing_else(module: ModuleType):
    assert dir(module) == sorted(module.__all__)
    assert all(_is_there(module, name) for name in module.__all__)


def _is_there(module: ModuleType, name: str) -> bool:
    try:
        return hasattr(module, name)
    except ImportError as error:
        return 'pip install "fluvial[' in str(error)  # an extra that is not installed


def test_the_version_stands_in_one_place():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["project"]["dynamic"] == ["version"]
    place = ROOT / settings["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.+)"$', place.read_text(), re.M) == [fluvial.__version__]
    assert "version:" not in re.sub("cff-version:", "", (ROOT / "CITATION.cff").read_text())


def test_type_checkers_may_read_the_types():
    assert resources.files(fluvial).joinpath("py.typed").is_file()


def test_the_workflow_calls_targets_that_the_makefile_has():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    targets = set(re.findall(r"target: \[?(\w+)", workflow))
    assert targets >= {"test", "docs", "wheel"}
    assert targets <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
