# pyright: basic, reportArgumentType=false, reportCallIssue=false
# (scikit-learn and narwhals are not typed strictly)
"""What people give an estimator as X: a data frame as it is, or an array -> a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from numbers import Number
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from fluvial.core.errors import DataError
from fluvial.data.cells import tidy
from fluvial.data.tables import Columns, Table, read

_CELLS = (str, bytes, np.generic, Number, Decimal, date, type(None))
_WORDS = (
    (str, "text"),
    (bool | np.bool_, "truth values"),
    (Number | Decimal, "numbers"),
    (date | np.datetime64, "dates or times"),
)


@dataclass(frozen=True)
class Given:
    """X as it came, and as a table.

    Args:
        table: the columns, named as the data frame has them, or x0, x1, ...
        frame: the data frame, a lazy one collected; None of an array.
        cells: the array (N, D), of float64 where it holds numbers; None of a data frame.
    """

    table: Table
    frame: Any = None
    cells: np.ndarray | None = None

    def called(self, names: Sequence[str]) -> Given:
        """The same with other names of its columns, in their order."""
        table = self.table
        readings = {new: table.reading(old) for old, new in zip(table.names, names) if old in table.readings}
        columns = dict(zip(names, table.columns.values(), strict=True))
        return replace(self, table=replace(table, columns=columns, readings=readings))


def given(estimator: BaseEstimator, X: ArrayLike, *, reset: bool, least: int = 1) -> Given:
    """X as an estimator of tables takes it, with scikit-learn's checks of the names and the number of its columns.

    Args:
        reset: whether this is the fit, which sets them.
        least: how many rows an array has at least.

    Raises:
        ValueError: X is no table, or a column has cells of several types, as a sentence. TypeError: as scikit-learn.
    """
    frame = as_frame(X)
    if frame is not None:
        table = _of_frame(frame)
        validate_data(estimator, frame, reset=reset, skip_check_array=True)
        return Given(table, frame)
    if _is_more_than_numbers(X):
        cells = _as_objects(X)
        if cells.ndim != 2:
            raise DataError(f"X: expected a table, (n_samples, n_features), got an array of shape {cells.shape}")
        columns = {f"x{j}": _of_cells(f"x{j}", column) for j, column in enumerate(cells.T)}
        validate_data(estimator, cells, reset=reset, skip_check_array=True)
        return Given(read(columns), cells=cells)
    x = validate_data(
        estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=least
    )
    return Given(read(named(x)), cells=x)


def as_frame(X: object) -> Any:  # noqa: ANN401  (a frame of any library)
    """A data frame, a lazy one collected; None for anything else."""
    if isinstance(X, np.ndarray):
        return None
    try:
        frame = nw.from_native(X, pass_through=True, allow_series=True)
    except DuplicateError:
        read(X)  # which says which
        raise
    if isinstance(frame, nw.Series):
        raise DataError("X: expected a table, got one column alone: make it a frame, by X.to_frame()")
    if isinstance(frame, nw.LazyFrame):
        return frame.collect().to_native()
    return X if isinstance(frame, nw.DataFrame) else None


def named(x: np.ndarray) -> Columns:
    """The columns of an array (N, D) as x0, x1, ..."""
    return {f"x{j}": column for j, column in enumerate(np.array(x, dtype=np.float64).T)}


def _of_frame(frame: Any) -> Table:  # noqa: ANN401
    """A frame's table; a column that cannot be used, or has several types, which would be read as text, is refused."""
    table = read(frame)
    for name, series in zip(table.names, nw.from_native(frame, eager_only=True).iter_columns()):
        if problem := table.reading(name).problem:
            raise DataError(f"X: column {name!r} {problem}; turn it into one of these, or leave it out")
        if table.columns[name].dtype.kind == "f" and np.isinf(table.columns[name]).any():
            raise DataError(f"X: column {name!r} has infinite values: correct or clear their cells (then missing)")
        if series.dtype == nw.Object:
            check_one_type(f"X: column {name!r}", series.drop_nulls().to_list(), f"X[{name!r}].astype(str)")
    return table


def check_one_type(what: str, cells: Sequence[object], way: str) -> None:
    """DataError, a sentence, if cells are of several types, text beside numbers, say; ``way`` makes labels of them."""
    firsts: dict[str, object] = {}
    for cell in cells:
        word = next((word for types, word in _WORDS if isinstance(cell, types)), "other things")
        firsts.setdefault(word, cell)
    if len(firsts) > 1:
        held = " and ".join(f"{word} ({cell!r})" for word, cell in firsts.items())
        raise DataError(f"{what} holds {held}: make it one type, {way} where they are labels")


def _is_more_than_numbers(X: object) -> bool:
    """Whether an array or a list of rows holds text or dates, which no array of numbers can."""
    if not isinstance(X, (list, tuple)) and not (isinstance(X, np.ndarray) and X.dtype.kind in "OSUM"):
        return False
    if isinstance(X, np.ndarray) and X.dtype.kind == "M":
        return True
    try:
        np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        try:
            return all(isinstance(cell, _CELLS) for cell in _as_objects(X).ravel())
        except ValueError:  # rows of several lengths
            return False
    return False


def _as_objects(X: Any) -> np.ndarray:  # noqa: ANN401  (an array, or a list of rows)
    """The cells as they are, None where one is missing, for which pandas, and numpy's texts, have their own words."""
    if isinstance(X, np.ndarray) and X.dtype.kind == "M":
        return X
    cells = np.array(X, dtype=object)
    words = ("nan", b"nan") if isinstance(X, np.ndarray) and X.dtype.kind in "SU" else ()
    missing = [type(c).__name__ in ("NAType", "NaTType") or c in words or c != c for c in cells.ravel()]
    return np.where(np.reshape(missing, cells.shape), None, cells)


def _of_cells(name: str, cells: np.ndarray) -> np.ndarray:
    """A column of an array: numbers of which numpy made text, for the text in other columns, are numbers again."""
    if cells.dtype == object:
        check_one_type(f"X: column {name!r}", [cell for cell in cells if cell is not None], "X.astype(str)")
    values = tidy(cells)
    if not any(isinstance(cell, str) for cell in values):
        return values
    try:
        return values.astype(np.float64)
    except ValueError:
        return values
