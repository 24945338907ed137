"""Columns back in the form that a table came in: frames, arrays, tensors, lists."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import torch

Columns = dict[str, np.ndarray]

FRAMES = ("pandas", "polars", "pyarrow")
"""Libraries whose frames come in and go out; for a file's columns, the first installed one is taken."""


def as_kind(columns: Columns, kind: str, numbers: Collection[str] = (), index: Any = None) -> Any:  # noqa: ANN401
    """Columns in the form that a table of this kind came in.

    Frames come back as frames of their library, arrays, tensors and lists as such (in the order of the columns).
    Columns of a CSV, Parquet, Feather or npz file become a frame of the first of pandas, polars and pyarrow that
    is installed, and stay a dict of arrays where none is.

    Args:
        columns: each (N,).
        kind: as of :class:`~fluvial.data.tables.Table`.
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
