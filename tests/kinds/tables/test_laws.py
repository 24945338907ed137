"""Laws that rows suggest: atoms for labels and spikes, grids, gaps and bounds."""

import numpy as np
import pytest

from fluvial.core.errors import DataError
from fluvial.data.columns import Column
from fluvial.kinds.tables.laws import law_of

RNG = np.random.default_rng(0)
MONEY = np.where(RNG.random(1000) < 0.4, 0.0, RNG.gamma(2.0, 30.0, 1000))
REAL, POSITIVE = Column("x", "real"), Column("x", "positive", lower=0.0)


def law(column: Column, values: np.ndarray, **more):
    return law_of(column, values, values, **more)


def test_labels_are_atoms_and_gaps_one_more():
    column = Column("x", "categorical", "str", categories=("a", "b", "c"))
    found = law(column, np.array([0.0, 1.0, np.nan]))
    assert found.atoms == (0.0, 1.0, 2.0)  # also those that no row to train on has
    assert found.labels
    assert found.missing
    assert found.rest is None


def test_a_spike_among_real_numbers_is_an_atom_and_the_rest_is_continuous():
    found = law(POSITIVE, MONEY)
    assert found.atoms == (0.0,)
    assert found.rest is not None
    assert found.rest.step is None
    assert not found.missing
    assert law(REAL, RNG.normal(size=1000)).atoms == ()


def test_a_bound_that_only_the_held_out_rows_reach_is_possible():
    values = RNG.random(500) * 0.9 + 0.05
    column = Column("x", "bounded", lower=0.0, upper=1.0)
    assert law_of(column, values, np.append(values, 1.0)).atoms == (1.0,)
    assert law_of(column, values, np.append(values, np.nan)).missing


def test_common_values_of_a_grid_are_atoms_beside_it():
    values = np.append(RNG.poisson(40, 2000) + 0.0, np.full(500, 99.0))
    found = law(Column("x", "integer", "int64", step=1.0, lower=0.0), values)
    assert 99.0 in found.atoms
    assert found.rest is not None
    assert found.rest.step == 1.0
    assert len(found.atoms) <= 64


def test_values_that_people_round_to_are_atoms_of_a_finer_grid():
    ages = np.append(RNG.integers(20, 40, 400) + 0.0, [0.42, 0.67, 0.75, 33.5, 20.5])
    found = law(Column("age", "positive", step=0.01, lower=0.0), ages)
    assert {21.0, 30.0, 39.0} <= set(found.atoms)
    assert 0.42 not in found.atoms
    assert found.rest is not None
    assert found.rest.step == 0.01
    smooth = np.round(RNG.normal(50.0, 2.0, 2000), 2)
    assert law(Column("x", "real", step=0.01), smooth).atoms == ()


def test_values_that_others_are_rounded_to_are_known_as_such():
    months = RNG.integers(1, 240, 2000)
    ages = np.where(RNG.random(2000) < 0.7, np.round(months / 12) * 12, months).astype(float)
    found = law(Column("age", "integer", step=1.0, lower=0.0), ages)
    assert set(found.rounded) >= {24.0, 36.0, 120.0}
    assert set(found.rounded) <= set(found.atoms)
    one = np.where(RNG.random(2000) < 0.3, 60.0, months).astype(float)
    alone = law(Column("age", "integer", step=1.0, lower=0.0), one)
    assert (alone.atoms, alone.rounded) == ((60.0,), ())  # a value that means something of its own


def test_a_column_of_few_amounts_has_each_of_them_as_an_atom():
    gain, weight = (Column(name, "integer", step=1.0, lower=0.0) for name in ("gain", "weight"))
    amounts = np.arange(1, 101) * 997.0
    values = np.concatenate((np.zeros(18_000), np.repeat(amounts, 20)))  # each in a thousandth of the rows
    assert law(gain, values).atoms == (0.0, *amounts)
    among_others = np.concatenate((values, RNG.integers(10_000, 900_000, 80_000)))
    assert law(weight, among_others).atoms == (0.0,)


def test_grid_values_are_the_decimals_that_people_write():
    values = np.round(RNG.choice([0.1, 0.2, 0.3, 0.7], 400), 1) + RNG.normal(0, 1e-12, 400)
    assert law(Column("x", "real", step=0.1), values).atoms == (0.1, 0.2, 0.3, 0.7)


def test_few_values_are_all_there_are():
    found = law(REAL, np.array([1.0, 2.0] * 50))
    assert found.atoms == (1.0, 2.0)
    assert found.rest is None


def test_a_column_that_others_follow_has_no_values_but_those_of_the_table():
    values = np.arange(150.0)
    found = law_of(Column("x", "integer", "int64", step=1.0), values[:100], values, closed=True)
    assert found.atoms == tuple(values)
    assert found.rest is None


def test_a_column_without_a_value_is_refused():
    with pytest.raises(DataError, match="not a single value"):
        law(REAL, np.full(9, np.nan))


def test_zeros_that_most_rows_share_do_not_decide_how_amounts_are_standardised():
    amounts = np.where(RNG.random(5000) < 0.9, 0.0, np.round(RNG.lognormal(8.0, 0.7, 5000)))
    found = law(Column("gain", "integer", step=1.0, lower=0.0), amounts)
    assert found.rest is not None
    assert found.atoms == (0.0,)
    assert found.rest.scale / found.rest.curve == pytest.approx(0.7, abs=0.1)  # the amounts' own spread, in logarithms
