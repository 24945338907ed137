"""The schema: what the columns of a table are, and the way from a table to numbers and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Literal

import numpy as np

from fluvial.core.errors import DataError
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
from fluvial.data.derived import Derived, as_written, complete_numbers
from fluvial.data.tables import Columns, Table, read
from fluvial.data.words import counted, listed, nearest


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
        dropped: constants, copies and what else follows from others, each behind those that it follows.
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
        known = {c.name for c in self.columns}
        for derived in self.dropped:
            if astray := [name for name in derived.sources if name not in known]:
                raise DataError(
                    f"a left-out column is said to follow {astray[0]!r}, which is neither modelled nor left out "
                    "before it"
                )
            known.add(derived.column.name)

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
        from fluvial.data.edits import edited

        return edited(self, name, kind, unit, (lower, upper, step), order)

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
        given = {c: found[c.name] for c in wanted.values() if c in self.context}
        others = {c: found[c.name] for c in wanted.values() if c not in self.context}
        numbers = read_columns(table, others, self.gaps) | read_columns(table, given)
        warnings: list[str] = []
        rows = np.arange(len(table))
        if self.gaps and not drop_missing:
            if infinite := about_infinite(numbers):
                raise DataError(infinite)
            if given:  # gaps are values of the columns that are modelled, not of those that they depend on
                complete_rows({c.name: numbers[c.name] for c in given}, False, warnings)
        else:
            rows = complete_rows(numbers, drop_missing, warnings)
        if len(rows) < len(table):
            numbers = {name: values[rows] for name, values in numbers.items()}
        if complete:
            complete_numbers(self.dropped, numbers, {c.name: c.step for c in self.every})
        impossible = np.zeros(len(rows), dtype=bool)
        for d in self.dropped:
            impossible |= d.contradicted(numbers[d.column.name], d.combined(numbers, len(rows)))
        if n := int(impossible.sum()):
            warnings.append(
                f"{counted(n, 'row')} {'contradicts' if n == 1 else 'contradict'} the constant or determined columns "
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
        decoded, wanted = self.decode_first(x), {name for d in self.dropped for name in d.sources}
        given = zip(self.columns, np.asarray(x, dtype=np.float64).T)
        numbers = {c.name: as_written(c, values, decoded[c.name]) for c, values in given if c.name in wanted}
        for d in self.dropped:
            name, values = d.column.name, d.values(d.combined(numbers, len(x)))
            decoded[name] = _from_encoded(d.column, values)
            if name in wanted:
                numbers[name] = as_written(d.column, values, decoded[name])
        if context is not None:
            for c, values in zip(self.context, np.asarray(context, dtype=np.float64).T, strict=True):
                decoded[c.name] = _from_encoded(c, values)
        return {name: decoded[name] for name in self.order if name in decoded}

    def strays(self, x: np.ndarray) -> np.ndarray:
        """Which rows (N,) of numbers (N, D) come to values of other columns that no row of the fit could have."""
        astray = np.zeros(len(x), dtype=bool)
        if any(d.within != (None, None) for d in self.dropped):
            numbers = dict(zip(self.names, x.T))
            for d in self.dropped:
                source = d.combined(numbers, len(x))
                numbers[d.column.name] = d.values(source)
                if d.within != (None, None):
                    astray |= d.beyond(source)
        return astray

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
