"""Tables from anywhere: files, data frames, arrays, lists -> named columns of numpy, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import torch

from fluvial.core.errors import DataError
from fluvial.data.words import counted

Columns = dict[str, np.ndarray]

FRAMES = ("pandas", "polars", "pyarrow")
"""Libraries whose frames come in and go out; for a file's columns, the first installed one is taken."""


@dataclass(frozen=True)
class Table:
    """Named columns of one length.

    Args:
        columns: each (N,), of a numeric or bool dtype, datetime64, or str objects with None where missing.
        kind: where they came from, for :func:`as_kind`: a file's format ("csv", "parquet", "feather", "npy",
            "npz"; one matrix of an npz file is "npy"), a frame's library ("pandas", "polars", "pyarrow"), "array",
            "structured", "tensor", "list" or "dict".
        header: False where the source names no columns; they are called x0, x1, ... and matched by position.
    """

    columns: Columns
    kind: str = "dict"
    header: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read(source: object) -> Table:
    """A table from a path, a data frame, an array, a tensor, a mapping of columns, or a list of rows.

    Paths end in .csv, .tsv, .txt (also .gz), .parquet, .feather, .arrow, .npy or .npz; ``file.npz:name`` picks
    one of several arrays.

    Raises:
        DataError: the source is no such thing, is damaged, or is empty.

    >>> read([[1, 2.5], [3, 4.5]]).columns["x1"]
    array([2.5, 4.5])
    """
    table = _read(source)
    if not table.columns or not len(table):
        raise DataError(f"the table is empty: it has {counted(len(table.columns), 'column')} and no rows")
    return table


def _read(source: object) -> Table:
    if isinstance(source, Table):
        return source
    if isinstance(source, str | os.PathLike):
        from fluvial.data.files import read_file

        return read_file(cast("str | os.PathLike[str]", source))
    if isinstance(source, torch.Tensor):
        return from_array(source.detach().cpu().numpy(), "tensor")
    if isinstance(source, np.ndarray):
        return from_array(cast("np.ndarray", source), "array")
    if isinstance(source, Mapping):
        columns = {str(k): tidy(np.atleast_1d(np.asarray(v))) for k, v in cast("Mapping[object, Any]", source).items()}
        return _even(columns, "dict")
    if isinstance(source, list | tuple):
        return _from_rows(cast("Sequence[object]", source))
    return _from_frame(source)


def from_array(array: np.ndarray, kind: str) -> Table:
    """An (N,) or (N, D) array as columns x0, x1, ...; a structured one by the names of its fields."""
    if array.dtype.names:
        return Table({name: tidy(np.atleast_1d(array[name])) for name in array.dtype.names}, "structured")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(
            f"a table has rows and columns, but this array has shape {array.shape}: expected (N, D), or of images "
            "uint8, (N, H, W) or (N, H, W, C)"
        )
    return Table({f"x{j}": tidy(array[:, j]) for j in range(array.shape[1])}, kind, header=False)


def tidy(values: np.ndarray, null: np.ndarray | None = None) -> np.ndarray:
    """One column in one of the dtypes that :class:`Table` promises; ``null`` marks missing entries (N,)."""
    if values.ndim != 1:
        raise DataError(f"a column is one-dimensional, but this one has shape {values.shape}")
    if values.dtype.kind in "biuMm" or values.dtype.name in ("float16", "float32", "float64"):
        return values
    if values.dtype.kind in "fSU":
        return values.astype(np.float64) if values.dtype.kind == "f" else values.astype(str).astype(object)
    if values.dtype.kind != "O":
        raise DataError(f"columns of dtype {values.dtype} cannot be modelled: expected numbers, bools or text")
    if null is None:
        null = np.array([v is None or (isinstance(v, float) and v != v) for v in values], dtype=bool)
    try:
        plain = np.array(values[~null].tolist())
    except ValueError:  # lists of different lengths
        plain = np.empty((0, 0))
    if plain.ndim != 1:
        raise DataError("a column holds lists or arrays in its cells: expected one number or text in each")
    if plain.dtype.kind in "biufM" and not null.any():
        return plain
    if plain.dtype.kind in "iuf":
        return _spread(plain, ~null, np.full(len(values), np.nan))
    return _spread(np.array([str(v) for v in values[~null]], dtype=object), ~null, np.full(len(values), None))


