"""Parquet and Feather files -> tables: what they say of sizes is held against the limit before Arrow believes it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from fluvial.core.errors import DataError
from fluvial.data.frames import from_frame
from fluvial.data.limits import check_regular, check_size, decoding, open_regular
from fluvial.data.tables import Table
from fluvial.data.words import listed

VALUE = 8  # bytes of a value in memory
_ROWS = 1 << 16  # that a part of a large file has
_LABELS = "categorical"  # pandas' word, in the files that it writes
_MAGIC = b"ARROW1\0\0"  # before the stream of messages in a file; alone, the stream has none
_FIRST_PACKED = b"ARROW:experimental_compression"  # how the first files with packed buffers said so
_TEXT = "BYTE_ARRAY"  # Parquet's word for values that take as many bytes as they like
_PACKED = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}  # Parquet's words for values that stand in the file once each


def read_parquet(path: Path) -> Table:
    """The table in a Parquet file.

    Raises:
        DataError: it is damaged, fills more than the limit, or pyarrow is not installed.
    """
    check_regular(path)
    with decoding(path, "a whole parquet file"):
        return as_table(path, "parquet", *_from_parquet(path))


def read_feather(path: Path) -> Table:
    """The table in a Feather or Arrow file, or in a stream of Arrow.

    Raises:
        DataError: as of :func:`read_parquet`.
    """
    pa = arrow("pyarrow")
    with open_regular(path) as file, decoding(path, "a whole feather file"):
        check_size(path, path.stat().st_size)
        return as_table(path, "feather", *_from_ipc(path, pa.py_buffer(file.read())))


def batches(path: Path) -> Iterator[Any]:
    """The rows of a Feather or Arrow file as tables of Arrow, so many at a time that no memory grows with them.

    Raises:
        DataError: it is damaged, or one of its batches fills more than the limit.
    """
    pa = arrow("pyarrow")
    check_regular(path)
    with decoding(path, "a whole feather file"):
        with pa.OSFile(str(path)) as file:
            _skip_magic(file)
            for message in pa.ipc.MessageReader.open_stream(file):
                check_size(path, _filled(message))
        with pa.OSFile(str(path)) as file:
            _skip_magic(file)
            for batch in pa.ipc.open_stream(file):
                batch.validate(full=True)  # Arrow believes offsets, and crashes where they point elsewhere
                for first in range(0, len(batch), _ROWS):
                    yield pa.Table.from_batches([batch.slice(first, _ROWS)])


def _skip_magic(file: Any) -> None:  # noqa: ANN401  (a file of Arrow's)
    file.seek(len(_MAGIC) if file.read(len(_MAGIC)) == _MAGIC else 0)


def arrow(module: str) -> Any:  # noqa: ANN401  (a library's own type)
    """pyarrow or one of its modules.

    Raises:
        DataError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise DataError('Parquet and Feather files need pyarrow: pip install "fluvial[data]"') from None


