import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training.toy import Gaussian, rows

from fluvial.core.errors import DataError, RunError
from fluvial.models import maf
from fluvial.training import Data, Settings, checkpoint, train
from fluvial.training.rows import split

QUICK = Settings(epochs=5, batch_size=50, learning_rate=0.05, device="cpu")


def test_it_learns_and_says_how_far_it_is():
    density = Gaussian()
    records = list(train(density, rows(), rows(100, 1), replace(QUICK, epochs=40)))
    assert [r.epoch for r in records if r.ended] == list(range(41))
    assert records[0].train is None
    assert records[-1].left == 0
    assert records[-1].step == 240
    assert density.seen == 1
    assert not density.training
    assert torch.allclose(density.mean, torch.tensor([3.0, -1.0]), atol=0.3)
    assert records[-1].best == min(r.held_out for r in records)


def test_it_ends_with_the_best_weights_not_the_last():
    density, held_out = Gaussian(), Data(torch.zeros(50, 2))  # rows far from the training rows: step 0 is best
    records = list(train(density, rows(), held_out, QUICK))
    assert records[-1].best_epoch == 0
    assert torch.equal(density.mean, torch.zeros(2))


def test_patience_ends_training_that_no_longer_helps():
    records = list(train(Gaussian(), rows(), Data(torch.zeros(50, 2)), replace(QUICK, epochs=1000, patience=3)))
    assert records[-1].epoch == 3


def test_without_an_end_it_stops_by_itself():
    records = list(train(Gaussian(), rows(100), rows(50, 1), Settings(learning_rate=0.05, device="cpu")))
    assert records[-1].best == pytest.approx(records[-2].best, abs=1e-3)
    assert records[-1].learning_rate < 0.01


def test_a_budget_ends_training_in_the_middle_of_an_epoch():
    records = list(train(Gaussian(), rows(50_000), rows(50, 1), Settings(budget=0.2, batch_size=2, device="cpu")))
    assert records[-1].ended
    assert records[-1].step < 25_000


def test_long_epochs_send_pulses(monkeypatch):
    monkeypatch.setattr("fluvial.training.trainer._PULSE", 0.0)
    records = list(train(Gaussian(), rows(), rows(50, 1), replace(QUICK, epochs=2)))
    assert [r.ended for r in records] == [True, *([False] * 5 + [True]) * 2]


def test_the_callers_random_state_is_left_alone():
    before = torch.get_rng_state()
    list(train(Gaussian(jitter=1.0), rows(), rows(50, 1), QUICK))
    assert torch.equal(before, torch.get_rng_state())


def test_the_seed_decides_everything():
    def weights(seed):
        density = Gaussian(jitter=1.0)
        list(train(density, rows(), rows(50, 1), replace(QUICK, seed=seed)))
        return density.mean

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


class Faulty(Gaussian):
    """Gives a loss that is not finite on the training calls numbered in ``faults``."""

    def __init__(self, faults):
        super().__init__()
        self.faults, self.calls = faults, 0

    def log_prob(self, x, context=None):
        if self.training:
            self.calls += 1
            if self.calls in self.faults:
                return super().log_prob(x) * math.nan
        return super().log_prob(x)


def test_a_step_that_is_not_finite_is_skipped_and_counted():
    density = Faulty({3, 7})
    records = list(train(density, rows(), rows(50, 1), QUICK))
    assert records[-1].skipped == 2
    assert torch.isfinite(density.mean).all()


def test_three_in_a_row_go_back_with_half_the_learning_rate():
    settings = replace(QUICK, schedule="constant", epochs=6)
    whole = list(train(Gaussian(), rows(), rows(50, 1), settings))
    hurt = list(train(Faulty({13, 14, 15}), rows(), rows(50, 1), settings))
    assert hurt[-1].skipped == 3
    assert hurt[-1].learning_rate == whole[-1].learning_rate / 2


def test_training_that_never_recovers_ends_with_a_sentence():
    density = Faulty(set(range(10_000)))
    with pytest.raises(RunError, match="did not stay finite: 63 of 62 steps"):
        list(train(density, rows(), rows(50, 1), replace(QUICK, epochs=100)))
    assert torch.equal(density.mean, torch.zeros(2))


def test_one_row_is_not_enough():
    with pytest.raises(DataError, match="at least 2 rows, got 1"):
        next(train(Gaussian(), rows(1)))


def test_training_without_held_out_rows_keeps_the_best_epoch_of_its_own():
    records = list(train(Gaussian(), rows(), None, QUICK))
    assert records[-1].held_out is None
    assert records[-1].best == min(r.train for r in records[1:])


