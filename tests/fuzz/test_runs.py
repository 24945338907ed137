"""Every run folder and checkpoint ends in a model or in a sentence; ``make fuzz`` tries thousands more."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.harness import fault
from fuzz.runs import KINDS, RUNS, _use, case

CASES = 100
FOUND = (296, 679, 1735, 1851)  # that were wrong once


@pytest.mark.parametrize("kind", KINDS)
def test_the_folders_that_are_mutated_are_valid(kind: str):
    _use(RUNS / kind)


@pytest.mark.parametrize("part", np.array_split(np.arange(CASES), 10), ids=lambda p: f"{p[0]}-{p[-1]}")
def test_mutated_runs_end_in_a_model_or_a_sentence(part: np.ndarray):
    for seed in part.tolist():
        said = fault(case, seed)
        assert said is None, f"seed {seed}: {said}"


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_wrong_once_stays_right(seed: int):
    assert fault(case, seed) is None
