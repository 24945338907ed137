"""One column: what it is, and its values as float64 numbers and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.forms import is_bools
from fluvial.data.tables import is_missing
from fluvial.data.times import Clock
from fluvial.data.tokens import as_numbers
from fluvial.data.words import counted, listed

Label = str | bool | int | float

KINDS = ("real", "positive", "bounded", "circular", "integer", "categorical", "ordinal", "time")
DTYPES = (
    *("bool", "str", "float16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *(f"datetime64[{unit}]" for unit in ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")),
)

_WHOLE = 2.0**53  # integers up to here are exact in float64


@dataclass(frozen=True)
class Column:
    """What one column holds.

    Args:
        name: as in the table.
        kind: "real"; "positive" (at least ``lower``); "bounded" (between ``lower`` and ``upper``); "circular" (so too,
            and ``lower`` follows ``upper``, as hours of the day do); "integer" (of step 1, perhaps with bounds);
            "categorical" (one of ``categories``); "ordinal" (so too, and their order means something); "time" (dates
            and times as numbers of steps, see ``clock``).
        dtype: numpy's name for the dtype that comes back, "str" for text.
        unit: for the axes of figures.
        lower, upper: inclusive bounds, in ``unit``; None where there is none.
        step: distance of the grid through 0 that the values lie on; None if they are continuous.
        categories: the known labels, in the order of their codes 0, 1, ...
        seen: the least and the largest number in the rows of the fit; None for labels.
        affix: the sign before and the unit behind each number in files of text, as these had them.
        missing: numbers that stand for missing cells.
        clock: how dates and times are written and counted; None for other kinds.

    Raises:
        DataError: the parts contradict each other.
    """

    name: str
    kind: str
    dtype: str = "float64"
    unit: str = ""
    lower: float | None = None
    upper: float | None = None
    step: float | None = None
    categories: tuple[Label, ...] = ()
    seen: tuple[float, float] | None = None
    clock: Clock | None = None
    affix: tuple[str, str] = ("", "")
    missing: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"column {self.name!r}: there is no kind {self.kind!r}; kinds are {', '.join(KINDS)}")
        if self.dtype not in DTYPES:
            raise DataError(f"column {self.name!r}: the dtype {self.dtype!r} is none of {', '.join(DTYPES)}")
        fault = self._fault()
        if fault:
            raise DataError(f"column {self.name!r}: {fault}")

    def _fault(self) -> str:
        """What is wrong, empty if nothing is."""
        lower, upper, step = self.lower, self.upper, self.step
        if any(v is not None and not isfinite(v) for v in (lower, upper, step)):
            return f"bounds and step must be finite, got lower={lower}, upper={upper}, step={step}"
        if lower is not None and upper is not None and not lower < upper:
            return f"lower must be below upper, got {lower} and {upper}"
        if step is not None and not step > 0:
            return f"step must be above 0, got {step}"
        if (self.kind == "time") != (self.clock is not None):
            return "a column of kind time has a clock, and no other has"
        if self.clock is not None and (fault := self.clock.fault()):
            return fault
        if self.clock is None and self.dtype.startswith("datetime64"):
            return f"dtype {self.dtype} is of kind time"
        match self.kind:
            case "categorical" | "time" if any(self.affix):
                return "only numbers have a sign before and a unit behind them"
            case "time" if step != 1 or (self.dtype != "str" and not self.dtype.startswith("datetime64")):
                return f"a column of kind time has step 1 and text or datetime64, got {step} and {self.dtype}"
            case "time" if self.clock is not None and (self.dtype == "str") != bool(self.clock.format):
                return "a column of kind time has a format where it is text, and only there"
            case "categorical" | "ordinal" if not self.categories or (lower, upper, step) != (None, None, None):
                return f"a column of kind {self.kind} has categories, and no bounds or step"
            case "real" if lower is not None or upper is not None:
                return "a real column has no bounds; its kind with them is 'positive' (lower) or 'bounded' (both)"
            case "positive" if lower is None or upper is not None:
                return f"a positive column has lower alone (0, say), got lower={lower} and upper={upper}"
            case "bounded" | "circular" if lower is None or upper is None:
                return f"a {self.kind} column needs both lower and upper, got lower={lower} and upper={upper}"
            case "integer" if step != 1:
                return f"an integer column has step 1, got {step}"
            case _:
                return "only a categorical column has categories" if self.categories and not self.categorical else ""

    @property
    def categorical(self) -> bool:
        """Whether it holds labels, in an order or in none."""
        return self.kind in ("categorical", "ordinal")

    @property
    def period(self) -> float | None:
        """After how much a circular column is where it was; None for other kinds."""
        if self.kind != "circular" or self.lower is None or self.upper is None:
            return None
        return self.upper - self.lower + (self.step or 0.0)

    def wrapped(self, values: np.ndarray) -> np.ndarray:
        """Numbers (N,) of a circular column from ``lower`` on, below a whole round; others as they are."""
        if self.period is None or self.lower is None:
            return values
        return self.lower + np.mod(values - self.lower, self.period)

    @property
    def precision(self) -> float:
        """The relative rounding of its dtype."""
        return float(np.finfo(self.dtype if self.dtype in ("float16", "float32") else np.float64).eps)

    @property
    def discrete(self) -> bool:
        """Whether its values are countable: labels or whole numbers."""
        return self.categorical or self.kind == "integer"


def _number(value: object) -> float | None:
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return None


def to_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """A column (N,) as float64, NaN where missing.

    Raises:
        DataError: it holds text, or integers that float64 cannot tell apart.
    """
    if values.dtype == object:
        return values.astype(np.float64) if is_bools(values) else _parsed(name, values)
    if values.dtype.kind in "iu" and len(values) and max(-float(values.min()), float(values.max())) > _WHOLE:
        raise DataError(
            f"column {name!r} holds integers beyond 2^53 = {_WHOLE:.0f}, too large to be distinguished as numbers; "
            "leave it out, or subtract an offset"
        )
    return values.astype(np.float64)


def _parsed(name: str, values: np.ndarray) -> np.ndarray:
    numbers, bad = as_numbers(values)
    if bad is None:
        return numbers
    raise DataError(
        f"column {name!r} holds text in row {bad + 1}: {values[bad]!r}; expected a number (rows count from 1, the "
        "header apart). Correct or clear the cell; if the column holds labels, its kind is categorical"
    )


def to_codes(column: Column, values: np.ndarray, foreign: float | None = None) -> np.ndarray:
    """A categorical column (N,) as the codes of its categories, NaN where missing.

    Args:
        foreign: what stands for a value that is none of the categories, which is else an error.

    Raises:
        DataError: a value is none of the categories.
    """
    textual = isinstance(column.categories[0], str)
    codes = {_key(label, textual): float(code) for code, label in enumerate(column.categories)}
    filled = np.flatnonzero(~is_missing(values))
    known = values[filled]
    # a label is looked up once, however many rows have it
    distinct, where = _distinct(known)
    found = np.array([_code(codes, label, textual) for label in distinct], dtype=np.float64)
    unseen = np.isnan(found[where])
    if foreign is not None:
        found = np.where(np.isnan(found), foreign, found)
    elif unseen.any():
        at = int(np.flatnonzero(unseen)[0])
        raise DataError(
            f"column {column.name!r} holds {known[at : at + 1].tolist()[0]!r} in row {int(filled[at]) + 1}, a category "
            f"that the model has not seen; it knows {listed(column.categories, most=20)}"
        )
    out = np.full(len(values), np.nan)
    out[filled] = found[where]
    return out


def _code(codes: Mapping[object, float], label: object, textual: bool) -> float:
    """The code of a label, NaN where it is unknown; gaps make 2116.0 of what text has as 2116, and True of true."""
    if textual and isinstance(label, float) and label.is_integer() and str(int(label)) in codes:
        return codes[str(int(label))]
    if textual and isinstance(label, bool):
        words = (str(label), str(label).lower(), str(label).upper())
        return next((codes[word] for word in words if word in codes), np.nan)
    return codes.get(_key(label, textual), np.nan)


def _key(label: object, textual: bool) -> object:
    """What labels are compared by: text as it is; True, "true", 1 and 1.0 are one, whichever a table spells."""
    if textual:
        return str(label)
    return {"true": 1.0, "false": 0.0}.get(str(label).lower(), _number(label))


def dtype_of(values: np.ndarray) -> str:
    """numpy's name for what a column (N,) holds, "str" for text; gaps among bools make no text of them."""
    return "bool" if is_bools(values) else "str" if values.dtype == object else values.dtype.name


