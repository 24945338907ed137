"""Frames, arrays, tensors and lists in, and the same kinds out."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from fluvial.core.errors import DataError
from fluvial.data import Table, as_kind, read
from fluvial.data.columns import Column, to_codes, to_numbers
from fluvial.data.infer import infer
from fluvial.data.look import first_look
from fluvial.data.tables import Reading
from fluvial.kinds.every import kind_of

COLUMNS = {
    "x": np.array([0.5, 1.5, 2.5], dtype=np.float32),
    "n": np.array([1, 2, 3], dtype=np.int16),
    "b": np.array([True, False, True]),
    "s": np.array(["u", "v", "u"], dtype=object),
}
PLAIN = {name: values.tolist() for name, values in COLUMNS.items()}


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames_come_back_as_they_were(kind):
    frame = as_kind(COLUMNS, kind)
    assert isinstance(frame, {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}[kind])
    table = read(frame)
    assert (table.kind, table.header) == (kind, True)
    assert {k: v.tolist() for k, v in table.columns.items()} == PLAIN
    assert [v.dtype for v in table.columns.values()] == [v.dtype for v in COLUMNS.values()]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_gaps_in_frames_are_nan_or_none(make):
    table = read(make({"n": [1.0, None, 3.0], "s": ["u", None, "w"]}))
    assert np.isnan(table.columns["n"][1])
    assert table.columns["s"].tolist() == ["u", None, "w"]


def test_nullable_pandas_types():
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int64"),
            "c": pd.Categorical(["u", "v", "u"]),
            "b": pd.array([True, None, False], dtype="boolean"),
        }
    )
    table = read(frame)
    assert table.columns["n"].dtype == np.float64
    assert table.columns["c"].tolist() == ["u", "v", "u"]
    assert table.columns["b"].tolist() == [True, None, False]


BOOLS = [True, None, False, True] * 5


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame({"b": pd.array(BOOLS, dtype="boolean")}),
        pl.DataFrame({"b": BOOLS}),
        pa.table({"b": BOOLS}),
        {"b": np.array(BOOLS, dtype=object)},
        {"b": np.ma.array([bool(b) for b in BOOLS], mask=[b is None for b in BOOLS])},
    ],
)
def test_bools_with_gaps_are_bools_with_gaps_and_come_back_as_such(source):
    table = read(source)
    assert table.columns["b"].tolist() == BOOLS
    schema, _ = infer(table, cells=True, drop_missing=False)
    (column,) = schema.columns
    assert (column.kind, column.dtype, column.categories) == ("categorical", "bool", (False, True))
    x = schema.encode(table).x
    assert np.array_equal(x[:3, 0], [1, np.nan, 0], equal_nan=True)
    back = as_kind(schema.decode(x), table.kind)
    if isinstance(source, dict):
        assert back["b"].tolist() == BOOLS
    else:
        assert type(back) is type(source)
        assert read(back).columns["b"].tolist() == BOOLS
        dtype = {"pandas": "boolean", "polars": "Boolean", "pyarrow": "bool"}[table.kind]
        assert str(back["b"].type if table.kind == "pyarrow" else back["b"].dtype) == dtype


@pytest.mark.parametrize("word", ["true", "True", "TRUE"])
def test_a_model_of_such_words_knows_bools(word: str):
    column = Column("b", "categorical", "str", categories=("other", word))
    assert to_codes(column, np.array([True, None], dtype=object)).tolist()[0] == 1


def test_bools_with_gaps_in_text_files(tmp_path):
    (tmp_path / "t.csv").write_text("b,x\ntrue,1\n,2\nFALSE,3\nNA,4\n")
    table = read(tmp_path / "t.csv")
    assert table.columns["b"].tolist() == [True, None, False, None]
    assert table.reading("b").why == "every cell is true, false or missing (NA, empty)"
    assert to_numbers("b", table.columns["b"])[[0, 2]].tolist() == [1.0, 0.0]


def test_rows_without_a_single_value_are_left_out_and_counted():
    spelled = np.array(["x", "NA", None], dtype=object)
    table = Table(
        {"a": np.array([1.0, np.nan, 3.0]), "b": np.array(["x", None, None], dtype=object)},
        readings={"b": Reading(spelled=spelled)},
        index=np.array([7, 8, 9]),
    )
    fewer = table.without_empty_rows()
    assert fewer.columns["a"].tolist() == [1.0, 3.0]
    assert fewer.columns["b"].tolist() == ["x", None]
    assert (fewer.reading("b").spelled == ["x", None]).all()  # pyright: ignore[reportGeneralTypeIssues]
    assert fewer.index.tolist() == [7, 9]
    assert fewer.notes == ("left out: 1 row without a single value",)
    alone = Table({"a": np.array([1.0, np.nan])})
    assert alone.without_empty_rows() is alone  # where there is one column, a gap is all that a row can say


def test_pandas_with_numbers_for_names():
    assert read(pd.DataFrame(np.eye(3))).names == ("0", "1", "2")


def test_a_series_is_one_column():
    assert read(pd.Series([1.0, 2.0], name="a")).names == ("a",)


def test_arrays_have_no_header_and_come_back_as_arrays():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = read(x)
    assert (table.names, table.header) == (("x0", "x1"), False)
    back = as_kind(table.columns, table.kind)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, x)


def test_one_dimensional_arrays_are_one_column():
    assert read(np.arange(4.0)).names == ("x0",)


def test_structured_arrays_keep_their_names():
    rows = np.array([(1, 2.5), (3, 4.5)], dtype=[("n", "i4"), ("x", "f8")])
    table = read(rows)
    back = as_kind(table.columns, table.kind)
    assert back.dtype == rows.dtype
    assert back.tolist() == rows.tolist()


def test_tensors_come_back_as_tensors():
    x = torch.arange(6.0, requires_grad=True).reshape(3, 2)
    table = read(x)
    torch.testing.assert_close(as_kind(table.columns, table.kind), x.detach())


def test_lists_of_rows_may_mix_text_and_numbers():
    rows = [["u", 1, 0.5], ["v", 2, None]]
    table = read(rows)
    assert [v.dtype.kind for v in table.columns.values()] == ["O", "i", "f"]
    assert as_kind({k: v[:1] for k, v in table.columns.items()}, table.kind) == [["u", 1, 0.5]]


def test_a_list_of_numbers_is_one_column():
    assert read([1, 2, 3]).columns["x0"].tolist() == [1, 2, 3]


def test_mappings_are_columns_and_single_values_one_row():
    assert read({"a": [1, 2], "b": ["u", "v"]}).columns["b"].tolist() == ["u", "v"]
    assert len(read({"a": 1, "b": "u"})) == 1


def test_columns_of_files_become_a_frame():
    assert isinstance(as_kind(COLUMNS, "csv"), pd.DataFrame)
    assert isinstance(as_kind({"x0": COLUMNS["x"]}, "npy"), np.ndarray)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        (np.zeros((0, 3)), "is empty"),
        ([], "is empty"),
        (np.zeros((3, 1), dtype=complex), "complex128"),
        ([[1, 2], [3]], "row 2 has 1 cells"),
        ({"a": [1, 2], "b": [1]}, "different lengths"),
        (pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]), "several columns of one name"),
        (object(), "expected a table, got object"),
        (np.array([[1, 2], [3]], dtype=object), "lists or arrays in its cells"),
    ],
)
def test_what_is_no_table_gets_a_sentence(source, says):
    with pytest.raises(DataError, match=says):
        read(source)


def test_a_table_is_read_as_itself():
    table = Table(COLUMNS)
    assert read(table) is table


class _Plain:
    pass


@pytest.mark.parametrize("cell", [{"a": 1}, len, _Plain(), object()])
def test_cells_that_are_no_values_are_refused(cell: object):
    with pytest.raises(DataError, match="in its cells"):
        read({"x": _objects([cell] * 12)})


def test_cells_of_bytes_are_text():
    assert read({"x": _objects([b"a", "é".encode(), None])}).columns["x"].tolist() == ["a", "é", None]


def test_large_decimals_do_not_merge():
    values = [Decimal(10) ** 20 + i for i in range(3)]
    assert read({"x": _objects(values)}).columns["x"].tolist() == [str(v) for v in values]
    assert read({"x": _objects([Decimal("0.5"), Decimal(2)])}).columns["x"].tolist() == [0.5, 2.0]


@pytest.mark.parametrize(
    "change", [lambda x: x.requires_grad_(), lambda x: x.bfloat16(), lambda x: x.to_sparse(), lambda x: x.half()]
)
def test_tensors_of_any_layout_are_tables(change: Callable[[torch.Tensor], torch.Tensor]):
    tensor = torch.tensor([[1.0, 0.0], [2.5, 3.0]])
    assert np.stack(list(read(change(tensor.clone())).columns.values()), 1).tolist() == tensor.tolist()
    assert kind_of(change(tensor.clone())).name == "tables"


def test_rows_of_mappings_are_refused():
    with pytest.raises(DataError, match="list of mappings"):
        read([{"a": 1.0}] * 12)


def _objects(cells: Sequence[object]) -> np.ndarray:
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def test_one_long_text_costs_its_own_length_alone():
    from tracemalloc import get_traced_memory, start, stop

    cells = ["x" * 100_000, *"yz" * 1000]
    start()
    for source in (
        pd.DataFrame({"s": cells}),
        [[cell, 1] for cell in cells],
        {"s": np.array([*cells, 1], dtype=object)},
    ):
        table = read(source)
        look = first_look(table, table.names[0], None)
        assert look.column is not None
        assert look.column.categories[-2:] == ("y", "z")
    most = get_traced_memory()[1]
    stop()
    assert most < 1e7
