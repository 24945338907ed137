"""Tables from anywhere: files, data frames, arrays, lists -> named columns of numpy, and back."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import torch

from fluvial.core.errors import DataError, UsageError
from fluvial.data.tokens import SPELLED
from fluvial.data.words import counted, listed, nearest

Columns = dict[str, np.ndarray]

FRAMES = ("pandas", "polars", "pyarrow")
"""Libraries whose frames come in and go out; for a file's columns, the first installed one is taken."""

_WHOLE = 2**53  # whole numbers up to here are exact in float64


@dataclass(frozen=True)
class Reading:
    """How a column was read.

    Args:
        why: what made its values what they are, a clause.
        declared: the source itself says the type; text stays text, and labels stay labels, even where they are numbers.
        category: the source declares labels.
        spelled: the values of a text column with its words for missing (NA, None) kept, (N,); None where it has none.
        problem: a half-sentence about cells that no one can have meant, empty if there are none.
        affix: the sign before and the unit behind each number, as the cells had them.
        missing: numbers that stand for missing cells.
        zone: the time zone that the source declares for times, which are in UTC then; "" where there is none.
    """

    why: str = ""
    declared: bool = False
    category: bool = False
    spelled: np.ndarray | None = None
    problem: str = ""
    zone: str = ""
    affix: tuple[str, str] = ("", "")
    missing: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """Named columns of one length.

    Args:
        columns: each (N,), of a numeric or bool dtype, datetime64, or str or bool objects with None where missing.
        kind: where they came from, for :func:`as_kind`: a file's format ("csv", "parquet", "feather", "npy",
            "npz"; one matrix of an npz file is "npy"), a frame's library ("pandas", "polars", "pyarrow"), "array",
            "structured", "tensor", "list" or "dict".
        header: False where the source names no columns; they are called x0, x1, ... and matched by position.
        readings: how columns were read, by name, as far as there is something to tell.
        notes: sentences about what reading guessed, left out or changed.
        numbers: the names that were whole numbers in the source, as pandas may have them.
        index: the rows' labels, a pandas index; None where the source has none.
        source: the names of all columns of the source, where some of them were left out.
    """

    columns: Columns
    kind: str = "dict"
    header: bool = True
    readings: Mapping[str, Reading] = field(default_factory=dict[str, Reading])
    notes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    index: Any = None
    source: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def reading(self, name: str) -> Reading:
        """How a column was read."""
        return self.readings.get(name, Reading())

    def labels(self, name: str, keep: Collection[object] = SPELLED) -> np.ndarray:
        """A column (N,) for one who knows it to hold labels: the words for missing in ``keep`` are labels too."""
        values, spelled = self.columns[name], self.reading(name).spelled
        if spelled is None or (values.dtype != object and not np.isnan(values).all()):
            return values
        kept = np.array([word in keep for word in spelled])
        plain = values if values.dtype == object else np.full(len(values), None)
        return np.where(kept, spelled, plain) if kept.any() else values

    def without_empty_rows(self) -> Table:
        """The table without the rows all of whose cells are missing, and with a note of how many these are."""
        empty = np.logical_and.reduce([is_missing(values) for values in self.columns.values()])
        count = int(empty.sum())
        if not count or len(self.columns) == 1 or count == len(self):
            return self
        return self.rows(~empty).noting(f"left out: {counted(count, 'row')} without a single value")

    def rows(self, which: np.ndarray) -> Table:
        """The rows with these numbers, or where a mask (N,) is True."""
        kept = {name: values[which] for name, values in self.columns.items()}
        readings = {
            name: reading if reading.spelled is None else replace(reading, spelled=reading.spelled[which])
            for name, reading in self.readings.items()
        }
        index = None if self.index is None else self.index[which]
        return replace(self, columns=kept, readings=readings, index=index)

    def noting(self, *notes: str) -> Table:
        """The table with more to say about it."""
        return replace(self, notes=(*self.notes, *notes))

    def with_missing(self, name: str) -> Table:
        """The table with one more column, all of whose cells are missing."""
        return replace(self, columns={**self.columns, name: np.full(len(self), None, dtype=object)})

    def without(self, names: Sequence[str]) -> Table:
        """The table without some columns.

        Raises:
            UsageError: one of them is not there, or none would be left.
        """
        for name in names:
            if name not in self.columns:
                hint = nearest(name, self.names)
                raise UsageError(f"drop: there is no column {name!r}{hint} (columns: {listed(self.names, most=12)})")
        kept = {name: values for name, values in self.columns.items() if name not in names}
        if not kept:
            raise UsageError("drop: every column is to be left out, so there is none left to model")
        return replace(self, columns=kept, source=self.source or self.names) if names else self


