"""Finding, refusing and building the compiled kernels."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fluvial.kernels import native

ROOT = Path(__file__).parents[2]


def status_with(**environment: str) -> str:
    code = "from fluvial.kernels import native; print(native.active(), native.status())"
    out = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return out.stdout.strip()


@pytest.fixture(scope="module")
def build_kernels():
    spec = importlib.util.spec_from_file_location("build_kernels", ROOT / "src" / "csrc" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_environment_variable_turns_them_off():
    assert status_with(FLUVIAL_KERNELS="off") == "False torch (turned off by FLUVIAL_KERNELS)"


@pytest.mark.skipif(not native.active(), reason=native.status())
def test_the_best_instruction_set_is_in_use():
    assert status_with() == f"True C++, {native.instruction_sets()[-1]}"


def test_a_missing_or_broken_library_is_a_reason_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def load(file: Path) -> tuple[object, str]:
        monkeypatch.setattr(native, "_FILE", file)
        return native._load.__wrapped__()

    monkeypatch.delenv("FLUVIAL_KERNELS", raising=False)
    assert load(tmp_path / "none.so") == (None, "no compiled kernels; install fluvial where there is a C++ compiler")
    (tmp_path / "broken.so").write_bytes(b"not a library")
    library, why_not = load(tmp_path / "broken.so")
    assert library is None
    assert "cannot be loaded" in why_not


@pytest.mark.parametrize("compiler", ["/bin/false", "/no/such/compiler"])
def test_without_a_compiler_nothing_is_built_and_nothing_raised(
    build_kernels, compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CXX", compiler)
    failure = build_kernels.build(tmp_path / "_kernels.so")
    assert compiler in failure
    assert list(tmp_path.iterdir()) == []


def test_no_compiler_at_all_is_said(build_kernels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "no C++ compiler" in build_kernels.build(tmp_path / "_kernels.so")
