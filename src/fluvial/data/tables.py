"""Tables from anywhere: files, data frames, arrays, lists -> named columns of numpy."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch

from fluvial.core.errors import DataError, UsageError
from fluvial.data.cells import tidy
from fluvial.data.forms import Columns
from fluvial.data.tokens import SPELLED
from fluvial.data.words import counted, listed, nearest


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
        kind: where they came from, for :func:`fluvial.data.forms.as_kind`: a file's format ("csv", "parquet",
            "feather", "npy", "npz"; one matrix of an npz file is "npy"), a frame's library ("pandas", "polars",
            "pyarrow"), "array", "structured", "tensor", "list" or "dict".
        header: False where the source names no columns; they are called x0, x1, ... and matched by position.
        readings: how columns were read, by name, as far as there is something to tell.
        notes: sentences about what reading guessed, left out or changed.
        numbers: the names that were whole numbers in the source, as pandas may have them.
        index: the rows' labels, a pandas index; None where the source has none.
        source: the names of all columns of the source, where some of them were left out.
        sampled: what the rows are a sample of, a :class:`~fluvial.data.sampled.Sampled`; None for a whole table.
        extra: how many of the last rows are in the sample for the values that they hold.
    """

    columns: Columns
    kind: str = "dict"
    header: bool = True
    readings: Mapping[str, Reading] = field(default_factory=dict[str, Reading])
    notes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    index: Any = None
    source: tuple[str, ...] = ()
    sampled: Any = None
    extra: int = 0

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
        extra = int((np.arange(len(self))[which] >= len(self) - self.extra).sum())
        return replace(self, columns=kept, readings=readings, index=index, extra=extra)

    def noting(self, *notes: str) -> Table:
        """The table with more to say about it."""
        return replace(self, notes=(*self.notes, *notes))

    def beside(self, name: str, values: np.ndarray) -> Table:
        """The table with one more column (N,)."""
        return replace(self, columns={**self.columns, name: values})

    def with_missing(self, name: str) -> Table:
        """The table with one more column, all of whose cells are missing."""
        return self.beside(name, np.full(len(self), None, dtype=object))

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
