"""What every test and example runs under: any machine, on request a lesser one, and no record of another test."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

LESSER = {"default": "baseline", "avx2": "avx2"}
"""The compiled kernels' name of what torch takes as ATEN_CPU_CAPABILITY."""


@pytest.fixture(autouse=True, scope="session")
def machine() -> Generator[None]:
    """ATEN_CPU_CAPABILITY restricts torch to lesser instructions; our kernels follow it (``make machines``)."""
    from fluvial.kernels import native

    name = LESSER.get(os.environ.get("ATEN_CPU_CAPABILITY", ""))
    if name not in native.instruction_sets():
        yield
        return
    with native.restricted_to(name):
        yield


@pytest.fixture(autouse=True)
def records_as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test or an example registers is gone after it."""
    from fluvial.kinds import every
    from fluvial.models import registry

    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(every, "KINDS", [*every.KINDS])
