"""The house keeps itself clean: who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fluvial

ROOT = Path(fluvial.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TORCH_ONLY = {"torch", "numpy"}

# each package and the fluvial packages that it may import, besides itself
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "kernels": {"core"},
    "univariate": {"core", "kernels"},
    "conditioners": {"core", "kernels"},
    "transforms": {"core", "kernels", "univariate", "conditioners"},
    "data": {"core", "transforms"},
    "models": {"core", "univariate", "conditioners", "transforms", "data"},
    "training": {"core", "univariate", "conditioners", "transforms", "models", "data"},
    "examine": {"core", "transforms", "conditioners", "univariate", "models", "data", "training"},
    "kinds": {"core", "univariate", "transforms", "conditioners", "models", "data", "training", "examine"},
    "tasks": {"core", "transforms", "data", "models", "training", "examine", "kinds"},
    "interfaces": {
        "core",
        "kernels",
        "transforms",
        "conditioners",
        "models",
        "data",
        "training",
        "examine",
        "kinds",
        "tasks",
    },
}


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, and whether at its top level."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, id(node) in top))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path):
    package = path.relative_to(ROOT).parts[0]
    if package not in ALLOWED:
        pytest.skip("the top of the package only names what is exported")
    for module, at_top in imports(path):
        head = module.split(".")
        if head[0] == "fluvial" and len(head) > 1 and head[1] in ALLOWED:
            assert head[1] in ALLOWED[package] | {package}, f"{package} must not import {module}"
        elif package not in ("data", "examine", "kinds", "tasks", "interfaces") and at_top and head[0] != "fluvial":
            known = TORCH_ONLY | sys.stdlib_module_names | ({"safetensors"} if package == "training" else set())
            known |= {"triton"} if path.stem.endswith("_triton") else set()  # comes with torch, loaded on CUDA only
            known |= {"msgspec"} if path.name == "formats.py" else set()  # imported by who reads a run folder only
            assert head[0] in known, f"{package} must not import {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_house_rules(path: Path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: users' mistakes get sentences, not assert"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "hasattr", f"line {node.lineno}: no probing"
            assert node.func.id != "print" or path.name == "terminal.py", f"line {node.lineno}: terminal.say"
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # nn.Module's own, which every .to() goes through: another method of this name would break that unseen
            extends = "super()._apply(" in ast.unparse(node)
            assert node.name != "_apply" or extends, f"line {node.lineno}: _apply must extend nn.Module's own"


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def test_importing_loads_torch_and_numpy_only():
    extra = modules_after("import fluvial; fluvial.models") - modules_after("import torch, numpy")
    assert extra <= {"fluvial"}, extra


def test_help_does_not_import_torch():
    loaded = modules_after("import fluvial.interfaces.cli")
    assert "torch" not in loaded
