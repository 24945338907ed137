"""The README's Python runs as it stands, one block after the other, and so do the examples."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_readme_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) >= 2
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert "log_likelihood" in capsys.readouterr().out
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_run(path: Path, capsys: pytest.CaptureFixture):
    runpy.run_path(str(path))
    assert capsys.readouterr().out


WRITTEN = runpy.run_path(str(ROOT / "docs" / "model_tables.py"))["WRITTEN"]


@pytest.mark.parametrize("name", WRITTEN)
def test_pages_and_help_say_what_the_records_of_the_models_say(name: str):
    """If this fails: python docs/model_tables.py."""
    text = (ROOT / name).read_text()
    assert WRITTEN[name](text) == text
    assert WRITTEN[name](text.replace("`mixed`", "`mixer`").replace("mixed for tables", "mixer for tables")) == text


def test_every_model_says_what_it_is():
    from fluvial.models import recipes

    for recipe in recipes():
        said = (recipe.says, recipe.score, recipe.draw, recipe.steps, recipe.base)
        assert all(said), recipe.name
        assert recipe.paper or recipe.closed_form, recipe.name
