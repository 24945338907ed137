"""What there is to know about series beside their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, RunError
from fluvial.core.typed import typed
from fluvial.data.columns import Column, to_codes, to_numbers
from fluvial.data.words import listed
from fluvial.kinds.series.calendar import Steps

KIND = "series"
_WHAT = "the schema of the series"


@dataclass(frozen=True)
class Known:
    """A column that is known beforehand, and how a network reads it.

    Args:
        column: numbers, or labels, of which each has a number of its own, 1 or 0.
        location, scale: numbers enter as (x - location) / scale.
    """

    name: str
    column: Column
    location: float
    scale: float

    @property
    def width(self) -> int:
        """Numbers that stand for it."""
        return len(self.column.categories) if self.column.categorical else 1

    def encode(self, values: np.ndarray) -> np.ndarray:
        """The column (N,) as the network reads it, (N, width); NaN where missing, zeros for labels never seen."""
        if not self.column.categorical:
            return ((to_numbers(self.name, values) - self.location) / self.scale)[:, None]
        codes = to_codes(self.column, values, foreign=-1.0)
        hot = (codes[:, None] == np.arange(self.width)).astype(np.float64)
        return np.where(np.isnan(codes)[:, None], np.nan, hot)


@dataclass(frozen=True)
class SeriesSchema:
    """The columns of a table of series, and their steps.

    Args:
        time: dates or times, or whole numbers.
        steps: how they follow each other.
        label: the column that tells series apart; None for one series. ``names`` are those of the fit.
        targets: what is forecast.
        known: what is known beforehand.
        seasons: after how many steps what happens may happen again, the shortest first.
        length: steps of the longest series that was learnt from.
        kind: of table that forecasts come as.
    """

    time: Column
    steps: Steps
    label: Column | None
    names: tuple[str, ...]
    targets: tuple[Column, ...]
    known: tuple[Known, ...] = ()
    seasons: tuple[int, ...] = ()
    length: int = 0
    kind: str = "dict"

    @property
    def season(self) -> int:
        """The shortest season, 1 where there is none."""
        return self.seasons[0] if self.seasons else 1

    def context(self, names: tuple[str, ...], series: np.ndarray, steps: np.ndarray, known: np.ndarray) -> np.ndarray:
        """What is known of steps beforehand, (S, C): the number of the series, the calendar, and the known columns.

        Args:
            names: of the series that ``series`` (S,) counts; those of no fit have the number 0.
            steps: numbers of the steps (S,).
        """
        parts = [self.steps.features(steps, self.season, self.length), known]
        if self.names:
            number = {name: i + 1 for i, name in enumerate(self.names)}
            parts.insert(0, np.array([number.get(name, 0) for name in names], dtype=np.float64)[series][:, None])
        return np.concatenate(parts, 1)

    def check_known(self, coming: np.ndarray, horizon: int) -> None:
        """DataError, a sentence, unless what is known reaches so far ahead."""
        if self.known and coming.min() < horizon:
            raise DataError(
                f"the forecast of {horizon} steps needs {listed(k.name for k in self.known)} of them, which are known "
                f"of {coming.min()} steps behind the last value: add rows for the steps ahead, their targets empty"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "kind": KIND, "table": self.kind}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeriesSchema:
        """The schema again; a RunError, a sentence, for what :meth:`to_json` does not write."""
        plain = {name: value for name, value in data.items() if name != "table"} | {"kind": data.get("table", "dict")}
        schema = typed(plain, cls, _WHAT, exact=True)
        if not schema.targets or schema.steps.size < 1:
            raise RunError(f"{_WHAT} is damaged: it has no targets, or steps of no size")
        return schema