def labels(values: np.ndarray) -> tuple[Label, ...]:
    """The distinct labels of a column (N,) without missing entries, sorted, as plain Python values."""
    return tuple(_distinct(values)[0])


def _distinct(values: np.ndarray) -> tuple[list[Label], np.ndarray]:
    """The different values (N,), sorted, and which of them each row has; texts as they are, since numpy's all take as
    much memory as the longest."""
    if values.dtype != object or is_bools(values):
        distinct, where = np.unique(values.astype(bool) if values.dtype == object else values, return_inverse=True)
        return distinct.tolist(), where
    texts = [str(value) for value in values.tolist()]
    numbers = {text: i for i, text in enumerate(sorted(set(texts)))}
    return list(numbers), np.array([numbers[text] for text in texts], dtype=np.int64)


def to_counts(column: Column, clock: Clock, values: np.ndarray) -> np.ndarray:
    """A column (N,) of dates and times as numbers of its clock's steps, NaN where missing.

    Raises:
        DataError: cells are not dates or times.
    """
    if values.dtype.kind not in "OM" and not is_missing(values).all():
        raise DataError(f"column {column.name!r} holds dates or times ({clock}), got {values.dtype}, {values[0]}")
    counts, bad = clock.counts(values)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"column {column.name!r} has {counted(int(bad.sum()), 'cell')} that cannot be read as its dates or times "
            f"({clock}), the first {str(values[first])!r:.60} in row {first + 1}: correct or clear them"
        )
    return counts


