"""The harness itself: it must not let pass what it is there to find."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzz import harness
from fuzz.harness import apart, fault

from fluvial.core.errors import DataError


def raises(error: BaseException) -> Callable[[], object]:
    def call() -> object:
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: 1, None),
        (raises(DataError("a.csv is empty")), None),
        (raises(KeyError("descr")), "KeyError: 'descr'"),
        (raises(ValueError("not ours")), "ValueError: not ours"),
        (raises(DataError("a" * 100_000)), "no sentence"),
        (raises(DataError("a.npy is not an array: it asks for more memory than there is")), "fills more than"),
        (lambda: np.ones(harness.MEMORY // 4), "fills more than"),
    ],
)
@pytest.mark.parametrize("run", [fault, apart])
def test_every_way_to_end(monkeypatch: pytest.MonkeyPatch, run: Callable, call: Callable, said: str | None):
    past = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - harness._resident()
    monkeypatch.setattr(harness, "MEMORY", max(past, 0) + (64 << 20))
    found = run(lambda seed, folder: call, 0)
    assert found is None if said is None else said in found


def test_a_hang_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harness, "SECONDS", 0.2)

    def call() -> object:
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue

    assert "takes more than" in (fault(lambda seed, folder: call, 0) or "")


def test_a_crash_is_told():
    def case(seed: int, folder: Path) -> Callable[[], object]:
        return lambda: os.kill(os.getpid(), signal.SIGSEGV)

    assert "Segmentation fault" in (apart(case, 0) or "")
