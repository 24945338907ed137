"""Columns as a person gets them."""

import numpy as np

from fluvial.data.columns import Column
from fluvial.data.schema import Schema
from fluvial.kinds.tables.written import write_columns

SCHEMA = Schema((Column("n", "integer", step=1.0), Column("x", "real")))


def test_whole_numbers_have_no_point_whether_or_not_some_are_missing(tmp_path):
    columns = {"n": np.array([181.0, 190.0]), "x": np.array([1.0, 2.0])}
    write_columns(columns, tmp_path / "t.csv", schema=SCHEMA)
    assert (tmp_path / "t.csv").read_text() == "n,x\n181,1.0\n190,2.0\n"
    write_columns({**columns, "n": np.array([181.0, np.nan])}, tmp_path / "t.csv", schema=SCHEMA)
    assert (tmp_path / "t.csv").read_text() == "n,x\n181,1.0\n,2.0\n"
    write_columns({"n": np.array([181.5, 1e300])}, tmp_path / "t.csv", schema=SCHEMA)
    assert (tmp_path / "t.csv").read_text() == "n\n181.5\n1e+300\n"
