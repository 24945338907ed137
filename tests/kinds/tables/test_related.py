"""A table with products and differences: what is drawn keeps to them, and what they say is known."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

from fluvial import Model, fit
from fluvial.core.errors import UsageError
from fluvial.data import read
from fluvial.kinds.tables.astray import astray

RNG = np.random.default_rng(0)
N = 200
PRICE, COUNT = RNG.lognormal(3, 1, N).round(2), RNG.integers(1, 20, N)
TOTAL = (PRICE * COUNT).round(2)
TAX = (RNG.uniform(0.05, 0.3, N) * TOTAL).round(2)
FRAME = pd.DataFrame({"price": PRICE, "n": COUNT, "total": TOTAL, "tax": TAX, "net": (TOTAL - TAX).round(2)})


@cache
def model() -> Model:
    return fit(FRAME, "mixed", epochs=1, progress=False)


def test_draws_keep_to_them_and_to_their_bounds():
    assert model().schema.names == ("price", "n", "tax")
    drawn = model().sample(300, seed=0)
    np.testing.assert_allclose(drawn["total"], drawn["price"] * drawn["n"], atol=1e-9)
    np.testing.assert_allclose(drawn["net"], drawn["total"] - drawn["tax"], atol=1e-9)
    assert drawn["net"].min() >= 0
    assert np.isfinite(model().log_prob(drawn)).all()


def test_draws_beyond_the_bounds_are_made_again(monkeypatch):
    x = model().schema.encode(read(FRAME)).x
    beyond = x.copy()
    beyond[:, 2] = 1e6
    draws = iter([torch.from_numpy(beyond), torch.from_numpy(x)])
    monkeypatch.setattr(type(model().density), "sample", lambda self, n, _: next(draws)[:n])
    assert (model()._draw(5, None) == x[:5]).all()


def test_gaps_and_targets_are_what_the_others_say():
    rows = FRAME.head(5)
    holes = rows.astype(float)
    for i, name in enumerate(FRAME):
        holes.loc[i, name] = None
    pd.testing.assert_frame_equal(model().impute(holes), rows, check_dtype=False)
    for name in FRAME:
        hidden = rows.assign(**{name: 1})
        np.testing.assert_allclose(model().predict(hidden, name), rows[name])


def test_events_are_about_them_and_conditions_are_not():
    total = model().probability("total > 100", {"price": 10.0, "n": 11})
    assert total.value == 1.0
    assert model().probability("total > 100", {"price": 10.0, "n": 9}).value == 0.0
    with pytest.raises(UsageError, match="'total' follows from 'price' \\* 'n': give 'price', 'n'"):
        model().given({"total": 100.0})


def test_what_is_against_them_is_told():
    wrong = read(FRAME.head(20).assign(total=lambda f: f["total"].where(f.index != 3, 1.0)))
    told = astray(model().schema, wrong, np.arange(20))
    assert list(told) == [3]
    assert "total is 1, against what 'price' * 'n' comes to" in told[3].sentence
