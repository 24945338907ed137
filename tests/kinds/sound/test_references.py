"""Yardsticks: probabilities that sum to one, and exact on sources whose entropy is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fluvial.kinds.sound.coding import MuLaw
from fluvial.kinds.sound.references import LinearPrediction, histogram, linear_prediction, markov


def test_a_fair_coin_takes_one_bit():
    codes = np.random.default_rng(0).integers(0, 2, 20_000)
    assert histogram(codes[:10_000], codes[10_000:], 2) == pytest.approx(1.0, abs=1e-3)
    assert markov([codes[:10_000]], [codes[10_000:]], 2) == pytest.approx(1.0, abs=2e-3)


def test_a_sticky_coin_takes_its_conditional_entropy():
    rng = np.random.default_rng(0)
    codes = np.cumsum(rng.random(50_000) < 0.1) % 2
    entropy = -(0.1 * math.log2(0.1) + 0.9 * math.log2(0.9))
    assert markov([codes[:25_000]], [codes[25_000:]], 2) == pytest.approx(entropy, abs=0.02)
    assert histogram(codes[:25_000], codes[25_000:], 2) > 0.95


def test_linear_prediction_is_a_distribution_over_codes():
    """The mass of all 256 codes, whatever the past, is one."""
    coding = MuLaw()
    predictor = LinearPrediction(coding, np.array([1.5, -0.7]), 16, 0.5, 1e-4)
    past = 0.1 * np.sin(np.arange(50) / 3)
    values = coding.decode(np.arange(256))
    shorter = 50 * predictor.bits([past])
    bits = np.array([51 * predictor.bits([np.append(past, v)]) - shorter for v in values])
    assert (2**-bits).sum() == pytest.approx(1.0, abs=1e-6)


def test_linear_prediction_finds_a_resonance():
    rng = np.random.default_rng(0)
    waves = []
    for _ in range(12):
        wave = np.zeros(600)
        for t in range(2, 600):
            wave[t] = 1.8 * wave[t - 1] - 0.95 * wave[t - 2] + 0.01 * rng.normal()
        waves.append(wave)
    coding = MuLaw()
    best = linear_prediction(waves[:8], waves[8:10], coding, (1, 2, 4))
    assert len(best.weights) >= 2
    assert best.weights[:2] == pytest.approx([1.8, -0.95], abs=0.1)
    codes = [coding.encode(w).astype(int) for w in waves]
    assert best.bits(waves[10:]) < markov(codes[:8], codes[10:], 256) - 0.3


def test_silence_is_predicted_by_silence():
    predictor = LinearPrediction.fit([np.zeros(50)], MuLaw(), 4)
    assert not predictor.weights.any()
