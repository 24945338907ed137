# pyright: basic
# (narwhals is not typed strictly)
"""Columns back as a data frame whose types are those of the caller's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np

from fluvial.data.forms import Columns, as_frame
from fluvial.data.tables import is_missing


def is_pandas(frame: Any) -> bool:  # noqa: ANN401  (a frame of a library)
    """Whether a data frame is one of pandas."""
    return nw.from_native(frame, eager_only=True).implementation.is_pandas()


def rows_like(frame: Any, columns: Columns) -> Any:  # noqa: ANN401  (frames of a library)
    """New rows in a data frame of the same library, names and types: columns, each (n,), in the frame's order."""
    given = nw.from_native(frame, eager_only=True)
    if is_pandas(frame):
        found = as_frame(columns, "pandas")
        found.columns = frame.columns
        return found.astype(frame.dtypes)
    pairs = zip(given.iter_columns(), columns.values(), strict=True)
    found = nw.from_dict({each.name: _typed(values, each) for each, values in pairs}).to_native()
    return found.cast(frame.schema) if given.implementation.is_pyarrow() else found


def rows_below(frame: Any, columns: Columns) -> Any:  # noqa: ANN401
    """The frame with new rows below its own."""
    both = [nw.from_native(each, eager_only=True) for each in (frame, rows_like(frame, columns))]
    return nw.maybe_reset_index(nw.concat(both)).to_native()


def with_gaps_filled(frame: Any, gaps: Mapping[str, np.ndarray], columns: Columns) -> Any:  # noqa: ANN401
    """The frame with the cells of ``columns`` where ``gaps``, each (n,), are True; its other cells stay untouched."""
    given = nw.from_native(frame, eager_only=True)
    names = dict(zip(columns, given.columns))  # pandas may have numbers for names
    wanted = [name for name in columns if gaps[name].any()]
    if not wanted:
        return given.clone().to_native()
    part = given.select([names[name] for name in wanted]).to_native()
    found = rows_like(part, {name: columns[name] for name in wanted})
    if is_pandas(frame):
        filled, found.index = frame.copy(), frame.index
        for name in wanted:
            filled[names[name]] = frame[names[name]].where(~gaps[name], found[names[name]])
        return filled
    news = nw.from_native(found, eager_only=True)
    masks = {name: nw.new_series(name, gaps[name], backend=given.implementation) for name in wanted}
    filled = given.with_columns(*(given[name].zip_with(~masks[name], news[name]) for name in wanted)).to_native()
    return filled.cast(frame.schema) if given.implementation.is_pyarrow() else filled


def series_like(like: Any, values: np.ndarray) -> Any:  # noqa: ANN401  (series of narwhals and of a library)
    """A column (N,) as a series of the name and type of another one."""
    return _typed(values, like).to_native()


def _typed(values: np.ndarray, like: Any) -> Any:  # noqa: ANN401  (series of narwhals)
    """A column (N,) as a series of the type of another one, missing cells as its library has them."""
    gaps = is_missing(values)
    if values.dtype.kind in "fO":
        cells: Any = [None if gap else value for value, gap in zip(values.tolist(), gaps)]
    else:
        cells = values
    return nw.new_series(like.name, cells, backend=like.implementation).cast(like.dtype)
