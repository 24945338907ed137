"""p-values, discoveries and bets keep the error rates that they promise."""

import numpy as np
import pytest

from fluvial.core.errors import UsageError
from fluvial.examine.conformal import Drift, discoveries, p_values


def test_p_values_keep_every_rate_whatever_the_score():
    rng = np.random.default_rng(0)
    for rate in (0.01, 0.05, 0.3):
        hits = [
            (p_values(np.round(rng.normal(size=50), 1), np.round(rng.normal(size=99), 1)) <= rate).mean()
            for _ in range(400)
        ]
        error = np.std(hits) / np.sqrt(len(hits))
        assert np.mean(hits) <= rate + 3 * error
    assert np.mean(hits) >= 0.25  # and are no more careful than ties make them


def test_an_impossible_row_has_the_smallest_p_value_there_is():
    assert p_values(np.array([np.inf]), np.arange(9.0)).tolist() == [0.1]


def test_discoveries_are_those_of_the_definition_and_few_are_false():
    rng = np.random.default_rng(1)
    false = []
    for _ in range(300):
        scores = np.concatenate([rng.normal(size=180), rng.normal(4, 1, size=20)])
        p = p_values(scores, rng.normal(size=999))
        found = discoveries(p, 0.2)
        ranks = [k for k in range(1, 201) if (p <= 0.2 * k / 200).sum() >= k]
        assert found.sum() == (ranks[-1] if ranks else 0)
        false.append(found[:180].sum() / max(1, found.sum()))
    assert 0.1 < np.mean(false) <= 0.2 + 3 * np.std(false) / np.sqrt(len(false))
    assert not discoveries(np.array([0.3, 0.9]), 0.1).any()
    with pytest.raises(UsageError, match="fdr: expected a share"):
        discoveries(np.array([0.5]), 1.5)


def test_a_bet_is_seldom_won_without_drift_and_soon_with_it():
    rng = np.random.default_rng(2)
    alarms = 0
    for seed in range(300):
        drift = Drift(rng.normal(size=50), alarm=0.1, seed=seed)
        alarms += drift.watch(rng.normal(size=150)) is not None
    assert alarms / 300 <= 0.1
    drift = Drift(rng.normal(size=500))
    assert drift.watch(rng.normal(size=300)) is None
    found = drift.watch(rng.normal(1.5, 1, size=200))
    assert found is not None
    assert 300 < found < 400


def test_single_anomalies_are_no_drift():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=400)
    scores[::25] = 50.0
    assert Drift(rng.normal(size=500)).watch(scores) is None


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(UsageError, match="not a number"):
        Drift(np.arange(5.0)).watch([float("nan")])
