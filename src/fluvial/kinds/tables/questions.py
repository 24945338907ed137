"""Questions to a model of any cells: what is known of some columns, and what follows for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fluvial.core.errors import DataError, UsageError
from fluvial.core.numbers import whole
from fluvial.core.randomness import drawing_from
from fluvial.data.columns import from_codes, from_numbers
from fluvial.data.forms import as_kind
from fluvial.data.schema import Schema
from fluvial.data.tables import Columns, read
from fluvial.data.words import listed
from fluvial.kinds.tables.comparisons import Comparison, Limits, read_event
from fluvial.kinds.tables.conditioning import Weighted, draw_given
from fluvial.kinds.tables.conditions import (
    Condition,
    askable,
    checked,
    column_of,
    encode,
    follows_several,
    is_several,
    limits_in,
    limits_of,
    possible,
    without_known,
)
from fluvial.kinds.tables.events import Probability
from fluvial.models import AnyOrder

_SPARE = 4  # draws for each one wanted, where they are weighted and drawn from again
_ALIKE = 1e-9  # a share by which weights may differ that are equal but for rounding


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
            agrees = np.isclose(encoded.x[:, i], value, rtol=1e-12, atol=0.0, equal_nan=True)
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
            limits = self._limited(comparison)
            if limits is not None:
                try:
                    more = without_known(self.schema, limits_of(self.schema, limits), self.known)
                except DataError:
                    return Probability(0.0)
                return self._of_limits(more, draws if len(more) > 1 else 1)
            drawn = self._draw(draws)
            if comparison is not None:
                holds = comparison.holds(numbers_of(self.schema, drawn.x.numpy()))
            else:
                holds = self._asked(event, self.schema.decode(drawn.x.numpy()))
        return _weighted_share(holds, drawn)

    def _limited(self, comparison: Comparison | None) -> Mapping[str, Limits] | None:
        """The limits that an event amounts to, None where only draws can tell of it."""
        if comparison is None or comparison.limits is None or self.limits:
            return None
        return None if any(follows_several(self.schema, name) for name in comparison.limits) else comparison.limits

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
        c = column_of(self.schema, column)
        return found if c.clock is None else from_numbers(c, found.ravel()).reshape(found.shape)

    def mean(self, column: str, draws: int = 10_000, seed: int = 0) -> Any:  # noqa: ANN401  (times as the table has them)
        """Mean of a column of numbers, a float, or of times, one of them, where it is not missing; from draws."""
        found = float(self._values(column, draws, seed).mean())
        c = column_of(self.schema, column)
        return found if c.clock is None else from_numbers(c, np.array([found]))[0]

    def mode(self, column: str, draws: int = 10_000, seed: int = 0) -> object:
        """The most frequent value of a column, from draws, where it is not missing.

        Where hardly two draws agree, it is where numbers and times lie densest: half of them is narrowed to its
        narrowest half, and so on (the half-sample mode: Bickel and Fruehwirth 2006, arXiv math/0505419).
        """
        name, rows = checked(self.schema, column), self.sample_rows(draws, seed)
        c, values = column_of(self.schema, name), numbers_of(self.schema, rows)[name]
        there = values[~np.isnan(values)]
        if not len(there):
            return self.schema.decode(rows[:1])[name][0]
        distinct, counts = np.unique(there, return_counts=True)
        often = c.categorical or counts.max() > len(there) ** 0.5
        found = np.array([distinct[counts.argmax()] if often else _densest(np.sort(there))])
        return (from_codes(c, found) if c.categorical else from_numbers(c, found)).tolist()[0]

    def effective(self, draws: int = 10_000, seed: int = 0) -> float:
        """How many equally weighted draws so many are worth."""
        draws = whole("draws", draws, 1)
        with drawing_from(seed):
            return self._draw(draws).effective

    def _values(self, column: str, draws: int, seed: int) -> np.ndarray:
        name = checked(self.schema, column)
        if column_of(self.schema, name).categorical:
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
        names = askable(self.schema)
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
        limits = limits_in(schema, checked(schema, name), condition)
        if name in schema.names and limits.among is not None and len(limits.among) == 1 and not is_several(condition):
            known[schema.names.index(name)] = possible(schema, name, next(iter(limits.among)))
        else:
            named[name] = limits
    limits = without_known(schema, limits_of(schema, named), known)
    several = {schema.names.index(n) for n, c in conditions.items() if is_several(c) and n in schema.names}
    for i in [i for i, each in limits.items() if i not in several and len(each.among or ()) == 1]:
        known[i] = next(iter(limits.pop(i).among or ()))  # the value of what follows from this column says its own
    return Conditional(density, schema, known, limits, kind, context)


def numbers_of(schema: Schema, x: np.ndarray) -> dict[str, np.ndarray]:
    """Encoded rows as named columns, those that follow others among them."""
    columns = dict(zip(schema.names, x.T))
    for d in schema.dropped:
        columns[d.column.name] = d.values(d.combined(columns, len(x)))
    return columns


def _densest(values: np.ndarray) -> float:
    """Where ascending values (N,) lie densest; one of them."""
    while len(values) > 2:
        half = (len(values) + 1) // 2
        widths = values[half - 1 :] - values[: len(values) - half + 1]
        start = int(widths.argmin())
        values = values[start : start + half]
    return float(values[0])


def _weighted_share(holds: np.ndarray, drawn: Weighted) -> Probability:
    """The share of draws in which an event holds, with its standard error."""
    n = len(holds)
    weight = torch.softmax(drawn.log_weight, 0).numpy()
    p = 1.0 if holds.all() else float((weight * holds).sum())
    worth = drawn.effective
    spread = float((weight**2 * (holds - p) ** 2).sum()) ** 0.5
    least = ((p * worth + 1) / (worth + 2)) if p in (0.0, 1.0) else p
    return Probability(p, spread or (least * (1 - least) / worth) ** 0.5, n, worth if round(worth) < n else None)
