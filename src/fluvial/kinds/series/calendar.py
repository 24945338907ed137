"""Regular times: how far apart steps are, which step a stamp is, and what the calendar says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.time_text import DAY
from fluvial.data.words import counted

_MOST_STEPS = 20  # steps for each row at most: else a stamp is a slip, or the steps are no steps
_NAMES = {
    **{DAY * 7: "week", DAY: "day", DAY // 24: "hour", DAY // 1440: "minute", DAY // 86400: "second"},
    **{12: "year", 3: "quarter", 1: "month"},
}
_YEAR = DAY * 365.2425
_HARMONICS = 3  # of a day, a week, a year: they tell any of seven days apart


@dataclass(frozen=True)
class Steps:
    """How regular times follow each other.

    Args:
        unit: "time" (microseconds), "business days", "months", or "count" where times are whole numbers.
        size: how many of these a step is.
        day: of months, the day of the month; 31 for the last one.
        phase: the time that a step of 0 would be.
    """

    unit: str
    size: int = 1
    day: int = 1
    phase: int = 0

    def __str__(self) -> str:
        if self.unit == "business days":
            return "a business day a step"
        if self.unit == "count":
            return f"{self.size} a step" if self.size > 1 else "counted one by one"
        for size, name in _NAMES.items():
            if (size < 100) == (self.unit == "months") and self.size % size == 0:
                return f"{counted(self.size // size, name)} a step"
        return f"{self.size} microseconds a step"

    def place(self, at: np.ndarray) -> np.ndarray:
        """The number of the step that each time (N,) is, fractions for times between steps."""
        if self.unit == "business days":
            days = at / DAY
            whole = np.floor(days).astype("datetime64[D]")
            count = np.busday_count("1970-01-01", whole).astype(np.float64)
            off = ~np.is_busday(whole)
            return count + np.where(off, 0.5, days - np.floor(days))
        if self.unit == "months":
            month, day, within = _months(at)
            right = (np.minimum(self.day, _length(month)) == day) & (within == 0)
            return month / self.size + np.where(right, 0.0, 0.5)
        return (at - self.phase) / self.size

    def time(self, step: np.ndarray) -> np.ndarray:
        """The times of numbered steps (N,), microseconds, or whole numbers of a count."""
        if self.unit == "business days":
            days = np.busday_offset("1970-01-01", step.astype(np.int64), roll="forward")
            return days.astype("datetime64[D]").astype(np.int64) * DAY
        if self.unit == "months":
            month = np.rint(step * self.size).astype(np.int64)
            day = np.minimum(self.day, _length(month)) - 1
            return (month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day) * DAY
        return np.rint(step * self.size).astype(np.int64) + self.phase

    @property
    def seasons(self) -> tuple[int, ...]:
        """After how many steps what happens may happen again, by the calendar."""
        if self.unit == "business days":
            return (5,)
        if self.unit == "months":
            return (12 // self.size,) if self.size < 12 and 12 % self.size == 0 else ()
        if self.unit == "count":
            return ()
        spans = (DAY // 24, DAY, 7 * DAY) if self.size <= DAY // 288 else (DAY, 7 * DAY)
        found = [span // self.size for span in spans if span % self.size == 0 and span // self.size > 1]
        if self.size == 7 * DAY:
            return (52,)
        return tuple(p for p in found if p <= 1500)

    def features(self, step: np.ndarray, season: int, length: int) -> np.ndarray:
        """What the calendar says of numbered steps, (N, C), for a count where it lies in its ``season``.

        Days, weeks and years of which ``length`` steps hold fewer than two are left out: what happened once says
        nothing of the next time.
        """
        if self.unit == "count":
            turns = [step / season * k for k in range(1, _HARMONICS + 1) if season > 2 * k] if season else []
            return _circles(turns, len(step))
        at = self.time(step).astype(np.float64)
        span = {"months": 28 * DAY * self.size, "business days": DAY}.get(self.unit, self.size)
        mean = {"months": _YEAR / 12 * self.size, "business days": 7 / 5 * DAY}.get(self.unit, self.size)
        found = [(DAY, at / DAY), (7 * DAY, (at / DAY - 4) / 7), (_YEAR, at / _YEAR)]
        found = [(p, t) for p, t in found if 2 * p <= (length + 1) * mean]
        turns = [t * k for p, t in found for k in range(1, _HARMONICS + 1) if p / k > 2 * span]
        return _circles(turns, len(step))


def _circles(turns: list[np.ndarray], n: int) -> np.ndarray:
    angles = [2 * np.pi * (t - np.floor(t)) for t in turns]
    return np.stack([f(a) for a in angles for f in (np.sin, np.cos)], 1) if angles else np.zeros((n, 0))


def _months(at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The month since 1970, the day in it, and microseconds in that day."""
    days = np.floor(at / DAY).astype("datetime64[D]")
    month = days.astype("datetime64[M]")
    day = (days - month.astype("datetime64[D]")).astype(np.int64) + 1
    return month.astype(np.int64), day, at - days.astype(np.int64) * DAY


def _length(month: np.ndarray) -> np.ndarray:
    """Days of a month."""
    first = month.astype(np.int64).astype("datetime64[M]")
    return ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)


def find_steps(times: list[np.ndarray], dated: bool) -> Steps:
    """How the times of series follow each other, each (N,) ascending without repeats: microseconds, or whole numbers.

    The commonest distance is a step, unless months or business days fit.
    """
    gaps = np.concatenate([np.diff(t) for t in times])
    if not len(gaps):
        raise DataError("no series has two steps, so there is nothing to forecast from")
    distances, counts = np.unique(np.rint(gaps).astype(np.int64), return_counts=True)
    common = int(distances[counts.argmax()])
    if not dated:
        return Steps("count", common, phase=int(times[0][0]) % common)
    every = np.concatenate(times)
    if common == DAY and len(every) >= 10 and not (every % DAY).any():
        business = np.is_busday((every / DAY).astype("datetime64[D]"))
        if business.all():
            return Steps("business days")
    if common >= 28 * DAY:
        month, day, within = _months(every)
        last = (day == _length(month)).all()
        if not within.any() and (last or (day == day[0]).all()):
            apart = np.concatenate([np.diff(m) for m in np.split(month, np.cumsum([len(t) for t in times])[:-1])])
            sizes, often = np.unique(apart, return_counts=True)
            return Steps("months", int(sizes[often.argmax()]), 31 if last else int(day[0]))
    return Steps("time", common, phase=int(times[0][0]) % common)


def between(steps: Steps, at: np.ndarray) -> np.ndarray:
    """Which times (N,) lie between steps."""
    place = steps.place(at)
    return np.abs(place - np.rint(place)) > 1e-9


def too_far(steps: Steps, at: np.ndarray) -> bool:
    """Whether times (N,), ascending, span far more steps than there are of them."""
    place = steps.place(at[[0, -1]])
    return bool(place[1] - place[0] > _MOST_STEPS * len(at) + 1000)
