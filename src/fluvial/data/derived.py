"""Columns that others determine: constants, copies, units, mappings of labels, sums and products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fluvial.data.columns import Column
from fluvial.data.steps import on_grid

_HALF = 0.5 + 1e-6  # of a step: what rounding changes at most
_ROUNDING = 4.0  # units in the last place of what a relation adds up


@dataclass(frozen=True)
class Derived:
    """A column that others determine: ``offset + slope * source``, or always ``offset`` where it has no source.

    With a ``mapping`` it is what that says of each value of the source, both as the schema encodes them and None where
    missing. With ``terms``, names of columns and a number each, several stand in the source's place: the sum of the
    columns times their numbers or, where it is a ``product``, the product of the columns to these powers. It is left
    out of the density, where it would be infinite. Rows that differ by more than ``tolerance`` (units of the column)
    contradict it. What is ``rounded`` to the column's step does not give the source back. Values beyond ``within``
    follow from no row of the fit; draws that come to one are made again.
    """

    column: Column
    source: str = ""
    slope: float = 0.0
    offset: float = 0.0
    tolerance: float = 0.0
    mapping: tuple[tuple[float | None, float | None], ...] = ()
    rounded: bool = False
    terms: tuple[tuple[str, float], ...] = ()
    product: bool = False
    within: tuple[float | None, float | None] = (None, None)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the columns that it follows."""
        return tuple(name for name, _ in self.terms) if self.terms else (self.source,) * bool(self.source)

    def combined(self, numbers: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        """What stands in the source's place in each of n rows, (n,), given the numbers (n,) of the columns it follows.

        It is missing where one of them is, or where 0 divides.
        """
        if not self.terms:
            return numbers[self.source] if self.source else np.zeros(n)
        total = np.full(n, 1.0 if self.product else 0.0)
        for name, number in self.terms:
            total = total * _power(numbers[name], number) if self.product else total + number * numbers[name]
        return total

    def values(self, source: np.ndarray) -> np.ndarray:
        """What the column holds, (N,), given what :meth:`combined` makes of those it follows, (N,)."""
        if self.mapping:
            return self._looked_up(source)
        exact, step = self.exact(source), self.column.step
        return exact if step is None else on_grid(exact, step)

    def exact(self, source: np.ndarray) -> np.ndarray:
        """What a column of numbers holds before it is rounded."""
        return self.offset + self.slope * source

    def source_of(self, value: np.ndarray, step: float | None) -> np.ndarray:
        """What the source holds, on its grid of ``step``, given the column's own values (N,); NaN where they do not
        say."""
        if self.rounded:
            return np.full(len(value), np.nan)
        if self.mapping:
            entailing: dict[float | None, list[float | None]] = {}
            for source, entailed in self.mapping:
                entailing.setdefault(entailed, []).append(source)
            known = {b: a[0] for b, a in entailing.items() if len(a) == 1 and b is not None and a[0] is not None}
            return np.array([known.get(v, np.nan) for v in value.tolist()], dtype=np.float64)
        exact = (value - self.offset) / self.slope
        return exact if step is None else on_grid(exact, step)

    def term_of(self, name: str, numbers: Mapping[str, np.ndarray], step: float | None) -> np.ndarray:
        """What one of several columns that it follows holds, (N,), given itself and all the others; NaN where these do
        not say."""
        power = dict(self.terms)[name]
        value = numbers[self.column.name]
        if self.rounded or (self.product and abs(power) != 1):
            return np.full(len(value), np.nan)
        others = Derived(self.column, terms=tuple(t for t in self.terms if t[0] != name), product=self.product)
        rest, whole = others.combined(numbers, len(value)), (value - self.offset) / self.slope
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = whole / rest if power == 1 else rest / whole
            exact = quotient if self.product else (whole - rest) / power
        exact = np.where(np.isfinite(exact), exact, np.nan)
        return exact if step is None else on_grid(exact, step)

    def beyond(self, source: np.ndarray) -> np.ndarray:
        """Which values (N,) are beyond ``within``."""
        low, high = self.within
        value = self.exact(source)
        slack = _ROUNDING * self.column.precision * (np.abs(value) + abs(self.offset)) + rounding_of(self.column.step)
        return (value < (-np.inf if low is None else low) - slack) | (
            value > (np.inf if high is None else high) + slack
        )

    def _looked_up(self, source: np.ndarray) -> np.ndarray:
        """Infinite for values of the source that the fit never saw: nothing agrees with that."""
        known = {a: np.nan if b is None else b for a, b in self.mapping}
        distinct, where = np.unique(source, return_inverse=True)
        return np.array([known.get(None if v != v else v, np.inf) for v in distinct.tolist()])[where]

    def contradicted(self, value: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Which values (N,) are other than what those that it follows determine, (N,)."""
        if self.mapping:
            expected = self._looked_up(source)
            return (value != expected) & ~(np.isnan(value) & np.isnan(expected))
        # halves may be rounded either way, so what follows from several is compared before it is rounded
        expected = self.exact(source) if self.terms else self.values(source)
        rounding = _ROUNDING * self.column.precision * (np.abs(value) + np.abs(expected) + abs(self.offset))
        apart = np.abs(value - expected) > self.tolerance + rounding
        return apart | (np.isnan(value) != np.isnan(expected))

    def stated(self) -> str:
        """What it follows from, as in ``'net' + 'tax'``; of a mapping, the name of the source."""
        if self.mapping:
            return repr(self.source)
        if self.product:
            inner = _product(self.terms)
        elif self.terms:
            inner = _sum(self.terms)
        else:
            inner = repr(self.source)
        scaled = {1.0: "", -1.0: "-"}.get(self.slope, f"{self.slope:g} * ") + inner
        if self.offset > 0 and scaled.startswith("-"):
            return f"{self.offset:g} - {scaled[1:]}"
        return scaled if self.offset == 0 else f"{scaled} {'+' if self.offset > 0 else '-'} {abs(self.offset):g}"


def complete_numbers(
    derived: Sequence[Derived], numbers: dict[str, np.ndarray], steps: Mapping[str, float | None]
) -> None:
    """Fill in missing numbers (N,) from those that determine them, and those that follow from them.

    Args:
        steps: of all columns, by name.
    """
    gaps = -1
    # what follows from one may tell of another
    while derived and (left := sum(int(np.isnan(v).sum()) for v in numbers.values())) != gaps:
        gaps = left
        for d in derived:
            name = d.column.name
            for source in d.sources:
                step = steps[source]
                found = d.term_of(source, numbers, step) if d.terms else d.source_of(numbers[name], step)
                numbers[source] = np.where(np.isnan(numbers[source]), found, numbers[source])
            follows = d.values(d.combined(numbers, len(numbers[name])))
            numbers[name] = np.where(np.isnan(numbers[name]), follows, numbers[name])


def as_written(column: Column, encoded: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A column's numbers (N,) as they are once they are ``values`` in its dtype, for what follows from them."""
    if column.categorical:
        return encoded
    if column.clock is not None:
        return np.rint(encoded)
    if values.dtype == object:
        return np.array([np.nan if v is None else float(v) for v in values])
    return values.astype(np.float64)


def rounding_of(step: float | None) -> float:
    """By how much a value may differ from what it was before it was rounded to a step."""
    return _HALF * (step or 0.0)


def _power(values: np.ndarray, power: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((values == 0) & (power < 0), np.nan, values**power)


def _sum(terms: tuple[tuple[str, float], ...]) -> str:
    told = ""
    for name, number in terms:
        sign = ("-" if number < 0 else "") if not told else (" - " if number < 0 else " + ")
        told += sign + ("" if abs(number) == 1 else f"{abs(number):g} * ") + repr(name)
    return told


def _product(terms: tuple[tuple[str, float], ...]) -> str:
    told = ""
    for name, power in sorted(terms, key=lambda term: term[1] < 0):
        sign = ("1 / " if power < 0 else "") if not told else (" / " if power < 0 else " * ")
        told += sign + repr(name) + ("" if abs(power) == 1 else f"^{abs(power):g}")
    return told
