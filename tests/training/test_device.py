"""Steps that never wait for the device do what the ordinary ones do; here on the CPU, in test_cuda.py recorded."""

import math
from dataclasses import replace

import pytest
import torch
from training.test_trainer import QUICK, Faulty
from training.toy import Gaussian, rows

from fluvial.core.errors import RunError
from fluvial.models import maf
from fluvial.training import Data, train
from fluvial.training.device import DeviceUpdate


@pytest.fixture
def waiting_for_nothing(monkeypatch):
    monkeypatch.setattr("fluvial.training.loop.Update", DeviceUpdate)


def curved(n, seed=0):
    x = rows(n, seed).x
    return Data(torch.stack((x[:, 0], x.square().sum(1)), 1))


def learned(settings, **options):
    torch.manual_seed(0)
    density = maf((2,), transforms=2, hidden=(16,), **options)
    return list(train(density, curved(500), curved(200, 1), settings)), density


@pytest.mark.parametrize("change", [{}, {"ema": None}, {"clip": None}, {"optimizer": "adam", "clip": 0.1}])
def test_it_learns_as_the_ordinary_steps_do(change, monkeypatch):
    settings = replace(QUICK, learning_rate=5e-3, weight_decay=0.1, epochs=4, **change)
    one, a = learned(settings, batch_norm=True)
    monkeypatch.setattr("fluvial.training.loop.Update", DeviceUpdate)
    two, b = learned(settings, batch_norm=True)
    assert [r.epoch for r in one] == [r.epoch for r in two]
    for r, s in zip(one, two):
        assert s.held_out == pytest.approx(r.held_out, abs=1e-4)
        assert s.train == (None if r.train is None else pytest.approx(r.train, abs=1e-4))
    x = curved(200, 2).x
    torch.testing.assert_close(a.log_prob(x), b.log_prob(x), rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("waiting_for_nothing")
def test_a_step_that_is_not_finite_is_skipped_and_counted():
    density = Faulty({3, 7})
    records = list(train(density, rows(), rows(50, 1), QUICK))
    assert records[-1].skipped == 2
    assert torch.isfinite(density.mean).all()
    assert all(math.isfinite(r.train) for r in records[1:])


@pytest.mark.usefixtures("waiting_for_nothing")
def test_training_that_never_recovers_ends_with_a_sentence(monkeypatch):
    density = Faulty(set(range(10_000)))
    monkeypatch.setattr(DeviceUpdate, "every", 3)
    with pytest.raises(RunError, match="did not stay finite: 63 of 62 steps"):
        list(train(density, rows(), rows(50, 1), replace(QUICK, epochs=100)))
    assert torch.equal(density.mean, torch.zeros(2))


@pytest.mark.usefixtures("waiting_for_nothing")
def test_it_goes_on_from_a_checkpoint_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("fluvial.training.trainer._PULSE", 0.0)
    whole, broken, resumed = (Gaussian(jitter=1.0) for _ in range(3))
    list(train(whole, rows(), rows(50, 1), QUICK))
    training = train(broken, rows(), rows(50, 1), QUICK, tmp_path / "c.pt")
    for _ in range(12):
        next(training)
    with pytest.raises(KeyboardInterrupt):
        training.throw(KeyboardInterrupt)
    list(train(resumed, rows(), rows(50, 1), QUICK, tmp_path / "c.pt", resume=True))
    assert torch.equal(whole.mean, resumed.mean)
    assert torch.equal(whole.log_scale, resumed.log_scale)
