"""Questions to a model of any cells: what is known of some columns, and what follows for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fluvial.core.errors import DataError, UsageError
from fluvial.core.numbers import whole
from fluvial.core.randomness import drawing_from
from fluvial.data.checks import FOREIGN, off_grid, read_columns
from fluvial.data.columns import Column, from_numbers
from fluvial.data.schema import Derived, Schema
from fluvial.data.steps import on_grid
from fluvial.data.tables import Columns, as_kind, read
from fluvial.data.words import listed, nearest
from fluvial.kinds.tables.comparisons import Comparison, Limits, read_event
from fluvial.kinds.tables.conditioning import Weighted, draw_given
from fluvial.kinds.tables.events import Probability
from fluvial.models import AnyOrder

_SPARE = 4  # draws for each one wanted, where they are weighted and drawn from again
_ALIKE = 1e-9  # a share by which weights may differ that are equal but for rounding
Condition = object
"""What is known of a column: a value; (low, high), ends included, None for no end; or a set or list of values."""


@dataclass(frozen=True)
class Conditional:
    """A fitted density given what is known of some columns: :meth:`fluvial.kinds.tables.model.Model.given`.

    Values are conditioned on exactly. Ranges and sets are kept to by weighted draws, whose effective number
    :meth:`effective` tells.

    Args:
        density, schema: the model's.
        known, limits: of the columns by their numbers in the schema.
        kind: of table that comes back.
        context: (1, C), where the model has context.
    """

    density: AnyOrder
    schema: Schema
    known: dict[int, float]
    limits: dict[int, Limits]
    kind: str = "dict"
    context: Tensor | None = None

    def sample(self, n: int, seed: int | None = None) -> Any:  # noqa: ANN401  (a library's own type)
        """n rows as a table of the kind that the model was fitted to."""
        return as_kind(self.sample_columns(n, seed), self.kind)

    def sample_columns(self, n: int, seed: int | None = None) -> Columns:
        """As :meth:`sample`, but as named columns, each (n,), the context among them."""
        rows = self.sample_rows(n, seed)
        context = None if self.context is None else self.context.expand(len(rows), -1).numpy()
        return self.schema.decode(rows, context)

    def sample_rows(self, n: int, seed: int | None = None) -> np.ndarray:
        """As :meth:`sample`, but encoded, (n, D) float64."""
        n = whole("n", n, 1, "a number of rows")
        with drawing_from(seed):
            drawn = self._draw(n if len(self.limits) < 2 else _SPARE * n)
            return drawn.resampled(n).numpy()

    def log_prob(self, data: object) -> np.ndarray:
        """log p(the other columns | the known values) of each row (N,), nats: rows that contradict them get -inf.

        Raises:
            UsageError: a range or a set is among the conditions, whose probability has no closed form.
        """
        if self.limits:
            raise UsageError("log_prob is of rows given values; a range or a set is among what is given")
        encoded = self.schema.encode(read(data))
        x = torch.from_numpy(encoded.x)
        known = torch.zeros(x.shape[1], dtype=torch.bool)
        known[list(self.known)] = True
        context = None if self.context is None else self.context.expand(len(x), -1)
        with torch.no_grad():
            values = self.density.log_prob_given(x, known, context).double().numpy()
        for i, value in self.known.items():
            agrees = np.isnan(encoded.x[:, i]) if np.isnan(value) else encoded.x[:, i] == value
            values[~agrees] = -np.inf
        values[encoded.impossible] = -np.inf
        return values

    def probability(
        self, event: str | Callable[[Columns], np.ndarray], draws: int = 10_000, seed: int = 0
    ) -> Probability:
        """P(event | what is given), exact where values are given and the event limits one column, or says all values.

        Args:
            event: comparisons, such as ``"Rings > 12 and Sex == 'M'"``; or a function of named columns (n,), as the
                table has them, to whether it holds in each row.
        """
        draws = whole("draws", draws, 1)
        comparison = self._read(event) if isinstance(event, str) else None
        with drawing_from(seed):
            if comparison is not None and comparison.limits is not None and not self.limits:
                try:
                    more = without_known(self.schema, limits_of(self.schema, comparison.limits), self.known)
                except DataError:
                    return Probability(0.0)
                return self._of_limits(more, draws if len(more) > 1 else 1)
            drawn = self._draw(draws)
            if comparison is not None:
                holds = comparison.holds(numbers_of(self.schema, drawn.x.numpy()))
            else:
                holds = self._asked(event, self.schema.decode(drawn.x.numpy()))
        return _weighted_share(holds, drawn)

    def _asked(self, event: object, rows: Columns) -> np.ndarray:
        """Whether a function of named columns says that it holds, (n,)."""
        if not callable(event):
            raise UsageError(f"event: expected comparisons in words or a function of the columns, got {event!r}")
        try:
            holds = np.asarray(event(rows))
        except KeyError as error:
            raise UsageError(f"event: it reads {error}, and the columns are {listed(rows)}") from None
        n = len(next(iter(rows.values())))
        if holds.shape != (n,) or holds.dtype != bool:
            raise UsageError(
                f"event: expected a truth value for each row, of dtype bool and shape ({n},), got {holds.dtype} of "
                f"shape {holds.shape}"
            )
        return holds

    def quantile(self, column: str, q: float | np.ndarray, draws: int = 10_000, seed: int = 0) -> np.ndarray:
        """Quantiles of a column of numbers or times, from draws."""
        share = np.asarray(q)
        if share.dtype.kind not in "fiu" or not ((share >= 0) & (share <= 1)).all():
            raise UsageError(f"q: expected shares from 0 to 1, got {q!r}")
        found = np.quantile(self._values(column, draws, seed), share)
        c = _column(self.schema, column)
        return found if c.clock is None else from_numbers(c, found.ravel()).reshape(found.shape)

    def mean(self, column: str, draws: int = 10_000, seed: int = 0) -> Any:  # noqa: ANN401  (times as the table has them)
        """Mean of a column of numbers, a float, or of times, one of them, where it is not missing; from draws."""
        found = float(self._values(column, draws, seed).mean())
        c = _column(self.schema, column)
        return found if c.clock is None else from_numbers(c, np.array([found]))[0]

    def mode(self, column: str, draws: int = 10_000, seed: int = 0) -> object:
        """The most frequent value of a column, from draws."""
        decoded = self.schema.decode(self.sample_rows(draws, seed))[_checked(self.schema, column)]
        values, counts = np.unique(decoded.astype(str), return_counts=True)
        chosen = values[counts.argmax()]
        return next(v for v in decoded.tolist() if str(v) == chosen)

    def effective(self, draws: int = 10_000, seed: int = 0) -> float:
        """How many equally weighted draws so many are worth."""
        draws = whole("draws", draws, 1)
        with drawing_from(seed):
            return self._draw(draws).effective

    def _values(self, column: str, draws: int, seed: int) -> np.ndarray:
        name = _checked(self.schema, column)
        if _column(self.schema, name).categorical:
            raise UsageError(f"column {name!r} holds labels, which have no order; ask for mode or probability")
        values = numbers_of(self.schema, self.sample_rows(draws, seed))[name]
        there = values[~np.isnan(values)]
        if not len(there):
            raise DataError(
                f"column {name!r} is missing in each of {len(values):,} draws, so it has no values to tell of"
            )
        return there

    def _read(self, event: str) -> Comparison:
        labels = frozenset(c.name for c in self.schema.every if c.categorical)
        ordered = frozenset(c.name for c in self.schema.every if c.kind == "ordinal")
        names = _askable(self.schema)
        return read_event(event, names, labels, lambda name, value: encode(self.schema, name, value), ordered=ordered)

    def _draw(self, n: int) -> Weighted:
        context = None if self.context is None else self.context.expand(n, -1)
        return self._named(lambda: draw_given(self.density, n, self.known, self.limits, context))

    def _of_limits(self, more: dict[int, Limits], n: int) -> Probability:
        context = None if self.context is None else self.context.expand(n, -1)
        found = self._named(lambda: draw_given(self.density, n, self.known, more, context, alone=True))
        if not more:
            return Probability(1.0)
        value, error = found.probability()
        return Probability(value) if error <= _ALIKE * value else Probability(value, error, n)

    def _named(self, draw: Callable[[], Weighted]) -> Weighted:
        """DataErrors with columns' names in place of their numbers."""
        try:
            return draw()
        except DataError as error:
            text = str(error)
            for i, name in reversed(list(enumerate(self.schema.names))):
                text = text.replace(f"column number {i + 1}:", f"column {name!r}:")
            raise DataError(text) from None


