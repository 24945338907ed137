"""Data frames of any library, lazy ones and streams of Arrow among them -> tables."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.cells import tidy
from fluvial.data.limits import decoding
from fluvial.data.tables import Reading, Table
from fluvial.data.words import listed


@runtime_checkable
class ArrowStream(Protocol):
    """What speaks the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


@runtime_checkable
class Interchange(Protocol):
    """What speaks the data frame interchange protocol."""

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object: ...


def from_frame(source: object, categories: Collection[str] = (), left_out: Collection[str] = ()) -> Table:
    """The columns of a data frame, each with the type that its frame declares.

    Args:
        source: a frame or series of pandas, polars, pyarrow or another library that narwhals knows; a lazy frame, which
            is collected; or anything that exports a stream of Arrow or speaks the interchange protocol.
        categories: columns that are known to hold labels, whatever their dtype.
        left_out: columns that do not belong to the table.

    Raises:
        DataError: it is none of these, or several columns have one name.
    """
    frame = _opened(source)
    names = [name for name in frame.columns if str(name) not in left_out]
    texts = [str(name) for name in names]
    if len(set(texts)) < len(texts):
        twice = sorted({name for name in texts if texts.count(name) > 1})
        raise DataError(f"the data frame has several columns called {listed(twice)}; give each column its own name")
    columns: dict[str, np.ndarray] = {}
    readings: dict[str, Reading] = {}
    # by position: pandas' names may be numbers
    series = [each for name, each in zip(frame.columns, frame.iter_columns()) if str(name) not in left_out]
    for name, each in zip(texts, series):
        columns[name], readings[name] = _column(each, name in categories)
    whole = tuple(str(name) for name in names if isinstance(name, int) and not isinstance(name, bool))
    native = frame.to_native()
    kind = frame.implementation.value
    return Table(columns, kind, True, readings, (), whole, native.index if kind == "pandas" else None)


def _opened(source: object) -> Any:  # noqa: ANN401  (a frame of narwhals)
    import narwhals as nw
    from narwhals.exceptions import DuplicateError

    try:
        given: Any = cast(Any, nw).from_native(source, allow_series=True)
    except TypeError:
        given = _streamed(source)
    except DuplicateError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"the data frame has several columns of one name; give each its own ({reason})") from None
    if isinstance(given, nw.LazyFrame):
        given = given.collect()
    return given if isinstance(given, nw.DataFrame) else given.to_frame()


def _streamed(source: object) -> Any:  # noqa: ANN401  (a frame of narwhals)
    import narwhals as nw

    if isinstance(source, ArrowStream):
        backend = next((name for name in ("pyarrow", "polars", "pandas") if find_spec(name)), None)
        if backend is not None:
            return nw.from_arrow(cast(Any, source), backend=cast(Any, backend))
    if isinstance(source, Interchange) and find_spec("pyarrow"):
        from pyarrow.interchange import from_dataframe

        with decoding(f"the {type(source).__name__}", "a frame of numbers and text that pyarrow can take over"):
            return cast(Any, nw).from_native(from_dataframe(source))
    raise DataError(
        f"expected a table, got {type(source).__name__}: a table is a path, a data frame (of pandas, polars, "
        "pyarrow, or anything that exports a stream of Arrow), an array (N, D), or a list of rows"
    )


def _column(series: Any, category: bool) -> tuple[np.ndarray, Reading]:  # noqa: ANN401  (a series of narwhals)
    """A column's values, and how they were read; what cannot be read is said where the column is used."""
    import narwhals as nw

    dtype = series.dtype
    null = series.is_null().to_numpy()
    try:
        values = tidy(_values(series), null)
    except DataError as error:
        return np.full(len(null), None), Reading(problem=f"cannot be used: {error}")
    if category or isinstance(dtype, nw.Categorical | nw.Enum):
        return values, Reading("the source declares labels", declared=True, category=True)
    if isinstance(dtype, nw.String):
        return values, Reading("the source declares text", declared=True)
    zone = dtype.time_zone or "" if isinstance(dtype, nw.Datetime) else ""
    declared = str(dtype).lower() if values.dtype.kind != "M" else "dates" if isinstance(dtype, nw.Date) else "times"
    return values, Reading(f"the source declares {declared}", declared=values.dtype != object, zone=zone)


def _values(series: Any) -> np.ndarray:  # noqa: ANN401  (a series of narwhals)
    """As numpy; whole numbers with gaps as objects, since float64 would merge large ones."""
    import narwhals as nw

    wide = isinstance(series.dtype, nw.Int128 | nw.UInt128)
    if wide or (series.dtype.is_integer() and series.null_count() and not isinstance(series.dtype, nw.Categorical)):
        values = np.empty(len(series), dtype=object)
        values[:] = series.to_list()
        return values
    return series.to_numpy()
