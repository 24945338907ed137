"""How the columns of drawn rows are distributed, beside the fit's, of which counts go out and no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.data.columns import Column, from_codes, from_numbers
from fluvial.data.words import listed, nearest
from fluvial.interfaces.server.answers import cells
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.questions import numbers_of

_BARS, _SINGLE, _TICKS = 30, 40, 100  # bars of numbers; values that have one each, at most; places of a slider
_LABELS = 24  # that are shown by themselves
_TAIL = 0.005  # of the rows beyond the outermost bars on either side, which count them too
_POINTS = 500  # of a pair

Numbers = dict[str, np.ndarray]


def marginals(model: Model, x: np.ndarray, context: np.ndarray | None, pair: tuple[str, str] | None) -> dict[str, Any]:
    """Of each column its bars, with the shares of drawn rows in them and of those rows of the fit that the run keeps.

    Args:
        x, context: encoded drawn rows.
        pair: names of two columns, of which drawn points are shown before counts of the fit's rows.

    Raises:
        UsageError: there is no such column.
    """
    kept = model.rows.get("train.x")
    known = None if kept is None or not len(kept) else _numbers(model, kept, model.rows.get("train.context"))
    drawn, columns = _numbers(model, x, context), {c.name: c for c in model.schema.every}
    bars = {name: Bars.of(column, drawn[name] if known is None else known[name]) for name, column in columns.items()}
    told = [bars[n].told(drawn[n], None if known is None else known[n]) for n in columns]
    found: dict[str, Any] = {"n": len(x), "rows": 0 if kept is None else len(kept), "columns": told}
    if pair is not None:
        for name in pair:
            if name not in bars:
                raise UsageError(f"pair: there is no column {name!r}{nearest(name, list(columns))} ({listed(columns)})")
        behind = None if known is None else [known[n] for n in pair]
        found["pair"] = _together([bars[n] for n in pair], [drawn[n] for n in pair], behind)
    return found


@dataclass(frozen=True)
class Bars:
    """The bars of one column: of numbers and times by their ``edges``, (K+1,), of labels by their ``codes``, (K,)."""

    column: Column
    edges: np.ndarray
    codes: np.ndarray
    rest: int = 0

    @classmethod
    def of(cls, column: Column, values: np.ndarray) -> Bars:
        """Bars that show these values, (N,), NaN where missing."""
        there, none = values[np.isfinite(values)], np.empty(0)
        if not column.categorical:
            return cls(column, _edges(column.step, there), none)
        codes = np.arange(len(column.categories))
        if len(codes) <= _LABELS:
            return cls(column, none, codes)
        often = np.argsort(-np.bincount(there.astype(np.int64), minlength=len(codes)), kind="stable")
        return cls(column, none, often[:_LABELS], len(codes) - _LABELS)

    @property
    def at(self) -> np.ndarray:
        """Where the bars stand, (K,), as the table has its values; of the rest of the labels there is none."""
        if self.column.categorical:
            return from_codes(self.column, self.codes.astype(np.float64))
        return from_numbers(self.column, (self.edges[:-1] + self.edges[1:]) / 2)

    def places(self, values: np.ndarray) -> np.ndarray:
        """Which bar each value is in, (N,), K for labels that have none of their own, and -1 where it is missing."""
        there = np.isfinite(values)
        if self.column.categorical:
            order = np.full(len(self.column.categories), len(self.codes))
            order[self.codes] = np.arange(len(self.codes))
            return np.where(there, order[np.where(there, values, 0).astype(np.int64)], -1)
        places = np.searchsorted(self.edges, np.where(there, values, 0.0), "right") - 1
        return np.where(there, np.clip(places, 0, len(self.edges) - 2), -1)

    def told(self, drawn: np.ndarray, kept: np.ndarray | None) -> dict[str, Any]:
        """The column as JSON."""
        found: dict[str, Any] = {"name": self.column.name, "at": cells(self.at), "others": self.rest}
        for what, values in (("drawn", drawn), ("data", kept)):
            found[what] = None if values is None else self._shares(values)
        if not self.column.categorical:
            low, high, step = self.edges[0], self.edges[-1], self.column.step
            places = np.linspace(low, high, _TICKS + 1)
            if step:  # its edges lie between values
                values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
                places = values if len(values) <= _TICKS + 1 else np.unique(np.rint(places[1:-1] / step) * step)
            found["ticks"] = cells(from_numbers(self.column, places if step else _short(places)))
        return found

    def _shares(self, values: np.ndarray) -> dict[str, Any]:
        places, there = self.places(values), np.isfinite(values)
        counts = np.bincount(places[there], minlength=len(self.at) + bool(self.rest))
        shares = {"shares": (counts / len(values)).tolist(), "missing": float(1 - there.mean()), "middle": None}
        if there.any() and not self.column.categorical:
            middle = np.quantile(values[there], [0.5], method="inverted_cdf")
            shares["middle"] = cells(from_numbers(self.column, middle))[0]
        return shares


def _edges(step: float | None, values: np.ndarray) -> np.ndarray:
    """Edges of bars for values (N,): of few on a grid each has one, and the outermost take what is beyond them."""
    values = values if len(values) else np.zeros(1)
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL], method="inverted_cdf")
    if step:
        count = round((high - low) / step) + 1
        wide = 1 if count <= _SINGLE else -(-count // _BARS)
        return low - step / 2 + step * wide * np.arange(-(-count // wide) + 1)
    if not low < high:
        room = max(abs(low) * 1e-3, 1e-3)
        return np.array([low - room, low + room])
    return np.linspace(low, high, _BARS + 1)


def _short(values: np.ndarray) -> np.ndarray:
    """Numbers with as many digits as it takes to tell them apart."""
    apart = (values[-1] - values[0]) / max(1, len(values) - 1)
    digits = int(np.clip(1 - np.floor(np.log10(apart)), 0, 15)) if apart > 0 else 6
    return np.round(values, digits)


def _together(bars: list[Bars], drawn: list[np.ndarray], kept: list[np.ndarray] | None) -> dict[str, Any]:
    """Two columns: drawn points, and counts of the rows of the fit by bars, (K of the second, K of the first)."""
    there = np.isfinite(drawn[0]) & np.isfinite(drawn[1])
    first = np.flatnonzero(there)[:_POINTS]
    points = [_points(bar, values[first]) for bar, values in zip(bars, drawn)]
    found: dict[str, Any] = {"x": points[0], "y": points[1], "missing": float(1 - there.mean()), "data": None}
    if kept is not None:
        (x, y), shape = (bar.places(v) for bar, v in zip(bars, kept)), [len(b.at) + bool(b.rest) for b in bars]
        counts = np.zeros((shape[1], shape[0]), dtype=np.int64)
        np.add.at(counts, (y[(x >= 0) & (y >= 0)], x[(x >= 0) & (y >= 0)]), 1)
        found["data"] = counts.tolist()
    return found


def _points(bar: Bars, values: np.ndarray) -> list[Any]:
    """Values as the table has them; of labels the numbers of their bars."""
    return bar.places(values).tolist() if bar.column.categorical else cells(from_numbers(bar.column, values))


def _numbers(model: Model, x: np.ndarray, context: np.ndarray | None) -> Numbers:
    """Encoded rows as named numbers, those of determined columns and of the context among them."""
    given = {} if context is None else {c.name: v for c, v in zip(model.schema.context, context.T)}
    return numbers_of(model.schema, x) | given