def given(
    density: AnyOrder, schema: Schema, conditions: Mapping[str, Condition], kind: str, context: Tensor | None = None
) -> Conditional:
    """The density given conditions by the columns' names.

    Raises:
        UsageError: no such column, or a range the wrong way round. DataError: a value that its column cannot have.
    """
    if not isinstance(conditions, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"given: expected values by the columns' names, as in {{'Sex': 'M'}}, got {conditions!r}")
    known: dict[int, float] = {}
    named: dict[str, Limits] = {}
    for name, condition in conditions.items():
        limits = _limits(schema, _checked(schema, name), condition)
        if name in schema.names and limits.among is not None and len(limits.among) == 1 and not _is_several(condition):
            known[schema.names.index(name)] = _possible(schema, name, next(iter(limits.among)))
        else:
            named[name] = limits
    limits = without_known(schema, limits_of(schema, named), known)
    return Conditional(density, schema, known, limits, kind, context)


def without_known(schema: Schema, limits: Mapping[int, Limits], known: Mapping[int, float]) -> dict[int, Limits]:
    """The limits of columns whose values are not known.

    Raises:
        DataError: a known value is outside of its limits.
    """
    for i in set(limits) & set(known):
        if not limits[i].hold(known[i]):
            raise DataError(f"column {schema.names[i]!r}: what is given of it, or of what follows from it, contradicts")
    return {i: each for i, each in limits.items() if i not in known}


