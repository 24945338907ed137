"""What the benchmark of detection plants and splits is what it says."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.detect import cells, sets, table


def test_each_row_gets_one_wrong_cell_that_another_row_has():
    x = np.column_stack((np.random.default_rng(0).normal(size=200), np.arange(200) % 3))
    bad, which = cells.planted(x, [False, True], 0)
    changed = bad != x
    assert changed.sum(1).tolist() == [1] * 200
    assert changed.argmax(1).tolist() == which.tolist()
    assert np.isin(bad[:, 0], x[:, 0]).all()
    assert (np.abs(bad - x)[which == 0, 0] > x[:, 0].std()).all()


def test_normals_alone_are_trained_on_where_asked_for(tmp_path, monkeypatch):
    (tmp_path / "adbench").mkdir()
    y = np.arange(100) % 10 == 0
    np.savez(tmp_path / "adbench" / "1_toy.npz", X=np.column_stack((y, np.arange(100))), y=y.astype(int))
    monkeypatch.setenv("FLUVIAL_DATA", str(tmp_path))
    assert sets.names() == ["1_toy"]
    mixture, normal = (sets.split("1_toy", 0, each) for each in (False, True))
    assert (len(mixture.train), len(normal.train)) == (70, 63)
    assert mixture.train[:, 0].sum() == 7
    assert normal.train[:, 0].sum() == 0
    assert (mixture.test == normal.test).all()
    assert mixture.labels.tolist() == mixture.test[:, 0].tolist()


def test_ranks_and_means_are_over_sets_that_all_detectors_have_and_that_chose_nothing(monkeypatch):
    def record(name: str, detector: str, auroc: float) -> dict:
        return {
            "set": name,
            "seed": 0,
            "trained on": "mixture",
            "detector": detector,
            "auroc": auroc,
            "ap": 0.1,
            "cpu seconds": 1.0,
        }

    found = [
        record("a", "x", 0.9),
        record("a", "y", 0.8),
        record("b", "x", 0.7),
        record("b", "y", 0.9),
        record("c", "x", 0.1),
    ]
    found += [record(sets.DEVELOPMENT[0], "x", 0.0), record(sets.DEVELOPMENT[0], "y", 0.0)]
    monkeypatch.setattr(table, "records", lambda: found)
    count, rows = table.standing("mixture")
    assert count == 2
    assert [(name, round(auroc, 2), rank) for name, auroc, _, rank, _ in rows] == [("y", 0.85, 1.5), ("x", 0.8, 1.5)]
