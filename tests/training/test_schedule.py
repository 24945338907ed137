"""The learning rate on its way, and when it is cut."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training.toy import Gaussian, rows

from fluvial.training import Data, Settings, train
from fluvial.training.progress import Progress
from fluvial.training.schedule import CUT, Schedule


def rates(settings: Settings, batches: int) -> list[float]:
    schedule = Schedule(replace(settings, learning_rate=1.0), batches)
    steps = range((settings.epochs or 1) * batches + 1)
    return [schedule.learning_rate(Progress(step=step), 0.0) for step in steps]


@given(epochs=st.integers(20, 100), batches=st.integers(10, 60))
def test_after_the_warm_up_a_cosine(epochs: int, batches: int):
    got = rates(Settings(epochs=epochs, schedule="cosine"), batches)
    last, warm = epochs * batches, min(100, epochs * batches // 20)
    want = [math.cos(math.pi * step / last / 2) ** 2 for step in range(warm, last + 1)]
    assert max(abs(a - b) for a, b in zip(got[warm:], want, strict=True)) < 1e-9


@given(epochs=st.integers(1, 100), batches=st.integers(1, 60), kind=st.sampled_from(["cosine", "plateau", "constant"]))
def test_the_rate_rises_in_equal_steps_first(epochs: int, batches: int, kind: str):
    got = rates(Settings(epochs=epochs, schedule=kind), batches)  # pyright: ignore[reportArgumentType]
    warm = max(1, min(100, epochs * batches // 20))
    shape = [math.cos(math.pi * step / (epochs * batches) / 2) ** 2 if kind == "cosine" else 1 for step in range(warm)]
    assert max(abs(rate - (step + 1) / warm * s) for step, (rate, s) in enumerate(zip(got, shape))) < 1e-9


def test_a_budget_is_a_share_of_the_clock():
    schedule = Schedule(Settings(budget=60.0, learning_rate=1.0), 10)
    got = [schedule.learning_rate(Progress(step=10**6), seconds) for seconds in (0.0, 15.0, 30.0, 60.0)]
    assert got == pytest.approx([math.cos(math.pi * share / 2) ** 2 for share in (0, 0.25, 0.5, 1)])


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_plateau_returns_to_the_best_weights_with_a_smaller_rate(ema: float | None):
    density, held_out = Gaussian(), Data(torch.zeros(50, 2))  # rows far from the training rows: the start is best
    settings = Settings(epochs=20, batch_size=50, learning_rate=0.05, schedule="plateau", patience=9, ema=ema)
    moved, rate = list[bool](), list[float]()
    for record in train(density, rows(), held_out, settings):
        moved.append(bool(density.mean.abs().max() > 0))
        rate.append(record.learning_rate)
    # a third of the patience without a better score is a plateau: epochs 3, 6 and 9, where training ends
    assert moved == [False, True, True, False, True, True, False, True, True, False]
    assert [b / a for a, b in pairwise(rate[1:])] == pytest.approx([1, CUT, 1, 1, CUT, 1, 1, CUT])
