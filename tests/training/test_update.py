"""One step: what decays, what is kept, what a return to earlier weights forgets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from training.toy import Gaussian, rows

from fluvial.models import maf
from fluvial.training import Settings, train
from fluvial.training.progress import Progress
from fluvial.training.schedule import Schedule
from fluvial.training.update import Update

QUICK = Settings(epochs=4, batch_size=50, learning_rate=0.01, schedule="constant", ema=None, device="cpu")


class Idle(Gaussian):
    """With weights and a bias that have no part in the density: only decay moves them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(x) + 0 * (self.weight.sum() + self.bias.sum())


@pytest.mark.parametrize("decay", [0.0, 0.5, None])
def test_weights_decay_by_the_rate_of_each_step_and_biases_do_not(decay: float | None):
    density, settings = Idle(), replace(QUICK, weight_decay=decay)
    *_, last = train(density, rows(), rows(50, 1), settings)
    assert last.best_epoch == last.epoch  # so the weights are those of the last step
    schedule, left = Schedule(settings, 6), 1.0
    for step in range(last.step):
        left *= 1 - schedule.learning_rate(Progress(step=step), 0.0) * settings.decay(300, 2)
    assert (left < 0.9) == (decay != 0)
    torch.testing.assert_close(density.weight, torch.full((3, 3), left))
    assert torch.equal(density.bias, torch.ones(3))


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_after_a_return_a_step_is_what_it_would_have_been_at_the_start(optimizer: str, ema: float | None):
    """No trace of the steps since: neither momentum, nor its second moment, nor how many there were."""
    settings = replace(QUICK, optimizer=optimizer, ema=ema)  # pyright: ignore[reportArgumentType]
    x, progress = rows().x, Progress()

    def step(update: Update, part: Tensor) -> None:
        update.compute(part, None, len(part))
        update.apply(len(part), 0.1, progress)

    densities = Gaussian(), Gaussian()
    fresh, returned = (Update(d, settings, 0.1, torch.device("cpu")) for d in densities)
    for update in (fresh, returned):
        update.begin()
    weights = {name: value.clone() for name, value in densities[1].state_dict().items()}
    for part in x[:200].split(50):
        step(returned, -part)
    returned.restore(weights)
    for update in (fresh, returned):
        step(update, x[200:])
    for a, b in zip(densities[0].parameters(), densities[1].parameters()):
        assert torch.equal(a, b)
    assert not torch.equal(densities[0].mean, weights["mean"])


def test_the_average_is_torchs_own_bit_for_bit_statistics_included():
    density = maf((2,), transforms=2, hidden=(8,), batch_norm=True)
    update = Update(density, replace(QUICK, ema=0.5), 0.0, torch.device("cpu"))

    def of_window(averaged: list[Tensor], now: list[Tensor], steps: Tensor | int) -> None:
        for a, b in zip(averaged, now):
            a.lerp_(b, 1 - min(0.5, (1 + float(steps)) / (10 + float(steps))))

    theirs = AveragedModel(density, multi_avg_fn=of_window)  # pyright: ignore[reportArgumentType]
    update.begin()
    theirs.update_parameters(density)
    for part in rows().x.split(25):
        density.measure(part)
        update.compute(part, None, len(part))
        update.apply(len(part), 0.1, Progress())
        theirs.update_parameters(density)
        ours = update.state()["averaged"]
        assert all(torch.equal(ours[name], value) for name, value in theirs.state_dict().items())
    assert not torch.equal(ours["module.transform.transforms.1.mean"], torch.zeros(2))