def _possible(schema: Schema, name: str, value: float) -> float:
    """A value that its column can have, NaN for a missing one; else a UsageError."""
    column = _column(schema, name)
    if np.isinf(value):
        raise UsageError(f"column {name!r}: expected a finite number, got {value}; a range without end is (0, None)")
    if off_grid(column, np.array([value])):
        if column.clock is not None:
            raise UsageError(f"column {name!r} holds dates or times {column.clock}, and what is given is between two")
        raise UsageError(f"column {name!r} holds multiples of {column.step:g}, and {value:g} is none")
    return value


def _column(schema: Schema, name: str) -> Column:
    return next(c for c in schema.every if c.name == name)


def encode(schema: Schema, name: str, value: object) -> float:
    """The number that stands for a value of a column, NaN for None.

    Raises:
        UsageError: the column cannot have it.
    """
    column = _column(schema, name)
    if value is None:
        return float("nan")
    if not isinstance(value, str | bool | int | float | date | time | np.generic):
        raise UsageError(f"column {name!r}: expected a number, a label or a date, got {value!r}")
    try:
        number = float(read_columns(read({name: [value]}), {column: name}, foreign=True)[name][0])
    except DataError as error:
        raise UsageError(str(error)) from None
    if column.categorical and number == FOREIGN:
        raise UsageError(f"column {name!r} has no label {value!r}; it has {listed(column.categories, most=12)}")
    if np.isnan(number):
        raise UsageError(f"column {name!r}: {value!r} is not one of its values")
    return number


def limits_of(schema: Schema, named: Mapping[str, Limits]) -> dict[int, Limits]:
    """Limits by the numbers of modelled columns; those of a column that follows another become the other's."""
    found: dict[int, Limits] = {}
    for name, limits in named.items():
        limits = _on_grid(_column(schema, name), limits)
        derived = next((d for d in schema.dropped if d.column.name == name), None)
        source, limits = (name, limits) if derived is None else (derived.source, _of_source(derived, limits))
        if not source:
            continue  # a constant within its limits
        i = schema.names.index(source)
        limits = _on_grid(schema.columns[i], limits)
        found[i] = found[i].meet(limits) if i in found else limits
    return found