def _spread(some: np.ndarray, where: np.ndarray, into: np.ndarray) -> np.ndarray:
    into[where] = some
    return into


def _from_rows(rows: Sequence[object]) -> Table:
    if not all(isinstance(row, list | tuple) for row in rows):
        return Table(from_array(_objects(rows)[:, None], "list").columns, "list", header=False)
    cells = cast("Sequence[Sequence[object]]", rows)
    widths = [len(row) for row in cells]
    for i, width in enumerate(widths):
        if width != widths[0]:
            raise DataError(f"row {i + 1} has {width} cells where the first row has {widths[0]}; all need as many")
    return Table({f"x{j}": tidy(_objects(column)) for j, column in enumerate(zip(*cells))}, "list", header=False)


def _objects(cells: Sequence[object]) -> np.ndarray:
    column = np.empty(len(cells), dtype=object)
    column[:] = list(cells)
    return column


def _from_frame(source: object) -> Table:
    import narwhals as nw
    from narwhals.exceptions import DuplicateError

    try:
        given = cast(Any, nw).from_native(source, eager_only=True, allow_series=True)
        frame: Any = given if isinstance(given, nw.DataFrame) else given.to_frame()
        names = [str(name) for name in frame.columns]
    except DuplicateError:
        raise DataError("the data frame has several columns of one name; give each its own") from None
    except TypeError:
        raise DataError(
            f"a {type(source).__name__} is not a table: expected a path, a pandas, polars or pyarrow data frame "
            "(a lazy one collected), an array (N, D), or a list of rows"
        ) from None
    series = list(frame.iter_columns())  # by position: pandas' names may be numbers
    columns = {name: tidy(each.to_numpy(), each.is_null().to_numpy()) for name, each in zip(names, series)}
    return Table(columns, frame.implementation.value)


def _even(columns: Columns, kind: str) -> Table:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the columns have different lengths: {lengths}")
    return Table(columns, kind)


def as_kind(columns: Columns, kind: str) -> Any:  # noqa: ANN401  (a library's own type)
    """Columns in the form that a table of this kind came in.

    Frames come back as frames of their library, arrays, tensors and lists as such (in the order of the columns).
    Columns of a CSV, Parquet, Feather or npz file become a frame of the first of pandas, polars and pyarrow that
    is installed, and stay a dict of arrays where none is.
    """
    match kind:
        case "array" | "npy":
            return stack(columns)
        case "structured":
            return structured(columns)
        case "tensor":
            return torch.as_tensor(stack(columns))
        case "list":
            return [list(row) for row in zip(*(values.tolist() for values in columns.values()))]
        case "dict":
            return dict(columns)
        case _:
            backend = kind if kind in FRAMES else next((name for name in FRAMES if find_spec(name)), None)
            return dict(columns) if backend is None else as_frame(columns, backend)


def as_frame(columns: Columns, backend: str) -> Any:  # noqa: ANN401  (a library's own type)
    """Columns as a data frame of ``backend``, one of :data:`FRAMES`."""
    import narwhals as nw

    return cast(Any, nw).from_dict(columns, backend=backend).to_native()


def stack(columns: Columns) -> np.ndarray:
    """The columns side by side (N, D), in the smallest dtype that holds them all."""
    return np.stack(list(columns.values()), axis=1)


def structured(columns: Columns) -> np.ndarray:
    """The columns as one structured array (N,), text as fixed-width strings."""
    plain = {name: v.astype(str) if v.dtype == object else v for name, v in columns.items()}
    rows = np.empty(len(next(iter(plain.values()))), dtype=[(name, v.dtype) for name, v in plain.items()])
    for name, values in plain.items():
        rows[name] = values
    return rows