def is_missing(values: np.ndarray) -> np.ndarray:
    """Which entries of a column (N,) are absent or NaN."""
    if values.dtype == object:
        return np.array([v is None for v in values], dtype=bool)
    return np.isnan(values) if values.dtype.kind in "fmM" else np.zeros(len(values), dtype=bool)


def read(source: object) -> Table:
    """A table from a path, a data frame, an array, a tensor, a mapping of columns, or a list of rows.

    Paths end in .csv, .tsv, .txt (also .gz), .parquet, .feather, .arrow, .npy or .npz; ``file.npz:name`` picks
    one of several arrays.

    Raises:
        DataError: the source is none of these, is damaged, or is empty.

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
        return from_array(as_array(source), "tensor")
    if isinstance(source, np.ndarray):
        return from_array(cast("np.ndarray", source), "array")
    if isinstance(source, Mapping):
        given = cast("Mapping[object, Any]", source).items()
        columns = {str(k): tidy(np.atleast_1d(np.asanyarray(v))) for k, v in given}
        return _even(columns, "dict")
    if isinstance(source, list | tuple):
        return _from_rows(cast("Sequence[object]", source))
    from fluvial.data.frames import from_frame

    return from_frame(source)


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor of any layout, on any device and of any dtype, as numpy has it."""
    dense = tensor.detach().to_dense().cpu()
    return (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()


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
    if isinstance(values, np.ma.MaskedArray):
        null, values = np.ma.getmaskarray(values), np.asarray(values.data)
        if not null.any():
            null = None
        elif values.dtype.kind in "fiub":
            return _with_gaps(values, null)
    if values.dtype.kind in "biuMm" or values.dtype.name in ("float16", "float32", "float64"):
        return values
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if values.dtype.kind in "SU":
        text = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
        cells = text.astype(object)
        return cells if null is None else _spread(cells[~null], ~null, np.full(len(values), None))
    if values.dtype.kind != "O":
        raise DataError(f"columns of dtype {values.dtype} cannot be modelled: expected numbers, bools or text")
    return _from_objects(values, null)


def _from_objects(values: np.ndarray, null: np.ndarray | None) -> np.ndarray:
    if null is None:
        null = np.array([v is None or v is np.ma.masked or (isinstance(v, float) and v != v) for v in values], bool)
    known = values[~null].tolist()
    foreign = next((v for v in known if _is_foreign(v)), None)
    if foreign is not None:
        raise DataError(f"a column holds {type(foreign).__name__} in its cells: expected one number or text in each")
    known = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in known]
    if (dates := _dates(known)) is not None:
        return _spread(dates, ~null, np.full(len(values), np.datetime64("NaT"), dates.dtype))
    if known and all(isinstance(v, Decimal | Fraction) for v in known):
        known = [_as_number(v) for v in known]
    if any(isinstance(v, str) for v in known) and all(np.isscalar(v) for v in known):
        return _as_text(known, null)  # numpy's own texts would all take as much memory as the longest
    try:
        plain = np.array(known)
    except ValueError:  # lists of different lengths
        plain = np.empty((0, 0))
    if plain.ndim != 1:
        raise DataError("a column holds lists or arrays in its cells: expected one number or text in each")
    # numpy makes floats of whole numbers that no integer type holds, and texts of numbers beside texts
    whole = any(isinstance(v, int) and abs(v) > _WHOLE for v in known)
    if plain.dtype.kind in "iufbM" and not null.any() and not (whole and plain.dtype.kind == "f"):
        return plain
    if plain.dtype.kind == "M":
        return _spread(plain, ~null, np.full(len(values), np.datetime64("NaT"), plain.dtype))
    if plain.dtype.kind in "iuf" and not whole:
        return _spread(plain, ~null, np.full(len(values), np.nan))
    if plain.dtype.kind == "b":
        return _spread(plain.astype(object), ~null, np.full(len(values), None))
    return _as_text(known, null)


def _as_text(known: Sequence[object], null: np.ndarray) -> np.ndarray:
    """Cells as text (N,), None where ``null``."""
    return _spread(np.array([str(v) for v in known], dtype=object), ~null, np.full(len(null), None))