def from_codes(column: Column, codes: np.ndarray) -> np.ndarray:
    """The labels that codes (N,) stand for, in the column's dtype; with None among them where one is missing."""
    known = np.array(column.categories, dtype=object if column.dtype == "str" else column.dtype)
    missing = np.isnan(codes)
    if not missing.any():
        return known[np.rint(codes).astype(np.int64)]
    return _spread_out(known[np.rint(codes[~missing]).astype(np.int64)], ~missing)


def _spread_out(some: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Values at their places in a column (N,), and None everywhere else."""
    column = np.full(len(where), None, dtype=object)
    column[where] = some
    return column


def from_numbers(column: Column, values: np.ndarray) -> np.ndarray:
    """Numbers (N,) float64 in the column's dtype: within its bounds, whole where that dtype is; None where NaN.

    Floats keep their NaN.
    """
    if column.clock is not None:
        return column.clock.cells(values, column.dtype)
    missing = np.isnan(values)
    if missing.any() and column.dtype not in ("float16", "float32", "float64"):
        return _spread_out(from_numbers(column, values[~missing]), ~missing)
    if column.dtype in ("str", "bool"):
        whole = np.rint(values)
        return whole != 0 if column.dtype == "bool" else values.astype(str).astype(object)
    dtype = np.dtype(column.dtype)
    lower, upper = column.lower, column.upper
    if dtype.kind in "iu":
        values = np.rint(values)
        info = np.iinfo(dtype)
        # the top of a 64-bit range is not a float64, hence the last one that is
        lower = max(float(info.min), -_WHOLE, -np.inf if lower is None else float(np.ceil(lower)))
        upper = min(float(info.max), _WHOLE, np.inf if upper is None else float(np.floor(upper)))
    with np.errstate(over="ignore"):
        cast = np.clip(values, lower, upper).astype(dtype)
    return _inside(cast, lower, upper)


def _inside(values: np.ndarray, lower: float | None, upper: float | None) -> np.ndarray:
    """Step back where rounding to a short dtype has crossed a bound."""
    if values.dtype.kind != "f" or values.dtype == np.float64:
        return values
    zero = values.dtype.type(0)
    if lower is not None:
        values = np.where(values.astype(np.float64) < lower, np.nextafter(values, zero + np.inf), values)
    if upper is not None:
        values = np.where(values.astype(np.float64) > upper, np.nextafter(values, zero - np.inf), values)
    return values
