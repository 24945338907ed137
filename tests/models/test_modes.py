"""Modes of columns: as many as the values call for, where they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from fluvial.models.modes import modes_of
from fluvial.tasks.fit import fit

RNG = np.random.default_rng(0)


def column(*centers: float, n: int = 1500, std: float = 0.05) -> np.ndarray:
    return np.resize(centers, n) + std * RNG.normal(size=n)


def test_each_column_has_as_many_modes_as_its_values_call_for():
    values = torch.from_numpy(np.stack((column(-1, 0, 1), column(0.3), column(-2, 2)), 1))
    present = torch.ones_like(values, dtype=torch.bool)
    found = modes_of(values, present, 6)
    for i, want in enumerate(([-1, 0, 1], [0.3], [-2, 2])):
        real = found.log_weights[i] > -20
        assert found.centers[i][real].sort().values.tolist() == pytest.approx(want, abs=0.02)
        assert found.scales[i][real].tolist() == pytest.approx([0.05] * len(want), rel=0.15)
        assert found.log_weights[i][real].exp().sum().item() == pytest.approx(1.0)
    assert found.nearest(torch.tensor([[-0.9, 0.0, 1.0]])).tolist()[0][0] == found.centers[0].argmin()


def test_cells_that_are_not_there_do_not_count():
    values = torch.from_numpy(np.stack((column(-1, 1), column(0.0)), 1))
    present = torch.stack((values[:, 0] < 0, torch.zeros(len(values), dtype=torch.bool)), 1)
    found = modes_of(values, present, 4)
    assert (found.log_weights > -20).sum(1).tolist() == [1, 1]
    assert found.centers[0, 0].item() == pytest.approx(-1, abs=0.02)
    assert found.scales[1, 0] == 1


def test_a_gan_finds_all_narrow_lumps_of_a_square():
    middle = np.array(list(itertools.product([-2.0, 0.0, 2.0], repeat=2)))
    rows = middle[RNG.integers(9, size=2000)] + 0.05 * RNG.normal(size=(2000, 2))
    model = fit(rows, "gan", epochs=8, progress=False, options={"hidden": [32]})
    draws = model.sample(1000, seed=0)
    distance = np.linalg.norm(draws[:, None] - middle, axis=2)
    good = distance.min(1) < 0.15
    assert good.mean() > 0.8
    assert (np.bincount(distance.argmin(1)[good], minlength=9) > 20).all()