def _as_number(value: Any) -> float:  # noqa: ANN401  (Decimal or Fraction)
    """A float, or a whole number where that is exact and a float is not."""
    rounded = float(value)
    whole = math.isfinite(rounded) and abs(rounded) > _WHOLE and math.floor(value) == value
    return math.floor(value) if whole else rounded


def _is_foreign(value: object) -> bool:
    """Whether a cell is neither a number nor text, nor prints as anything that could be a label."""
    kind = type(value)
    return (
        isinstance(value, Mapping)
        or callable(value)
        or (kind.__str__, kind.__repr__) == (object.__str__, object.__repr__)
    )


def _dates(known: Sequence[object]) -> np.ndarray | None:
    """Dates and naive times; None for others, whose text says more."""
    if not known or not all(isinstance(v, date) for v in known):
        return None
    if not any(isinstance(v, datetime) for v in known):
        return np.array(known, dtype="datetime64[D]")
    plain = all(isinstance(v, datetime) and v.tzinfo is None for v in known)
    return np.array(known, dtype="datetime64[us]") if plain else None


def _with_gaps(values: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Numbers with NaN where masked, bools with None; as text whole numbers that float64 would merge."""
    known = values[~null]
    if values.dtype.kind == "b":
        return _spread(known.astype(object), ~null, np.full(len(values), None))
    if values.dtype.kind in "iu" and any(abs(int(v)) > _WHOLE for v in known):
        return _as_text(known.tolist(), null)
    dtype = values.dtype if values.dtype.name in ("float16", "float32", "float64") else np.dtype(np.float64)
    return _spread(known.astype(dtype), ~null, np.full(len(values), np.nan, dtype))


def _spread(some: np.ndarray, where: np.ndarray, into: np.ndarray) -> np.ndarray:
    into[where] = some
    return into


def _from_rows(rows: Sequence[object]) -> Table:
    if any(isinstance(row, Mapping) for row in rows):
        raise DataError(
            "a list of mappings is not a table: give a data frame made of it, such as pandas.DataFrame(rows)"
        )
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


def _even(columns: Columns, kind: str) -> Table:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the columns have different lengths: {lengths}")
    return Table(columns, kind)


def as_kind(columns: Columns, kind: str, numbers: Collection[str] = (), index: Any = None) -> Any:  # noqa: ANN401
    """Columns in the form that a table of this kind came in.

    Frames come back as frames of their library, arrays, tensors and lists as such (in the order of the columns).
    Columns of a CSV, Parquet, Feather or npz file become a frame of the first of pandas, polars and pyarrow that
    is installed, and stay a dict of arrays where none is.

    Args:
        columns: each (N,).
        kind: as of :class:`Table`.
        numbers: names that pandas is to have as whole numbers.
        index: the rows' labels (N,), for pandas.
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
            if backend is None:
                return dict(columns)
            frame = as_frame(columns, backend)
            if kind == "pandas" and numbers:
                frame.columns = [int(name) if name in numbers else name for name in columns]
            if kind == "pandas" and index is not None:
                frame.index = index
            return frame


def as_frame(columns: Columns, backend: str) -> Any:  # noqa: ANN401  (a library's own type)
    """Columns as a data frame of ``backend``, one of :data:`FRAMES`."""
    import narwhals as nw

    return cast(Any, nw).from_dict({k: _cells(v, backend) for k, v in columns.items()}, backend=backend).to_native()


def _cells(values: np.ndarray, backend: str) -> Any:  # noqa: ANN401  (a library's own type)
    """A column as the library takes it: pandas has no dates but Python's, and has bools with gaps apart from objects; a
    list shows what others cannot see of objects, that they are bools, or times with a zone."""
    if values.dtype == "datetime64[D]" and backend == "pandas":
        return values.astype(object)
    if values.dtype != object:
        return values
    if backend == "pandas" and is_bools(values):
        import pandas

        return pandas.array(cast(Any, values), dtype="boolean")
    return values.tolist() if any(isinstance(v, datetime | bool) for v in values) else values


def is_bools(values: np.ndarray) -> bool:
    """Whether a column (N,) holds True, False and, where it is one of objects, gaps."""
    if values.dtype != object:
        return values.dtype == bool
    return any(v is not None for v in values) and all(v is None or isinstance(v, bool) for v in values)


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
