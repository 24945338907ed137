"""What clients send: JSON of stated types, or a table as a file. Never a path, and nothing that is run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from fluvial.core.errors import DataError, FluvialError
from fluvial.data.tables import Table, read

Cell = str | bool | int | float | None
_ENDINGS = {
    "application/vnd.apache.arrow.stream": ".arrow",
    "application/vnd.apache.arrow.file": ".arrow",
    "application/vnd.apache.parquet": ".parquet",
    "text/csv": ".csv",
}
JSON = "application/json"
TABLES = (JSON, *_ENDINGS)
"""Types of bodies that hold a table."""
T = TypeVar("T")


class UnsupportedError(ValueError):
    """A body of a type that is none of ours; the message is a sentence."""


class Range(msgspec.Struct, forbid_unknown_fields=True):
    """Values from ``low`` to ``high``, ends included; null for no end."""

    low: Cell = None
    high: Cell = None


Known = dict[str, Cell | Range | list[Cell]]
"""What is known of columns: a value (null: missing), a range, or a list of values."""


class Rows(msgspec.Struct, forbid_unknown_fields=True):
    """A table: ``rows`` as a list of objects, or ``columns`` as an object of lists; one of the two."""

    rows: list[dict[str, Cell]] | None = None
    columns: dict[str, list[Cell]] | None = None

    def table(self) -> Table:
        """As fluvial has it; names that a row lacks are missing cells."""
        if (self.rows is None) == (self.columns is None):
            raise DataError(
                'the body: give "rows", a list of objects, or "columns", an object of lists; one of the two'
            )
        if self.columns is not None:
            return read(self.columns)
        names = list(dict.fromkeys(name for row in self.rows or () for name in row))
        return read({name: [row.get(name) for row in self.rows or ()] for name in names})


class Behind(Rows, forbid_unknown_fields=True):
    """Rows of series to go on from, and which series; null: those of the fit, and all of them."""

    series: list[str] | None = None

    @property
    def past(self) -> Table | None:
        """The rows."""
        return None if self.rows is None and self.columns is None else self.table()


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    """How many rows to draw, of which seed, given which context; and what is known of other columns."""

    n: int = 10
    seed: int | None = None
    context: dict[str, Cell] | None = None
    given: Known | None = None


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """An event in comparisons, what is known, and the draws where there is no closed form."""

    event: str
    given: Known | None = None
    context: dict[str, Cell] | None = None
    draws: int = 10_000
    seed: int = 0


class Marginals(msgspec.Struct, forbid_unknown_fields=True):
    """Columns' distributions from ``n`` draws, given what is known; of a ``pair`` of columns the two together."""

    n: int = 1000
    seed: int | None = 0
    context: dict[str, Cell] | None = None
    given: Known | None = None
    pair: tuple[str, str] | None = None


class Pictures(msgspec.Struct, forbid_unknown_fields=True):
    """How many images to draw onto a sheet, of which seed, given which labels."""

    n: int = 16
    seed: int = 0
    context: dict[str, str] | None = None
    temperature: float = 1.0


class Way(msgspec.Struct, forbid_unknown_fields=True):
    """From the image that one seed draws to that of another, in ``n`` images."""

    seeds: tuple[int, int] = (0, 1)
    n: int = 8
    context: dict[str, str] | None = None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """More or less of something in the image that a seed draws; 1 is the difference of images with much and little."""

    seed: int = 0
    moves: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    context: dict[str, str] | None = None


class Recording(msgspec.Struct, forbid_unknown_fields=True):
    """A recording to draw: its seconds (null: as long as most), its seed, given which labels."""

    seconds: float | None = None
    seed: int = 0
    context: dict[str, str] | None = None
    temperature: float = 1.0


class Forecast(Behind, forbid_unknown_fields=True):
    """What comes next, as quantiles or as ``paths``, behind the rows in ``rows`` or ``columns``, or else the fit's."""

    horizon: int | None = None
    quantiles: list[float] = msgspec.field(default_factory=lambda: [0.1, 0.5, 0.9])
    paths: int | None = None
    seed: int = 0


class Past(msgspec.Struct, forbid_unknown_fields=True):
    """The last steps of series, at most those that the run keeps."""

    steps: int = 72
    series: list[str] | None = None


class Ahead(Behind, forbid_unknown_fields=True):
    """An event about the next steps, such as ``max(demand) > 900``; the rest as of a forecast."""

    event: str = ""
    horizon: int | None = None
    draws: int = 1000
    seed: int = 0


def parsed(body: bytes, kind: type[T]) -> T:
    """A body of JSON as one of the types above.

    Raises:
        DataError: it is not JSON, holds NaN, infinity or a number beyond float64, or is not of this type.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"the body is not what is expected here: {error}") from None
    except RecursionError:
        raise DataError("the body is not what is expected here: it is nested too deeply") from None


def table_of(body: bytes, content_type: str) -> Table:
    """The table in a body, by the type that its sender names.

    Raises:
        DataError: it is damaged, fills more than the limit, or is empty. UnsupportedError: there is no such type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("", JSON):
        return parsed(body, Rows).table()
    if kind not in _ENDINGS:
        raise UnsupportedError(f"bodies of type {kind!r:.100} are not read here; known are {', '.join(TABLES)}")
    with tempfile.TemporaryDirectory(prefix="fluvial-") as folder:
        path = Path(folder, f"body{_ENDINGS[kind]}")
        path.write_bytes(body)
        try:
            return read(path)
        except FluvialError as error:
            raise DataError(str(error).replace(str(path), "the body")) from None


def conditions(known: Known | None) -> dict[str, object]:
    """As ``Model.given`` takes them."""
    return {name: (v.low, v.high) if isinstance(v, Range) else v for name, v in (known or {}).items()}


def context_of(context: Mapping[str, Cell] | None) -> dict[str, object] | None:
    """As ``Model.sample`` takes it: a table of one row."""
    return None if context is None else {name: [value] for name, value in context.items()}