@pytest.mark.parametrize("amp", [False, True])
def test_averaged_weights_and_half_precision(amp):
    torch.manual_seed(0)
    density = maf((2,), transforms=2, hidden=(16,), batch_norm=True)
    data, held_out = (Data(torch.stack((d.x[:, 0], d.x.square().sum(1)), 1)) for d in (rows(500), rows(200, 1)))
    records = list(train(density, data, held_out, replace(QUICK, ema=0.9, learning_rate=5e-3, amp=amp)))
    with torch.no_grad():
        again = -density.log_prob(held_out.x).mean().item()
    assert again == pytest.approx(records[-1].best, abs=1e-4)  # the statistics were kept with the weights
    assert records[-1].best < records[0].best - 0.05


def test_an_interrupted_run_saves_and_goes_on_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("fluvial.training.trainer._PULSE", 0.0)
    whole, broken, resumed = (Gaussian(jitter=1.0) for _ in range(3))
    list(train(whole, rows(), rows(50, 1), QUICK))
    training = train(broken, rows(), rows(50, 1), QUICK, tmp_path / "c.pt")
    for _ in range(12):
        next(training)
    with pytest.raises(KeyboardInterrupt):
        training.throw(KeyboardInterrupt)
    records = list(train(resumed, rows(), rows(50, 1), QUICK, tmp_path / "c.pt", resume=True))
    assert torch.equal(whole.mean, resumed.mean)
    assert torch.equal(whole.log_scale, resumed.log_scale)
    assert [r.epoch for r in records if r.ended] == list(range(6))
    assert resumed.seen == 0  # initialised once, in the first life


def test_an_interruption_during_the_evaluation_loses_nothing(tmp_path, monkeypatch):
    whole, broken, resumed = (Gaussian(jitter=1.0) for _ in range(3))
    list(train(whole, rows(), rows(50, 1), QUICK))
    training = train(broken, rows(), rows(50, 1), QUICK, tmp_path / "c.pt")
    for _ in range(3):
        next(training)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fluvial.training.trainer.score", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(training)
    assert checkpoint.load(tmp_path / "c.pt")["progress"]["step"] == 18  # three whole epochs of six steps
    records = list(train(resumed, rows(), rows(50, 1), QUICK, tmp_path / "c.pt", resume=True))
    assert torch.equal(whole.mean, resumed.mean)
    assert [r.epoch for r in records if r.ended] == list(range(6))


def test_closing_the_generator_early_keeps_the_best_weights(tmp_path):
    density = Gaussian()
    training = train(density, rows(), rows(50, 1), QUICK, tmp_path / "c.pt")
    best = [next(training).best for _ in range(3)][-1]
    training.close()
    with torch.no_grad():
        assert -density.log_prob(rows(50, 1).x).mean().item() == pytest.approx(best, abs=1e-5)
    assert checkpoint.load(tmp_path / "c.pt")["progress"]["epoch"] == 2


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"settings": replace(QUICK, learning_rate=0.1)}, "learning_rate=0.05, not 0.1"),
        ({"data": rows(299)}, "other training rows"),
        ({"density": Gaussian(3)}, "another model"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change, part):
    given = {"density": Gaussian(), "data": rows(), "settings": QUICK, "held_out": rows(50, 1)}
    training = train(**given, checkpoint=tmp_path / "c.pt")
    next(training)
    next(training)
    training.close()
    with pytest.raises(RunError, match=part):
        next(train(**{**given, **change}, checkpoint=tmp_path / "c.pt", resume=True))


@given(st.integers(2, 400), st.integers(2, 60))
def test_batches_cover_every_row_once_and_none_is_tiny(n, size):
    parts = split(torch.arange(n), size)
    assert torch.cat(parts).tolist() == list(range(n))
    assert min(map(len, parts)) >= min(n, max(2, size / 2))
    assert max(map(len, parts)) < 1.5 * size + 1


def test_killed_at_ten_random_moments_the_weights_are_the_same_bits(tmp_path):
    tests = Path(__file__).parents[1]
    command = [sys.executable, str(tests / "training/killed.py"), str(tmp_path), "7"]
    paths = os.pathsep.join([str(tests), *sys.path])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    whole, killed = (torch.load(tmp_path / f"{name}.weights") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[k], killed[k]) for k in whole)


class Halved(Data):
    def rows(self, index: torch.Tensor, device: torch.device):
        x, context = super().rows(index, device)
        return x / 2, context


def test_data_of_a_users_own_keep_what_they_do_to_rows_as_they_are_read():
    moved = Halved(torch.ones(4, 2)).to(torch.device("cpu"))
    assert moved.rows(torch.tensor([0]), torch.device("cpu"))[0].tolist() == [[0.5, 0.5]]
