"""The schema: what the columns of a table are, and the way from a table to numbers and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Literal

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.data.checks import (
    about_infinite,
    complete_rows,
    foreign_labels,
    fractions,
    out_of_place,
    read_columns,
    unseen,
)
from fluvial.data.columns import Column, Label, from_codes, from_numbers
from fluvial.data.tables import Columns, Table, read
from fluvial.data.words import counted, listed, nearest


@dataclass(frozen=True)
class Derived:
    """A column that others determine: ``offset + slope * source``, or always ``offset`` where source is empty.

    With a ``mapping`` it is what that says of each value of the source, both as the schema encodes them and None where
    missing. It is left out of the density, where it would be infinite. Rows that differ by more than ``tolerance``
    (units of the column) contradict it. What is ``rounded`` to the column's step does not give the source back.
    """

    column: Column
    source: str = ""
    slope: float = 0.0
    offset: float = 0.0
    tolerance: float = 0.0
    mapping: tuple[tuple[float | None, float | None], ...] = ()
    rounded: bool = False

    def values(self, source: np.ndarray) -> np.ndarray:
        """What the column holds, (N,), given its source's values (N,)."""
        if self.mapping:
            return self._looked_up(source)
        exact = self.offset + self.slope * source
        step = self.column.step
        return exact if step is None else np.rint(exact / step) * step

    def sources(self, value: np.ndarray, step: float | None) -> np.ndarray:
        """What the source holds, on its grid of ``step``, given its own values (N,); NaN where they do not say."""
        if self.rounded:
            return np.full(len(value), np.nan)
        if self.mapping:
            entailing: dict[float | None, list[float | None]] = {}
            for source, entailed in self.mapping:
                entailing.setdefault(entailed, []).append(source)
            known = {b: a[0] for b, a in entailing.items() if len(a) == 1 and b is not None and a[0] is not None}
            return np.array([known.get(v, np.nan) for v in value.tolist()], dtype=np.float64)
        exact = (value - self.offset) / self.slope
        return exact if step is None else np.rint(exact / step) * step

    def _looked_up(self, source: np.ndarray) -> np.ndarray:
        """Infinite for values of the source that the fit never saw: nothing agrees with that."""
        known = {a: np.nan if b is None else b for a, b in self.mapping}
        distinct, where = np.unique(source, return_inverse=True)
        return np.array([known.get(None if v != v else v, np.inf) for v in distinct.tolist()])[where]

    def contradicted(self, value: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Which values (N,) are other than the source's (N,) determine."""
        expected = self.values(source)
        if self.mapping:
            return (value != expected) & ~(np.isnan(value) & np.isnan(expected))
        rounding = 4 * self.column.precision * (np.abs(value) + np.abs(expected) + abs(self.offset))
        apart = np.abs(value - expected) > self.tolerance + rounding
        return apart | (np.isnan(value) != np.isnan(expected))


@dataclass(frozen=True)
class Encoded:
    """A table as numbers.

    Args:
        x: (N, D) float64, the modelled columns in the schema's order.
        context: (N, C) float64, categories as codes; None where the schema has none or it was ignored.
        rows: (N,) which rows of the table these are.
        impossible: (N,) bool, rows out of bounds, or against a constant or copied column: their density is 0.
        warnings: sentences for the user.
    """

    x: np.ndarray
    context: np.ndarray | None
    rows: np.ndarray
    impossible: np.ndarray
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The columns of a table: those modelled, the context, and those left out since others determine them.

    Args:
        columns: the modelled ones, in the order of x.
        context: in the order of the context array.
        dropped: constants and copies.
        order: the names of all of these as the table had them.
        header: False where the table named no columns, so that others are matched by position.
        source: the names of all columns of such a table, where some of them were left out.
        gaps: the model takes missing cells, and labels that the fit never saw, which are impossible to it.
        others: it has some probability set aside for such labels.
    """

    columns: tuple[Column, ...]
    context: tuple[Column, ...] = ()
    dropped: tuple[Derived, ...] = ()
    order: tuple[str, ...] = ()
    header: bool = True
    source: tuple[str, ...] = ()
    gaps: bool = False
    others: bool = False

    def __post_init__(self) -> None:
        names = [c.name for c in self.every]
        if not self.order:
            object.__setattr__(self, "order", tuple(names))
        if not self.columns:
            raise DataError("a schema needs at least one column to model")
        if len(set(names)) < len(names) or sorted(names) != sorted(self.order):
            raise DataError(f"the schema's order {listed(self.order)} does not name each of its columns once")
        modelled = {c.name for c in self.columns}
        astray = [d.source for d in self.dropped if d.source and d.source not in modelled]
        if astray:
            raise DataError(f"a left-out column is said to follow {astray[0]!r}, which is not a modelled column")

    @property
    def every(self) -> tuple[Column, ...]:
        """All columns: modelled, context, left out."""
        return (*self.columns, *self.context, *(d.column for d in self.dropped))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modelled columns."""
        return tuple(c.name for c in self.columns)

    def edit(
        self,
        name: str,
        *,
        kind: str | None = None,
        unit: str | None = None,
        lower: float | EllipsisType | None = ...,
        upper: float | EllipsisType | None = ...,
        step: float | EllipsisType | None = ...,
        order: Sequence[Label] | None = None,
    ) -> Schema:
        """The schema with one column changed; what is not named stays, as far as the kind allows it.

        Args:
            order: all labels of a column, from the least to the greatest; it is ordinal then, and the rest stays.

        Raises:
            DataError: the column's parts would contradict each other.
            UsageError: there is no such column, or the change needs the data.

        >>> Schema((Column("share", "real"),)).edit("share", kind="bounded", lower=0, upper=1).columns[0].upper
        1
        """
        old = next((c for c in self.every if c.name == name), None)
        if old is None:
            raise UsageError(f"there is no column {name!r}{nearest(name, self.order)} (columns: {listed(self.order)})")
        kind = old.kind if kind is None else kind
        if order is not None:
            return self._swapped(self._ordered(old, tuple(order)))
        if kind != old.kind and {kind, old.kind} & {"categorical", "ordinal", "circular", "time"}:
            raise UsageError(f"column {name!r}: say that it is {kind} when inferring the schema, which reads the data")
        kept = _bounds_kept(old, kind)
        new = replace(
            old,
            kind=kind,
            unit=old.unit if unit is None else unit,
            lower=kept[0] if lower is ... else lower,
            upper=kept[1] if upper is ... else upper,
            step=(1.0 if kind in ("integer", "time") else old.step) if step is ... else step,
        )
        return self._swapped(new)

    def _ordered(self, old: Column, order: tuple[Label, ...]) -> Column:
        """A column of labels with an order."""
        if not old.categorical or sorted(map(str, order)) != sorted(map(str, old.categories)):
            has = f"its labels are {listed(old.categories)}" if old.categorical else f"it is {old.kind}"
            raise UsageError(f"column {old.name!r}: order has each label once, and {has}; got {listed(order)}")
        if any(d.mapping and old.name in (d.source, d.column.name) for d in self.dropped):
            raise UsageError(
                f"column {old.name!r}: say its order when inferring the schema, since others follow from it"
            )
        by_text = {str(label): label for label in old.categories}
        return replace(old, kind="ordinal", categories=tuple(by_text[str(label)] for label in order))

    def _swapped(self, new: Column) -> Schema:
        """The schema with this column in place of the one of its name."""
        swap = {new.name: new}
        return replace(
            self,
            columns=tuple(swap.get(c.name, c) for c in self.columns),
            context=tuple(swap.get(c.name, c) for c in self.context),
            dropped=tuple(replace(d, column=swap.get(d.column.name, d.column)) for d in self.dropped),
        )

    def encode(
        self,
        table: Table,
        *,
        context: Literal["required", "ignored"] = "required",
        drop_missing: bool = False,
        complete: bool = False,
    ) -> Encoded:
        """The table as numbers; its columns are found by name, or by position where it names none.

        Args:
            table: may have more columns than the schema, in any order.
            context: "ignored" leaves the context columns unread.
            drop_missing: leave out rows with missing or non-finite values, which are else an error.
            complete: a cell that is missing is what another one of its row says that it is, where one determines the
                other.

        Raises:
            DataError: columns are missing, hold text or unknown categories, or (see above) miss values.
        """
        wanted = {c.name: c for c in self.every}
        if context == "ignored":
            wanted = {name: c for name, c in wanted.items() if c not in self.context}
        found = self.find(table, [name for name in self.order if name in wanted])
        numbers = read_columns(table, {c: found[c.name] for c in wanted.values()}, self.gaps)
        warnings: list[str] = []
        rows = np.arange(len(table))
        if self.gaps and not drop_missing:
            if infinite := about_infinite(numbers):
                raise DataError(infinite)
        else:
            rows = complete_rows(numbers, drop_missing, warnings)
        numbers = {name: values[rows] for name, values in numbers.items()}
        if complete:
            self._complete(numbers)
        impossible = np.zeros(len(rows), dtype=bool)
        for d in self.dropped:
            impossible |= d.contradicted(numbers[d.column.name], numbers.get(d.source, np.zeros(len(rows))))
        if impossible.any():
            warnings.append(
                f"{counted(int(impossible.sum()), 'row')} contradict the constant or copied columns "
                f"{listed(d.column.name for d in self.dropped)}: their density is 0 (log-density -inf)"
            )
        warnings += [w for c in self.columns for w in out_of_place(c, numbers[c.name], impossible)]
        warnings += [w for c in self.columns for w in foreign_labels(c, numbers[c.name], self.others)]
        warnings += [w for c in self.context if c.name in numbers and (w := unseen(c, numbers[c.name]))]
        return Encoded(
            x=np.stack([numbers[c.name] for c in self.columns], axis=1),
            context=self._stack_context(numbers) if context == "required" else None,
            rows=rows,
            impossible=impossible,
            warnings=tuple(warnings),
        )

    def _complete(self, numbers: dict[str, np.ndarray]) -> None:
        """Fill in missing numbers (N,) from those that determine them, and those that follow from them."""
        steps = {c.name: c.step for c in self.columns}
        for d in self.dropped:
            source, value = (
                (numbers[d.source] if d.source else np.zeros(len(numbers[d.column.name]))),
                numbers[d.column.name],
            )
            if d.source:
                source = numbers[d.source] = np.where(np.isnan(source), d.sources(value, steps[d.source]), source)
            numbers[d.column.name] = np.where(np.isnan(value), d.values(source), value)

    def encode_context(self, source: object, n: int) -> np.ndarray | None:
        """Context for n draws, (n, C): n rows, or one row for all, from a table or a mapping of names to values.

        Raises:
            DataError: context is needed and not given, given and not needed, or of another number of rows.
        """
        names = [c.name for c in self.context]
        if not names:
            if source is not None:
                raise DataError("context was given, but this model was fitted without context columns")
            return None
        if source is None:
            raise DataError(f"this model needs context: give values for {listed(names)}")
        table = read(source)
        found = self.find(table, [name for name in self.order if name in names])
        numbers = read_columns(table, {c: found[c.name] for c in self.context})
        complete_rows(numbers, False, [])
        between = [sentence for c in self.context if (sentence := fractions(c, numbers[c.name]))]
        if between:
            raise DataError("; ".join(between))
        given = self._stack_context(numbers)
        if given is None or len(given) not in (1, n):
            raise DataError(f"the context has {counted(len(table), 'row')}: expected 1, or {n} for as many draws")
        return np.repeat(given, n, axis=0) if len(given) == 1 else given

    def about_context(self, context: np.ndarray | None) -> list[str]:
        """Sentences about context (N, C) outside the range that the fit saw."""
        columns = [] if context is None else zip(self.context, context.T)
        return [sentence for c, values in columns if (sentence := unseen(c, values))]

    def decode(self, x: np.ndarray, context: np.ndarray | None = None) -> Columns:
        """Numbers (N, D), and context (N, C) if there is one, as columns in the table's own order and dtypes."""
        decoded = self.decode_first(x)
        for d in self.dropped:
            decoded[d.column.name] = _from_encoded(d.column, d.values(self._source(d, x, decoded)))
        if context is not None:
            for c, values in zip(self.context, np.asarray(context, dtype=np.float64).T, strict=True):
                decoded[c.name] = _from_encoded(c, values)
        return {name: decoded[name] for name in self.order if name in decoded}

    def _source(self, derived: Derived, x: np.ndarray, decoded: Columns) -> np.ndarray:
        """Numbers (N,) of the column that ``derived`` follows, as it really is once it is in its dtype."""
        if not derived.source:
            return np.zeros(len(x))
        column = self.columns[self.names.index(derived.source)]
        if column.categorical:
            return x[:, self.names.index(derived.source)]
        if column.clock is not None:
            return np.rint(x[:, self.names.index(derived.source)])
        values = decoded[derived.source]
        return (
            np.array([np.nan if v is None else float(v) for v in values])
            if values.dtype == object
            else values.astype(np.float64)
        )

    def decode_first(self, x: np.ndarray) -> Columns:
        """The first columns of x, (N, D or fewer), alone."""
        return {c.name: _from_encoded(c, v) for c, v in zip(self.columns, np.asarray(x, dtype=np.float64).T)}

    def encode_first(self, values: Mapping[str, object]) -> np.ndarray:
        """One value for each of the first columns, by name, as numbers (P,).

        Raises:
            DataError: other columns than the first are named, or a value does not fit its column.
        """
        first = self.columns[: len(values)]
        if {c.name for c in first} != set(values):
            raise DataError(
                f"values are given for {listed(values)}, but this model predicts its columns one after the other, in "
                f"the order {listed(self.names)}: give the first ones of these"
            )
        table = read({c.name: [values[c.name]] for c in first} or {"": [0]})
        numbers = read_columns(table, {c: c.name for c in first})
        return np.array([float(v[0]) for v in numbers.values()])

    def to_json(self) -> dict[str, object]:
        """Plain JSON: dicts, lists, strings, numbers, booleans, None."""
        from fluvial.data.serial import schema_to_json

        return schema_to_json(self)

    @staticmethod
    def from_json(data: object) -> Schema:
        """The schema that :meth:`to_json` wrote; a RunError, a sentence, for anything else."""
        from fluvial.data.serial import schema_from_json

        return schema_from_json(data)

    def _stack_context(self, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        return np.stack([numbers[c.name] for c in self.context], axis=1) if self.context else None

    def find(self, table: Table, names: list[str]) -> dict[str, str]:
        """What the table calls the columns of these names."""
        if not table.header:
            for expected in (self.source, self.order, names):
                if len(table.names) == len(expected):
                    return dict(zip(expected, table.names))
            raise DataError(
                f"the table names no columns and has {len(table.names)}, so they cannot be matched by position: "
                f"expected {len(names)}, {listed(names)}"
            )
        lacking = [name for name in names if name not in table.columns]
        if lacking:
            hint = (
                nearest(lacking[0], table.names) if self.header else ". The model was fitted to a table without names"
            )
            raise DataError(
                f"the table lacks {counted(len(lacking), 'column')} of the {len(names)} needed: {listed(lacking)}; "
                f"it has {listed(table.names)}{hint}"
            )
        return {name: name for name in names}


def _from_encoded(column: Column, values: np.ndarray) -> np.ndarray:
    return from_codes(column, values) if column.categorical else from_numbers(column, values)


def _bounds_kept(old: Column, kind: str) -> tuple[float | None, float | None]:
    """The bounds that a column takes along into another kind."""
    if kind == "real":
        return None, None
    if kind == "positive":
        return (0.0 if old.lower is None else old.lower), None
    return old.lower, old.upper