def _from_parquet(path: Path) -> tuple[Any, Any]:
    """The file's schema and its rows, text that repeats as a dictionary."""
    parquet = arrow("pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        known, metadata = file.schema_arrow, file.metadata
        groups = [metadata.row_group(i) for i in range(file.num_row_groups)]
        check_size(path, sum(group.num_rows for group in groups) * metadata.num_columns * VALUE)
        check_size(path, sum(group.total_byte_size for group in groups))
        texts = repeating_texts(metadata, known)
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        return known, file.read()


def repeating_texts(metadata: Any, known: Any) -> list[str]:  # noqa: ANN401  (pyarrow's own types)
    """Columns of text that repeats: it takes its place in the file once, and in memory each time."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(j) for group in groups for j in range(metadata.num_columns)]
    found = {c.path_in_schema for c in chunks if c.physical_type == _TEXT and _PACKED & set(c.encodings)}
    return [name for name in known.names if name in found]


def _from_ipc(path: Path, data: Any) -> tuple[Any, Any]:  # noqa: ANN401  (a buffer of Arrow's)
    """The schema and the rows of a stream, which a file holds behind eight bytes."""
    pa = arrow("pyarrow")
    stream = data.slice(len(_MAGIC)) if data.slice(0, len(_MAGIC)).to_pybytes() == _MAGIC else data
    size = 0
    for message in pa.ipc.MessageReader.open_stream(stream):
        size += _filled(message)
        check_size(path, size)
    rows = pa.ipc.open_stream(stream).read_all()
    return rows.schema, rows


def as_table(path: Path, kind: str, known: Any, rows: Any) -> Table:  # noqa: ANN401  (Arrow's own types)
    """Rows of Arrow as a table, once they are known to be whole and not too large; ``known`` is the file's schema."""
    twice = sorted(name for name, n in Counter(known.names).items() if n > 1)
    if twice:
        raise DataError(f"{path} has several columns called {listed(twice)}; give each column its own name")
    rows.validate(full=True)  # Arrow believes offsets, and crashes where they point elsewhere
    check_size(path, rows.nbytes + sum(map(_spread_out, rows.columns)))
    pandas = known.pandas_metadata or {}
    index = frozenset(name for name in pandas.get("index_columns", ()) if isinstance(name, str))
    labels = frozenset(str(c.get("field_name")) for c in pandas.get("columns", ()) if c.get("pandas_type") == _LABELS)
    table = replace(from_frame(rows.cast(known), labels, index), kind=kind)
    if not index:
        return table
    return table.noting(f"left out, as the index of the pandas frame that was saved: {listed(sorted(index))}")


def _spread_out(column: Any) -> int:  # noqa: ANN401  (Arrow's own type)
    """Bytes of text that a column's dictionary stands for."""
    pa, compute = arrow("pyarrow"), arrow("pyarrow.compute")
    if not pa.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
        return 0
    found = [compute.sum(compute.binary_length(c.dictionary).take(c.indices)).as_py() for c in column.chunks]
    return sum(size or 0 for size in found)


def _is_text(kind: Any) -> bool:  # noqa: ANN401  (Arrow's own type)
    types = arrow("pyarrow").types
    return any(of(kind) for of in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary))


def _filled(message: Any) -> int:  # noqa: ANN401  (Arrow's own type)
    """Bytes that a message of the IPC format fills, by what it says itself.

    Its head is a flatbuffer: Message (field 2, the header) of a RecordBatch (0 length, 1 nodes, 2 buffers, 3
    compression) or of a DictionaryBatch, whose field 1 is a RecordBatch. A compressed buffer begins with its length
    once it is unpacked, -1 where it is as it is.
    """
    if message.type not in ("record batch", "dictionary"):
        return 0
    head = message.metadata.to_pybytes()
    batch = _Flat(head, struct.unpack_from("<I", head)[0]).table(2)
    if message.type == "dictionary":
        batch = batch.table(1)
    packed = batch.at(3) is not None or _FIRST_PACKED in head
    sizes = [_length(message.body, at, size) if packed else size for at, size in batch.pairs(2)]
    return sum(sizes) + VALUE * max(batch.number(0), 0) * sum(1 for _ in batch.pairs(1))


def _length(body: Any, at: int, size: int) -> int:  # noqa: ANN401  (a buffer of Arrow's)
    if size < 8:
        return 0
    claimed = int.from_bytes(body.slice(at, 8).to_pybytes(), "little", signed=True)
    return size - 8 if claimed == -1 else max(claimed, 0)


class _Flat:
    """A table of a flatbuffer: its fields are found by a list of their places, which stands apart from it."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        self._fields = place - struct.unpack_from("<i", data, place)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def at(self, field: int) -> int | None:
        """Where a field is; None where it has its default."""
        entry = 4 + 2 * field
        offset = struct.unpack_from("<H", self._data, self._fields + entry)[0] if entry < self._size else 0
        return self._place + offset if offset else None

    def table(self, field: int) -> _Flat:
        return _Flat(self._data, self._to(field))

    def number(self, field: int) -> int:
        at = self.at(field)
        return 0 if at is None else struct.unpack_from("<q", self._data, at)[0]

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A list of pairs of 64-bit numbers."""
        if self.at(field) is None:
            return
        start = self._to(field)
        for i in range(struct.unpack_from("<I", self._data, start)[0]):
            yield struct.unpack_from("<qq", self._data, start + 4 + 16 * i)

    def _to(self, field: int) -> int:
        at = self.at(field)
        if at is None:
            raise ValueError("a message without its content")
        return at + struct.unpack_from("<I", self._data, at)[0]
