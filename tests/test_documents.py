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


def test_every_model_has_a_row_in_the_readme():
    from fluvial import models

    text = (ROOT / "README.md").read_text()
    assert all(f"| `{name}`" in text for name in {r.name for r in models.recipes() if r.kind != "images"})
