"""Kernel density estimates of tables: densities that sum to one, labels among them, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from fluvial.core.errors import DataError
from fluvial.kinds.tables import kernels as module
from fluvial.kinds.tables.ground import ground
from fluvial.kinds.tables.kernels import Kernels

RNG = np.random.default_rng(0)


def kernels(table: dict[str, np.ndarray]) -> Kernels:
    field = ground(table)
    return module.kernels(field.schema, field.train, 0)


SEX = RNG.choice(["F", "M"], 400, p=[0.25, 0.75])
TABLE = {"sex": SEX.astype(object), "weight": 50 + 20 * (SEX == "M") + 3 * RNG.normal(size=400)}


def test_the_density_of_numbers_and_labels_sums_to_one():
    estimate = kernels(TABLE)
    weight = np.linspace(0, 120, 2001)
    total = sum(
        np.trapezoid(np.exp(estimate.log_prob(np.stack((np.full(2001, code), weight), 1))), weight)
        for code in (0.0, 1.0)
    )
    assert total == pytest.approx(1, abs=1e-3)
    assert estimate.log_prob(np.array([[2.0, 50.0]]))[0] == -np.inf


def test_draws_are_like_the_rows():
    drawn = kernels(TABLE).sample(2000, 0)
    assert drawn[:, 0].mean() == pytest.approx((SEX == "M").mean(), abs=0.05)
    for code, middle in ((0, 50), (1, 70)):
        assert drawn[drawn[:, 0] == code, 1].mean() == pytest.approx(middle, abs=1.5)


def test_what_it_cannot_estimate_is_said():
    with pytest.raises(DataError, match="one column of labels at most"):
        kernels({**TABLE, "eyes": RNG.choice(["blue", "brown"], 400).astype(object)})
    with pytest.raises(DataError, match="20 rows of each label"):
        kernels({name: values[:40] for name, values in TABLE.items()})
