"""Frames of every library, lazy ones, streams of Arrow and files of them: the source's own types win."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fluvial.core.errors import DataError
from fluvial.data import infer, read

FRAME = pl.DataFrame({"n": [1, 2, None], "s": ["02116", "7", None], "x": [0.5, 1.5, 2.5]})


class Stream:
    """Anything that exports a stream of Arrow, as DuckDB's relations do."""

    def __arrow_c_stream__(self, requested_schema=None):
        return FRAME.to_arrow().__arrow_c_stream__(requested_schema)


class Exchanged:
    """Anything that speaks the interchange protocol."""

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return FRAME.to_arrow().__dataframe__(nan_as_null, allow_copy)


@pytest.mark.parametrize(
    "source",
    [FRAME, FRAME.lazy(), FRAME.to_arrow(), FRAME.to_arrow().to_reader(), FRAME.to_pandas(), Stream(), Exchanged()],
    ids=lambda source: type(source).__name__,
)
def test_all_give_the_same_columns(source):
    table = read(source)
    np.testing.assert_array_equal(table.columns["n"], [1, 2, np.nan])
    assert table.columns["s"].tolist() == ["02116", "7", None]
    assert table.columns["x"].tolist() == [0.5, 1.5, 2.5]


def kinds_of(frame, **given):
    schema, _ = infer(read(frame), **given)
    return {c.name: c.kind for c in (*schema.columns, *schema.context)}


@pytest.mark.parametrize("save", [None, "to_parquet", "to_feather"])
def test_text_stays_text_and_declared_labels_stay_labels(tmp_path, save):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "x": rng.normal(size=40),
        "zip": ["10001", "94110"] * 20,
        "k": pd.Categorical([1, 2, 3, 2] * 10),
        "b": [True, False] * 20,
        "word": ["NA", "None", "nan", "x"] * 10,
    })  # fmt: skip
    if save:
        getattr(frame, save)(tmp_path / f"t.{save[3:]}")
    source = tmp_path / f"t.{save[3:]}" if save else frame
    labels = ["zip", "k", "b", "word"]
    assert kinds_of(source, context=labels) == {"x": "real"} | dict.fromkeys(labels, "categorical")
    schema, _ = infer(read(source), context=labels)
    assert [c.categories for c in schema.context] == [
        *(("10001", "94110"), (1, 2, 3), (False, True), ("NA", "None", "nan", "x"))
    ]
    encoded = schema.encode(read(source))
    back = schema.decode(encoded.x, encoded.context)
    assert back["word"].tolist() == frame["word"].tolist()
    assert back["k"].tolist() == frame["k"].tolist()


def test_the_index_of_a_saved_frame_is_left_out_and_named(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=[5, 3, 9])
    for index, name in ((frame.index, "__index_level_0__"), (pd.Index([5, 3, 9], name="row id"), "row id")):
        frame.set_axis(index).to_parquet(tmp_path / "t.parquet")
        table = read(tmp_path / "t.parquet")
        assert table.names == ("a",)
        assert repr(name) in table.notes[0]


def test_names_that_stand_twice_are_named(tmp_path):
    frame = pa.table([pa.array([1.0]), pa.array([2.0]), pa.array([3.0])], names=["a", "b", "a"])
    pq.write_table(frame, tmp_path / "t.parquet")
    for source in (tmp_path / "t.parquet", frame, pd.DataFrame(np.ones((2, 3)), columns=["a", "b", "a"])):
        with pytest.raises(DataError, match=r"columns (called|of one name).*'a'"):
            read(source)


@pytest.mark.parametrize("base", [2**53, 2**60, 2**64])
def test_large_whole_numbers_never_merge(base):
    whole = [base + i for i in range(20)]
    sources = [
        pd.DataFrame({"v": pd.Series(whole, dtype=object)}),
        pd.DataFrame({"v": pd.Series([None, *whole], dtype=object if base >= 2**63 else "Int64")}),
        {"v": whole},
        {"v": [None, *whole]},
        [[v] for v in whole],
        {"v": np.ma.array([7, *whole], mask=[True] + [False] * 20, dtype=object if base >= 2**63 else np.int64)},
    ]
    for source in sources:
        (values,) = read(source).columns.values()
        assert len({v for v in values.tolist() if v is not None and v == v}) == 20


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "bool", "U3", "O"])
def test_masks_are_kept(dtype):
    plain = np.array([1, 0, 1, 0]).astype(dtype)
    masked = np.ma.array(plain, mask=[False, True, False, False])
    table = read({"v": masked, "w": plain})
    missing = [v is None or v != v for v in table.columns["v"].tolist()]
    assert missing == [False, True, False, False]
    if dtype.startswith("float"):
        assert read(np.ma.stack([masked, masked], axis=1)).columns["x1"].dtype == dtype
        rows = np.ma.array([(1, 2.5), (3, 4.5)], mask=[(True, False), (False, False)], dtype=[("a", "i4"), ("b", "f8")])
        np.testing.assert_array_equal(read(rows).columns["a"], [np.nan, 3])


def test_what_cannot_be_read_is_told_where_it_is_used():
    frame = FRAME.to_arrow().append_column("l", pa.array([[1], [2, 3], []]))
    table = read(frame)
    assert "holds lists" in table.reading("l").problem
    assert table.without(["l"]).names == ("n", "s", "x")


def test_decimals_are_numbers():
    frame = FRAME.with_columns(pl.col("x").cast(pl.Decimal(10, 2)))
    assert read(frame).columns["x"].tolist() == [0.5, 1.5, 2.5]


def test_a_relation_of_duckdb_is_a_table():
    duckdb = pytest.importorskip("duckdb")
    query = (
        "select i, i / 4 as share, case when i % 3 = 0 then null else 'ab'[1 + i % 2] end as label from range(30) r(i)"
    )
    relation = duckdb.connect().sql(f"{query} order by i")
    table = read(relation)
    assert table.names == ("i", "share", "label")
    assert table.columns["i"].tolist() == list(range(30))
    assert table.columns["share"].tolist() == [i / 4 for i in range(30)]
    assert table.columns["label"].tolist() == [None if i % 3 == 0 else "ab"[i % 2] for i in range(30)]
