"""Gaps filled in: what was there stays, what was not follows the conditional distribution."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import LAWS, NAN, cells, density, enumerated, model

from fluvial.core.errors import UsageError
from fluvial.kinds.tables.impute import filled

DENSITY = density(LAWS)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(*(st.sampled_from([*v, None]) for v in ("FMI", range(5), ["no", "yes"]))), min_size=1, max_size=9
    )
)
def test_observed_cells_stay_as_they_are_and_gaps_go(rows):
    columns = {name: np.array(v, dtype=object) for name, v in zip(("Sex", "Rings", "is old"), zip(*rows))}
    stage = [None if s is None else "infant" if s == "I" else "adult" for s in columns["Sex"]]
    columns |= {"stage": np.array(stage, dtype=object), "planet": np.array(["Earth"] * len(rows), dtype=object)}
    columns["twice"] = np.array([None if r is None else 2 * r for r in columns["Rings"]], dtype=object)
    table = {**columns, "extra": np.arange(len(rows))}
    for found in (model().impute(table), *model().impute(table, draws=2)):
        assert list(found) == list(table)
        for name, values in table.items():
            for before, after in zip(values, found[name]):
                assert after is not None
                assert after == after
                assert before is None or after == before
        assert (np.asarray(found["twice"], float) == 2 * np.asarray(found["Rings"], float)).all()
        assert [s == "infant" for s in found["stage"]] == [s == "I" for s in found["Sex"]]


def test_draws_follow_the_conditional_of_what_is_missing_given_the_rest():
    x = np.array([[1.0, NAN, NAN]])
    drawn = np.concatenate(filled(DENSITY, x, None, 6000, 0))
    p = enumerated(DENSITY, (0, 1, 2))
    sex, rings, old = cells().T
    for k in range(5):
        here = (sex == 1) & (rings == k) & (old == 1)
        expected = float(p[here].sum() / p[sex == 1].sum())
        found = ((drawn[:, 1] == k) & (drawn[:, 2] == 1)).mean()
        assert abs(found - expected) < 4.5 * math.sqrt(expected * (1 - expected) / 6000) + 1e-3


def test_the_best_guess_of_a_label_is_a_likely_one():
    found = filled(DENSITY, np.array([[NAN, 2.0, 1.0]]), None, None, 0)[0]
    p = (
        DENSITY.requires_grad_(False)
        .log_prob_given(torch.tensor([[code, 2.0, 1.0] for code in (0.0, 1.0, 2.0)]), torch.tensor([False, True, True]))
        .exp()
    )
    assert float(p[int(found[0, 0])]) > float(p.max()) - 0.25


def test_a_frame_comes_back_as_a_frame_with_its_index():
    frame = pd.DataFrame(
        {"Sex": ["M", None], "Rings": [1.0, np.nan], "is old": ["no", "yes"], "stage": ["adult", None]}, index=[7, 3]
    ).assign(planet="Earth", twice=[2.0, np.nan])
    found = model().impute(frame)
    assert list(found.index) == [7, 3]
    assert not found.isna().any().any()
    assert found.loc[7, "Rings"] == 1


def test_no_draws_are_refused():
    with pytest.raises(UsageError, match="at least 1, got 0"):
        filled(DENSITY, np.zeros((1, 3)), None, 0, 0)
