"""GANs: two players in one step, cells of a table, and a flow that keeps its density."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import contract
import numpy as np
import pytest
import tiny
import torch
import zoo
from torch.nn import functional as F

from fluvial.core import UsageError
from fluvial.core.randomness import drawing_from
from fluvial.models import GAN, FlowGAN
from fluvial.tasks.fit import fit, load
from fluvial.training import Data, Settings
from fluvial.training.objectives import adversarial_loss, energy_distance
from fluvial.transforms.laws import Laws

RNG = np.random.default_rng(0)
SEX = RNG.choice(["F", "M"], 200)
TABLE = {"sex": SEX.astype(object), "weight": np.where(RNG.random(200) < 0.1, np.nan, RNG.normal(size=200))}
FITTED: dict[str, Any] = {"epochs": 3, "progress": False, "options": {"hidden": [16]}}


class StoppedError(Exception):
    """Ends a fit in the middle."""


def gan() -> GAN:
    with drawing_from(0, lend=True):
        return GAN(Laws(tiny.LAWS, 1), 4, (16,)).eval()


def test_a_gan_refuses_what_needs_a_density():
    for ask in (gan().log_prob, gan()):
        with pytest.raises(UsageError, match="only draws samples: it has no log-density"):
            ask(tiny.cells())
    with pytest.raises(UsageError, match="flow_gan"):
        gan().sample_and_log_prob(3)


def test_the_critic_sees_draws_as_it_sees_rows():
    model = gan()
    with drawing_from(1):
        seen = model.drawn(300, None)
    with drawing_from(1):
        rows = model.sample(300)
    torch.testing.assert_close(seen, model.seen(rows).to(seen.dtype), rtol=0, atol=1e-5)
    known = torch.nan_to_num(tiny.cells(), nan=9.0)
    assert (torch.nan_to_num(rows, nan=9.0).unsqueeze(1) == known).all(2).any(1).all()
    grads = torch.autograd.grad(seen.square().sum(), list(model.generator.parameters()))
    assert all(g.abs().sum() > 0 for g in grads)


def test_cells_are_what_reading_them_gives():
    laws = Laws(tiny.LAWS, 1)
    reading = laws.read(tiny.cells())
    torch.testing.assert_close(laws.cells(reading.atom, reading.value), tiny.cells(), equal_nan=True)


def test_each_player_goes_down_its_own_loss():
    model, x = zoo.recipe("flow_gan", 2), contract.rows(2, 40).float()
    params = dict(model.named_parameters())
    with drawing_from(0):
        grads = dict(zip(params, torch.autograd.grad(adversarial_loss(model, x), list(params.values()))))
    with drawing_from(0):
        made = model.drawn(40, None)  # pyright: ignore
    of_real, of_fake = model.critic(x), model.critic(made)  # pyright: ignore
    generator = F.softplus(of_real - of_fake).mean() - model.weight * model.log_prob(x).mean()  # pyright: ignore
    a, b = x.clone().requires_grad_(), made.detach().clone().requires_grad_()
    slopes = torch.autograd.grad(model.critic(a).sum() + model.critic(b).sum(), (a, b), create_graph=True)  # pyright: ignore
    penalty = sum(s.square().sum(1).mean() for s in slopes) / 2
    critic = F.softplus(model.critic(b) - model.critic(a)).mean() + penalty  # pyright: ignore
    for name, p in params.items():
        own = critic if name.startswith("critic") else generator
        (want,) = torch.autograd.grad(own, p, retain_graph=True)
        torch.testing.assert_close(grads[name], want, rtol=1e-4, atol=1e-5)


def test_energy_distance_tells_near_from_far():
    model = zoo.recipe("flow_gan", 2)
    with torch.no_grad(), drawing_from(3):
        near = Data(model.sample(900))
    assert abs(energy_distance(near, model, 0)) < 0.02
    assert energy_distance(Data(near.x + 1.0), model, 0) > 0.1


def test_a_flow_gan_keeps_an_exact_density():
    model = zoo.recipe("flow_gan", 2).double()
    assert isinstance(model, FlowGAN)
    assert model.exact
    contract.integrates_to_one(model, reach=60.0)
    contract.samples_match_log_prob(model, None, 20, 1e-8)


@pytest.mark.parametrize("name", ["gan", "flow_gan"])
def test_a_fit_goes_on_bit_for_bit_and_comes_back(name: str, tmp_path: Path):
    def stop(record: object) -> None:
        if record.epoch == 1:  # pyright: ignore
            raise StoppedError

    data = TABLE if name == "gan" else RNG.normal(size=(200, 2))
    whole = fit(data, name, out=tmp_path / "whole", **FITTED)
    with pytest.raises(StoppedError):
        fit(data, name, out=tmp_path / "run", **{**FITTED, "progress": stop})
    resumed = fit(data, name, out=tmp_path / "run", resume=True, **FITTED)
    for other in (resumed, load(tmp_path / "whole")):
        for key, value in whole.density.state_dict().items():
            assert torch.equal(other.density.state_dict()[key], value)
    assert "lower bound" not in repr(whole)


def test_what_a_gan_of_a_table_says_of_itself(tmp_path: Path):
    model = fit(TABLE, "gan", **FITTED)
    assert "only draws samples" in repr(model)
    with pytest.raises(UsageError, match="no log-density"):
        model.score(TABLE)
    drawn = model.sample(50, seed=0)
    assert set(drawn["sex"]) <= {"F", "M"}
    page = model.report(tmp_path).read_text()
    assert "these checks are left out" in page
    assert "Calibration" not in page


def test_a_gan_learns_a_table_given_a_column():
    weight = RNG.normal(size=400) * 0.3 + np.repeat([0.0, 3.0], 200)
    table = {"sex": np.repeat(["F", "M"], 200).astype(object), "weight": weight}
    model = fit(table, "gan", context="sex", settings=Settings(learning_rate=0.01), **{**FITTED, "epochs": 60})
    women, men = (np.mean(model.sample(200, {"sex": sex}, seed=0)["weight"]) for sex in "FM")
    assert men - women > 1.5
