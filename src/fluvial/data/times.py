"""Dates and times as numbers and back: one way of writing for a whole column, counted in steps of its precision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from fluvial.data.time_text import DAY, EPOCH, is_shaped, offset_of, readable, reader, written

STEPS = {
    **{"day": DAY, "hour": DAY // 24, "half hour": DAY // 48, "quarter of an hour": DAY // 96, "5 minutes": DAY // 288},
    **{"minute": 60_000_000, "second": 1_000_000, "millisecond": 1000, "microsecond": 1},
}
_START = datetime(1970, 1, 1)
_LEAST, _MOST = (date.min.toordinal() - EPOCH) * DAY, (date.max.toordinal() + 1 - EPOCH) * DAY - 1
_SHORT = (-365 * DAY, 36_159 * DAY - 1)  # 1969 to 2068, which years of two digits mean
_NANO = (-(2**63 - 1) // 1000 + 1, (2**63 - 1) // 1000 - 1)  # what datetime64[ns] holds


@dataclass(frozen=True)
class Clock:
    """How a column holds dates or times.

    Args:
        format: how its text is written, in the codes of ``strftime``; ``%-d`` has no zero in front, ``%3f`` is a
            fraction of so many digits, ``%?f`` one that may be absent, its point included. "" where the dtype says it.
        step: microseconds from one number to the next: numbers are steps since 1970-01-01, UTC or in the column's own
            offset, or since midnight where there are no dates.
        zone: name of the time zone in which a frame shows its times, which are UTC; "" where there is none.
    """

    format: str = ""
    step: int = DAY
    zone: str = ""

    def fault(self) -> str:
        """What is wrong, empty if nothing is."""
        if self.step not in STEPS.values():
            return f"steps of times are {', '.join(STEPS)}, got {self.step} microseconds"
        if self.format and not readable(self.format):
            return f"{self.format!r} is not a format of dates or times, such as %d/%m/%Y or %H:%M"
        return f"there is no time zone {self.zone!r} on this machine" if self.zone and not is_zone(self.zone) else ""

    @property
    def daily(self) -> bool:
        """Whether it is times of day, without dates."""
        return bool(self.format) and not re.search("%[Yy]", self.format)

    def __str__(self) -> str:
        parts = [f"like {self.format}" if self.format else "", f"to the {name_of(self.step)}", self.zone]
        return ", ".join(part for part in parts if part)

    def counts(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A column (N,) as numbers of steps, NaN where missing, and which cells (N,) are not a date or time."""
        if values.dtype.kind == "M":
            return np.where(np.isnat(values), np.nan, _micros(values) / self.step), np.zeros(len(values), dtype=bool)
        filled = np.array([v is not None and v == v for v in values], dtype=bool)
        texts = [str(v) for v in values[filled]]
        known = {text: self._read(text) for text in dict.fromkeys(texts)}
        out, bad = np.full(len(values), np.nan), np.zeros(len(values), dtype=bool)
        out[filled] = [np.nan if (at := known[text]) is None else at / self.step for text in texts]
        bad[filled] = [known[text] is None for text in texts]
        return out, bad

    def _read(self, text: str) -> int | None:
        found = reader(self.format)(text) if self.format else None
        return _iso(text, self) if found is None else found

    def cells(self, counts: np.ndarray, dtype: str) -> np.ndarray:
        """Numbers of steps (N,) as the column's cells, NaN as missing ones: text, datetime64, or moments of a zone."""
        missing = np.isnan(counts)
        least, most = self._range(dtype)
        whole = np.clip(np.rint(np.nan_to_num(counts)), -(-least // self.step), most // self.step)
        micros = whole.astype(np.int64) * self.step
        if dtype == "str":
            texts = {at: written(at, self.format) for at in np.unique(micros).tolist()}
            return _objects([None if gap else texts[at] for at, gap in zip(micros.tolist(), missing)])
        if self.zone:
            zone = ZoneInfo(self.zone)
            moments = ((_START + timedelta(microseconds=at)).replace(tzinfo=UTC) for at in micros.tolist())
            return _objects([None if gap else m.astimezone(zone) for m, gap in zip(moments, missing)])
        cells = micros.astype("datetime64[us]").astype(dtype)
        cells[missing] = np.datetime64("NaT")
        return cells

    def _range(self, dtype: str) -> tuple[int, int]:
        """The first and the last moment that the column can hold, microseconds."""
        if self.daily:
            return 0, DAY - 1
        if "%y" in self.format:
            return _SHORT
        if dtype == "datetime64[ns]":
            return _NANO
        return (_LEAST + DAY, _MOST - DAY) if self.zone else (_LEAST, _MOST)


def is_zone(name: str) -> bool:
    """Whether this machine knows a time zone."""
    try:
        return bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        return False


def name_of(step: int) -> str:
    """A step in words."""
    return next(name for name, each in STEPS.items() if each == step)


def step_of(micros: np.ndarray) -> int:
    """The coarsest step on whose grid moments (N,) lie, microseconds.

    >>> name_of(step_of(np.array([0, 3 * DAY])))
    'day'
    """
    return next(step for step in STEPS.values() if not (micros % step).any())


def is_date(values: np.ndarray) -> bool:
    """Whether a column (N,) holds dates or times: by its dtype, or as text such as 2024-01-31, 31/1/2024 or 8:30."""
    if values.dtype != object:
        return values.dtype.kind in "mM"
    filled = [v for v in values if v is not None]
    return bool(filled) and all(map(is_shaped, filled))


def _iso(text: str, clock: Clock) -> int | None:
    """ISO text as the column has it, whatever its own way of writing; None where it has no such moments."""
    try:
        at = datetime.combine(_START, time.fromisoformat(text)) if clock.daily else datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = offset_of(clock.format)
    if at.tzinfo is None and clock.zone:
        at = at.replace(tzinfo=ZoneInfo(clock.zone))
    if at.tzinfo is not None:
        if not clock.zone and offset is None:
            return None
        at = at.astimezone(UTC).replace(tzinfo=None) + (offset or timedelta())
    return (at - _START) // timedelta(microseconds=1)


def _micros(values: np.ndarray) -> np.ndarray:
    return values.astype("datetime64[us]").astype(np.int64)


def _objects(cells: Sequence[object]) -> np.ndarray:
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def finer(values: np.ndarray) -> bool:
    """Whether some of a column's moments (N,) lie between microseconds, so that digits are lost."""
    if values.dtype.kind == "M":
        there = values[~np.isnat(values)]
        return bool((there.astype("datetime64[us]") != there).any())
    return any(isinstance(v, str) and re.search(r"\.\d{6}0*[1-9]", v) for v in values)
