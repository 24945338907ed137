"""Columns without freedom: what one entails of another is found, rebuilt, and never a coincidence."""

import numpy as np
import pytest

from fluvial.core.errors import DataError
from fluvial.data.columns import Column
from fluvial.data.determined import determined

RNG = np.random.default_rng(0)
CITY = Column("city", "categorical", "str", categories=tuple("abcdefgh"))
LAND = Column("land", "categorical", "str", categories=("x", "y", "z"))
SIZE = Column("size", "real")
LANDS = np.array([0, 0, 1, 1, 1, 2, 2, np.nan])


def table(n: int) -> dict[str, np.ndarray]:
    city = RNG.integers(0, 8, n).astype(float)
    return {"city": city, "land": LANDS[city.astype(int)], "size": RNG.normal(size=n)}


def found(numbers: dict[str, np.ndarray], labels: bool = True):
    columns = [next(c for c in (CITY, LAND, SIZE) if c.name == name) for name in numbers]
    return determined(columns, numbers, labels)


def test_a_mapping_of_labels_is_found_and_rebuilt_gaps_included():
    numbers = table(300)
    (derived,) = found(numbers)
    assert (derived.column, derived.source) == (LAND, "city")
    np.testing.assert_array_equal(derived.values(numbers["city"]), numbers["land"])
    assert not derived.contradicted(numbers["land"], numbers["city"]).any()
    assert derived.contradicted(numbers["land"][::-1], numbers["city"]).any()


def test_it_is_looked_for_where_asked_and_only_in_what_comes_later():
    numbers = table(300)
    assert found(numbers, labels=False) == []
    assert found({"land": numbers["land"], "city": numbers["city"], "size": numbers["size"]}) == []


def test_one_row_against_it_is_enough():
    numbers = table(300)
    numbers["land"][7] = (np.nan_to_num(numbers["land"][7]) + 1) % 3
    assert found(numbers) == []


def test_few_rows_are_a_coincidence():
    assert found(table(16)) == []
    rare = {"city": RNG.permutation(8).astype(float).repeat(40), "land": np.zeros(320), "size": RNG.normal(size=320)}
    rare["land"][rare["city"] == rare["city"][0]] = 1.0
    assert len(found(rare)) == 1
    rare["land"] = np.where(np.arange(320) == 3, 1.0, 0.0)  # one row of another label than all the others
    rare["city"] = np.where(np.arange(320) == 3, 7.0, np.minimum(rare["city"], 6.0))
    assert found(rare) == []


def test_rows_that_stand_twice_are_no_evidence():
    few = table(16)
    assert found({name: np.tile(values, 50) for name, values in few.items()}) == []


def test_constants_and_copies_are_left_out_too():
    numbers = {"size": RNG.normal(size=50), "city": np.full(50, 3.0)}
    copy = Column("copy", "real")
    always, same = determined([SIZE, CITY, copy], {**numbers, "copy": 2 * numbers["size"] + 1})
    assert always.values(np.zeros(2)).tolist() == [3.0, 3.0]
    assert (same.source, same.slope) == ("size", pytest.approx(2.0))
    with pytest.raises(DataError, match="every column is constant"):
        determined([CITY], {"city": numbers["city"]})
