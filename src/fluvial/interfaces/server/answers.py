"""Tables that go back to clients: JSON, Arrow, Parquet or CSV, as they ask for it."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from fluvial.core.errors import UsageError
from fluvial.data.arrow import arrow
from fluvial.data.files import joined, write_parquet, write_text
from fluvial.data.forms import as_frame
from fluvial.data.tables import Columns
from fluvial.interfaces.server.batches import Run

ARROW, PARQUET, CSV = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet", "text/csv"
_MOST = 100_000  # rows of JSON in one answer
_UNITS: tuple[Literal["D", "m", "s"], ...] = ("D", "m", "s")


def check_number(name: str, number: int, most: int) -> None:
    """UsageError, a sentence, unless so many rows or draws can be asked for at once."""
    if not 1 <= number <= most:
        raise UsageError(f"{name}: expected 1 to {most:,} a request, got {number:,}")


def for_a_spreadsheet(request: Request) -> bool:
    """Whether a client wants text that a spreadsheet would run as formulas behind an apostrophe."""
    return request.query_params.get("escape_formulas", "").lower() == "true"


def cells(values: np.ndarray) -> list[Any]:
    """A column as JSON has it: null where missing, and for what JSON has no number for, such as -inf."""
    if values.dtype.kind == "f":
        return [v if np.isfinite(v) else None for v in values.tolist()]
    if values.dtype.kind == "M":
        return [None if text == "NaT" else text for text in _instants(values)]
    return values.tolist()


def _instants(values: np.ndarray) -> list[str]:
    """Times as ISO 8601 has them, no longer than they need to be.

    >>> _instants(np.array(["2024-01-01", "2024-01-02T05", "NaT"], dtype="datetime64[us]"))
    ['2024-01-01T00:00', '2024-01-02T05:00', 'NaT']
    """
    there = values[~np.isnat(values)]
    for unit in _UNITS:
        if (there.astype(f"datetime64[{unit}]") == there).all():
            return np.datetime_as_string(values, unit=unit).tolist()
    return np.datetime_as_string(values).tolist()


def table(columns: Mapping[str, np.ndarray], request: Request, more: Mapping[str, Any]) -> Response:
    """A whole table; as JSON with ``more`` beside it."""
    kind = _accepted(request)
    if kind == ARROW:
        return Response(b"".join(_arrow(iter([dict(columns)]))), media_type=ARROW)
    if kind == PARQUET:
        file = io.BytesIO()
        write_parquet(dict(columns), file)
        return Response(file.getvalue(), media_type=PARQUET)
    if kind == CSV:
        return Response(_text(dict(columns), True), media_type=CSV)
    known = {"columns": {name: cells(values) for name, values in columns.items()}, **more}
    return Response(json.dumps(known, allow_nan=False, default=str), media_type="application/json")


async def stream(parts: Iterator[Columns], request: Request, run: Run, rows: int) -> Response:
    """A table that is sent as it comes; as JSON and Parquet in one piece."""
    kind = _accepted(request)
    first = await run(next, parts)  # what is wrong with the wish is said with a status of its own
    every = _chained(first, parts)
    if kind in (ARROW, CSV):
        made = _arrow(every) if kind == ARROW else _lines(every)
        return StreamingResponse(_drawn(made, run), media_type=kind)
    if kind != PARQUET and rows > _MOST:
        raise UsageError(f"n: at most {_MOST:,} rows as JSON; for more ask for {ARROW} or {CSV} (Accept)")
    return table(await run(joined, every), request, {})


def _chained(first: Columns, rest: Iterator[Columns]) -> Iterator[Columns]:
    yield first
    yield from rest


def _accepted(request: Request) -> str:
    return request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()


async def _drawn(parts: Iterator[bytes], run: Run) -> AsyncGenerator[bytes]:
    while (part := await run(next, parts, None)) is not None:
        yield part


def _arrow(parts: Iterator[Columns]) -> Iterator[bytes]:
    """A stream of Arrow, a batch for each part."""
    pa, sink, writer, known = arrow("pyarrow"), io.BytesIO(), None, None
    for part in parts:
        rows = as_frame(part, "pyarrow")
        if writer is None:
            known = rows.schema
            writer = pa.ipc.new_stream(sink, known)
        writer.write_table(rows.cast(known))
        yield sink.getvalue()
        sink.seek(0)
        sink.truncate()
    if writer is not None:
        writer.close()
        yield sink.getvalue()


def _lines(parts: Iterator[Columns]) -> Iterator[bytes]:
    for number, part in enumerate(parts):
        yield _text(part, number == 0)


def _text(columns: Columns, header: bool) -> bytes:
    text = io.StringIO()
    write_text(columns, text, header)
    return text.getvalue().encode()
