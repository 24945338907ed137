"""What the benchmark of detection plants and splits is what it says."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.detect import cells, nab_score, sets, table


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


def test_nabs_score_is_100_for_alarms_at_each_windows_start_and_0_for_silence():
    windows = [(300, 349), (600, 659)]
    judged = nab_score.judge(1000, windows)
    perfect, silent, late = np.zeros(1000), np.zeros(1000), np.zeros(1000)
    perfect[[300, 600]] = 1.0
    late[[349, 659]] = 1.0
    for profile in nab_score.PROFILES:
        assert nab_score.scored([(perfect, judged)], profile) == pytest.approx(100)
        assert nab_score.scored([(silent, judged)], profile) == pytest.approx(0)
        assert 0 < nab_score.scored([(late, judged)], profile) < 70  # found late is worth more than missed


def test_a_false_alarm_costs_what_its_profile_says_and_less_just_behind_a_window():
    judged = nab_score.judge(1000, [(300, 349)])
    assert judged.worth[200] == -1.0
    assert -0.1 < judged.worth[350] < 0
    assert judged.worth[999] == -1.0
    both = np.zeros(1000)
    both[[200, 300]] = 1.0  # one threshold for both: the alarm at 200 comes with that in the window
    assert nab_score.scored([(both, judged)], "standard") == pytest.approx(100 * (1 - 0.11 + 1) / 2)
    assert nab_score.scored([(both, judged)], "few misses") == pytest.approx(100 * (1 - 0.11 + 2) / 3)


def test_the_start_of_a_nab_series_is_not_judged():
    judged = nab_score.judge(1000, [(300, 349)])
    early = np.zeros(1000)
    early[:150] = 1.0
    early[300] = 2.0
    assert nab_score.scored([(early, judged)], "standard") == pytest.approx(100)