def _of_source(derived: Derived, limits: Limits) -> Limits:
    name = derived.column.name
    if not derived.source:
        if not limits.hold(float(derived.values(np.zeros(1))[0])):
            raise DataError(f"column {name!r} is always the same, and outside of what is given for it")
        return limits
    if derived.mapping:
        pairs = [[np.nan if v is None else v for v in pair] for pair in derived.mapping]
        values = [a for a, b in pairs if limits.hold(b)]
        return Limits(among=frozenset(values))
    if derived.rounded:
        limits = _unrounded(derived, limits)
    low, high = ((end - derived.offset) / derived.slope for end in (limits.low, limits.high))
    opened = limits.low_open, limits.high_open
    if derived.slope < 0:
        low, high, opened = high, low, opened[::-1]
    values = None if limits.among is None else ((value - derived.offset) / derived.slope for value in limits.among)
    return Limits(low, high, *opened, among=None if values is None else frozenset(values))


def _unrounded(derived: Derived, limits: Limits) -> Limits:
    """What rounds to values within the limits; half a step more at ends that are included, and less at others."""
    half, low, high = (derived.column.step or 0.0) / 2, limits.low, limits.high
    if limits.among is not None:
        if len(limits.among) > 1:
            raise UsageError(
                f"column {derived.column.name!r} follows from {derived.source!r} by rounding: give one value or a "
                f"range of it, or give {derived.source!r}"
            )
        if any(value != value for value in limits.among):
            return limits
        low, high = max(low, *limits.among), min(high, *limits.among)
    low, high = low + (half if limits.low_open else -half), high + (-half if limits.high_open else half)
    return Limits(low, high)


def _on_grid(column: Column, limits: Limits) -> Limits:
    """Limits whose values are exactly those of the column's grid; nothing lies between them."""
    if column.step is None or limits.among is None:
        return limits
    values = np.array([value for value in limits.among if np.isnan(value) or not off_grid(column, np.array([value]))])
    return replace(limits, among=frozenset(on_grid(values, column.step).tolist()))


def _limits(schema: Schema, name: str, condition: Condition) -> Limits:
    if isinstance(condition, tuple):
        if len(condition) != 2:
            raise UsageError(f"{name}: a range is (low, high), got {condition!r}; for several values give a list")
        if _column(schema, name).kind == "categorical":
            raise UsageError(f"column {name!r} holds labels, which have no order: give a list of them, not a range")
        low = -np.inf if condition[0] is None else encode(schema, name, condition[0])
        high = np.inf if condition[1] is None else encode(schema, name, condition[1])
        if low > high:
            raise UsageError(f"{name}: the range {condition!r} is the wrong way round")
        return Limits(low, high)
    values = list(condition) if _is_several(condition) else [condition]  # pyright: ignore
    if not values:
        raise UsageError(f"{name}: an empty set leaves nothing")
    return Limits(among=frozenset(encode(schema, name, value) for value in values))


def _is_several(condition: Condition) -> bool:
    return isinstance(condition, list | set | frozenset)


def _checked(schema: Schema, name: str) -> str:
    known = _askable(schema)
    if name in known:
        return name
    if name in schema.order:
        raise UsageError(f"column {name!r} is the model's context: say it with --context (context={{{name!r}: ...}})")
    name = str(name)
    raise UsageError(f"there is no column {name!r}{nearest(name, known)} (columns: {listed(known)})")


def _askable(schema: Schema) -> tuple[str, ...]:
    """The names of the columns that there are questions about: all but the context."""
    context = {c.name for c in schema.context}
    return tuple(name for name in schema.order if name not in context)


def numbers_of(schema: Schema, x: np.ndarray) -> dict[str, np.ndarray]:
    """Encoded rows as named columns, those that follow others among them."""
    columns = dict(zip(schema.names, x.T))
    for d in schema.dropped:
        columns[d.column.name] = d.values(columns[d.source] if d.source else np.zeros(len(x)))
    return columns


def _weighted_share(holds: np.ndarray, drawn: Weighted) -> Probability:
    """The share of draws in which an event holds, with its standard error."""
    n = len(holds)
    weight = torch.softmax(drawn.log_weight, 0).numpy()
    p = 1.0 if holds.all() else float((weight * holds).sum())
    worth = drawn.effective
    spread = float((weight**2 * (holds - p) ** 2).sum()) ** 0.5
    least = ((p * worth + 1) / (worth + 2)) if p in (0.0, 1.0) else p
    return Probability(p, spread or (least * (1 - least) / worth) ** 0.5, n, worth if round(worth) < n else None)
