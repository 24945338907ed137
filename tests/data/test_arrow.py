"""Parquet and Feather: what they hold comes back, and what they claim is held against the limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from fluvial.core.errors import DataError
from fluvial.data.arrow import _filled
from fluvial.data.tables import read

TABLE = pa.table(
    {
        "x": np.linspace(-1, 1, 3000),
        "text": ["a", "bb", None] * 1000,
        "label": pa.array(["u", "v"] * 1500).dictionary_encode(),
        "whole": pa.array([1, None, 3] * 1000, pa.int32()),
    }
)
FILLED = sum(column.nbytes for column in TABLE.columns)


def write_stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_table(TABLE, 500)


WAYS = {
    "plain.feather": lambda path: feather.write_feather(TABLE, path, compression="uncompressed"),
    "lz4.feather": lambda path: feather.write_feather(TABLE, path, compression="lz4"),
    "zstd.arrow": lambda path: feather.write_feather(TABLE, path, compression="zstd", chunksize=700),
    "stream.arrow": write_stream,
    "packed.parquet": lambda path: parquet.write_table(TABLE, path, row_group_size=700),
    "plain.parquet": lambda path: parquet.write_table(TABLE, path, use_dictionary=False, store_schema=False),
    "delta.parquet": lambda path: parquet.write_table(
        TABLE, path, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_comes_back(tmp_path: Path, name: str):
    WAYS[name](tmp_path / name)
    table = read(tmp_path / name)
    assert table.names == tuple(TABLE.column_names)
    np.testing.assert_array_equal(table.columns["x"], TABLE["x"].to_numpy())
    assert table.columns["text"].tolist() == TABLE["text"].to_pylist()
    assert table.columns["label"].tolist() == TABLE["label"].to_pylist()
    np.testing.assert_array_equal(table.columns["whole"], TABLE["whole"].to_numpy())
    assert not table.reading("text").category
    assert table.reading("label").category is (name != "plain.parquet")


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_what_a_message_says_that_it_fills(compression: str | None):
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, TABLE.schema, options=options) as writer:
        writer.write_table(TABLE)
    told = sum(_filled(message) for message in pa.ipc.MessageReader.open_stream(sink.getvalue()))
    cells = 8 * TABLE.num_rows * TABLE.num_columns
    assert FILLED <= told - cells <= 1.1 * FILLED + 1000


@pytest.mark.parametrize("name", ["lz4.feather", "plain.feather", "packed.parquet"])
def test_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    WAYS[name](tmp_path / name)
    monkeypatch.setenv("FLUVIAL_LIMIT", str(FILLED // 2))
    with pytest.raises(DataError, match=rf"{name} fills more than {FILLED // 2:,} bytes"):
        read(tmp_path / name)
