"""Every reader ends in data or in a sentence, whatever a file holds; ``make fuzz`` tries thousands more."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.harness import fault
from fuzz.readers import BOMBS, case, read, valid

CASES = 130
FOUND = (5606, 6181, 9365)  # that were wrong once


@pytest.mark.parametrize("name", valid())
def test_the_files_that_are_mutated_are_valid(tmp_path, name: str):
    path = tmp_path / name
    path.write_bytes(valid()[name])
    read(path)


@pytest.mark.parametrize("seed", range(len(BOMBS)), ids=list(BOMBS))
def test_bombs_do_not_go_off(monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setenv("FLUVIAL_LIMIT", str(4 << 20))  # reached soon
    assert fault(case, seed) is None


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_wrong_once_stays_right(seed: int):
    assert fault(case, seed) is None


@pytest.mark.parametrize("part", np.array_split(np.arange(1000, 1000 + CASES), 10), ids=lambda p: f"{p[0]}-{p[-1]}")
def test_mutated_files_end_in_data_or_a_sentence(part: np.ndarray):
    for seed in part.tolist():
        said = fault(case, seed)
        assert said is None, f"seed {seed}: {said}"
