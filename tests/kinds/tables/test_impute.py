"""Gaps filled in: what was there stays, what was not follows the conditional distribution."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import LAWS, NAN, cells, density, enumerated, model

from fluvial import fit
from fluvial.core.errors import UsageError
from fluvial.data.columns import Column
from fluvial.data.schema import Derived
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


def test_a_cell_that_another_one_determines_is_inferred_from_it_and_back():
    rng = np.random.default_rng(0)
    cm, city, gap = (
        np.round(rng.normal(170, 10, 300)),
        rng.choice(["Bern", "Paris", "Rome"], 300),
        rng.random(300) < 0.1,
    )
    cm = np.where(gap, np.nan, cm)
    code = np.array([name[0] for name in city])
    columns = {"cm": cm, "m": cm / 100, "city": city, "code": code, "one": np.ones(300), "w": rng.normal(size=300)}
    model = fit(pd.DataFrame(columns), "mixed", epochs=1, progress=False)
    assert {d.column.name: d.source for d in model.schema.dropped} == {"m": "cm", "code": "city", "one": ""}
    rows = pd.DataFrame(columns)[~gap].head(5)
    holes = rows.copy()
    for i, name in enumerate(["cm", "m", "city", "code", "one"]):
        holes.loc[holes.index[i], name] = None
    pd.testing.assert_frame_equal(model.impute(holes), rows, check_dtype=False)
    for each in model.impute(holes, draws=3):
        pd.testing.assert_frame_equal(each, rows, check_dtype=False)
    np.testing.assert_allclose(model.predict(holes, "w"), model.predict(rows, "w"))


def test_what_several_values_entail_says_nothing_of_them():
    derived = Derived(Column("b", "integer", step=1.0), "a", mapping=((0.0, 5.0), (1.0, 5.0), (2.0, 6.0), (None, 7.0)))
    found = derived.source_of(np.array([5.0, 6.0, 7.0, 8.0, np.nan]), 1.0)
    assert np.array_equal(found, [np.nan, 2, np.nan, np.nan, np.nan], equal_nan=True)


def test_no_draws_are_refused():
    with pytest.raises(UsageError, match="at least 1, got 0"):
        filled(DENSITY, np.zeros((1, 3)), None, 0, 0)
