"""What the columns of a table are, told from their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.data.checks import refuse_categorical, refuse_dates
from fluvial.data.columns import (
    KINDS,
    Column,
    find_step,
    is_date,
    is_missing,
    is_mostly_numbers,
    labels,
    to_codes,
    to_numbers,
)
from fluvial.data.copies import Copy, find_copies
from fluvial.data.findings import findings
from fluvial.data.schema import Derived, Schema
from fluvial.data.tables import Table
from fluvial.data.words import counted, listed, nearest

Kind = str | tuple[str, float, float]
"""A column's kind as users name it: "integer", say, or ("bounded", lower, upper)."""

FEWEST_ROWS = 10
_MOST_CATEGORIES = 1000


def infer(
    table: Table, context: Sequence[str] = (), kinds: Mapping[str, Kind] | None = None, discrete: bool = False
) -> tuple[Schema, list[str]]:
    """The schema of a table, and warnings about what was found.

    Columns of text and bools are categorical, those of integers (also with gaps) are integers, others with all
    values above 0 are positive, and the rest are real. Rounded decimals get the ``step`` they were rounded to.
    Constants and copies of other columns are left out of the density. Rows with gaps are not looked at.

    Args:
        table: at least ten complete rows.
        context: names of columns that the density is to be conditioned on.
        kinds: kinds that are known better, by name.
        discrete: the table is for a model of probabilities, not of densities: labels and whole numbers are
            modelled, all of them, and nothing else can be.

    Raises:
        DataError: columns that cannot be modelled (dates, text that is not context), too few rows.
        UsageError: context or kinds name columns that the table has not.

    >>> rows = Table({"a": np.linspace(0, 1, 20) ** 2 + 0.1, "b": np.arange(20) % 3})
    >>> schema, warnings = infer(rows)
    >>> [(c.name, c.kind, c.step) for c in schema.columns]
    [('a', 'positive', None), ('b', 'integer', 1.0)]
    """
    context, kinds = list(dict.fromkeys(context)), dict(kinds or {})
    _check_names(table, context, kinds)
    dates = [name for name, values in table.columns.items() if is_date(values)]
    if dates:
        raise refuse_dates(dates)
    _check_filled(table)
    columns = [_first_look(name, values, kinds.get(name)) for name, values in table.columns.items()]
    categorical = [c.name for c in columns if c.categorical and c.name not in context]
    if categorical and not discrete:
        raise refuse_categorical(categorical)
    numbers = _on_complete_rows(table, columns)
    if discrete:
        kinds = _whole_numbers(numbers, context, columns) | kinds
    columns = [_second_look(c, numbers[c.name], table.columns[c.name], kinds.get(c.name)) for c in columns]
    modelled = [c for c in columns if c.name not in context]
    if not modelled:
        raise DataError("every column is context, so there is none left to model")
    if discrete:
        _check_discrete(modelled)
    dropped = [] if discrete else _determined(modelled, numbers)
    gone = {d.column.name for d in dropped}
    schema = Schema(
        columns=tuple(c for c in modelled if c.name not in gone),
        context=tuple(c for name in context for c in columns if c.name == name),
        dropped=tuple(dropped),
        order=table.names,
        header=table.header,
    )
    return schema, findings(schema, numbers)


def is_discrete(table: Table, context: Sequence[str] = (), kinds: Mapping[str, Kind] | None = None) -> bool:
    """Whether rows have probabilities rather than densities, as far as the columns that are not context tell.

    They do where all hold labels, or zeros and ones; and where some hold labels and the others whole numbers.

    >>> is_discrete(Table({"a": np.array([0, 1, 1]), "b": np.array(["x", "y", "x"], dtype=object)}))
    True
    """
    asked = kinds or {}
    found = [_countable(values, asked.get(name)) for name, values in table.columns.items() if name not in context]
    return bool(found) and (set(found) <= {"labels", "bits"} or ("labels" in found and "" not in found))


def _countable(values: np.ndarray, asked: Kind | None) -> str:
    """ "labels", "bits", "integers", or "" for what cannot be counted."""
    if asked is not None:
        return {"categorical": "labels", "integer": "integers"}.get(asked, "") if isinstance(asked, str) else ""
    if is_date(values):
        return ""
    if values.dtype.kind == "b" or (values.dtype == object and not is_mostly_numbers(values)):
        return "labels"
    if values.dtype == object:
        return ""
    known = values[~is_missing(values)]
    if len(known) and ((known == 0) | (known == 1)).all():
        return "bits"
    return "integers" if (known == np.rint(known)).all() else ""


def _check_names(table: Table, context: list[str], kinds: dict[str, Kind]) -> None:
    for what, names in (("context", context), ("kinds", kinds)):
        for name in names:
            if name not in table.columns:
                hint = nearest(name, table.names)
                raise UsageError(f"{what}: there is no column {name!r}{hint} (columns: {listed(table.names, most=12)})")
    for name, kind in kinds.items():
        if (kind if isinstance(kind, str) else kind[0]) not in KINDS:
            raise UsageError(f"column {name!r}: there is no kind {kind!r}; kinds are {', '.join(KINDS)}")
        if kind == "bounded":
            raise UsageError(f"column {name!r}: a bounded column needs its bounds, as in ('bounded', 0, 1)")


def _check_filled(table: Table) -> None:
    if len(table) < FEWEST_ROWS:
        raise DataError(f"the table has {counted(len(table), 'row')}; learning a density needs at least {FEWEST_ROWS}")
    empty = [name for name, values in table.columns.items() if is_missing(values).all()]
    if empty:
        raise DataError(
            f"{counted(len(empty), 'column')} without a single value: {listed(empty)}; leave out such columns"
        )


def _first_look(name: str, values: np.ndarray, asked: Kind | None) -> Column:
    """Categorical or a number, told by the dtype."""
    is_text = values.dtype == object
    dtype = "str" if is_text else values.dtype.name
    label_like = values.dtype.kind == "b" or (is_text and not is_mostly_numbers(values))
    if asked != "categorical" and (asked is not None or not label_like):
        return Column(name, "real", "float64" if is_text else dtype)
    known = labels(values[~is_missing(values)])
    if len(known) > _MOST_CATEGORIES:
        raise DataError(
            f"column {name!r} has {len(known):,} different labels, more than the {_MOST_CATEGORIES:,} that a "
            "categorical column may have; leave it out, or group the labels"
        )
    return Column(name, "categorical", dtype, categories=known)


def _on_complete_rows(table: Table, columns: list[Column]) -> dict[str, np.ndarray]:
    """The columns' numbers in the rows without gaps."""
    numbers = {
        c.name: to_codes(c, table.columns[c.name]) if c.categorical else to_numbers(c.name, table.columns[c.name])
        for c in columns
    }
    complete = np.ones(len(table), dtype=bool)
    for values in numbers.values():
        complete &= np.isfinite(values)
    if complete.all():
        return numbers
    gaps = {name: int((~np.isfinite(values)).sum()) for name, values in numbers.items()}
    if complete.sum() < FEWEST_ROWS:
        told = ", ".join(f"{name!r} {n}" for name, n in list(gaps.items())[:6] if n)
        raise DataError(
            f"only {int(complete.sum())} of {len(table):,} rows are without missing or infinite values (by column: "
            f"{told}); learning a density needs at least {FEWEST_ROWS}, so fill them in or leave columns out"
        )
    return {name: values[complete] for name, values in numbers.items()}


def _second_look(column: Column, numbers: np.ndarray, values: np.ndarray, asked: Kind | None) -> Column:
    """A number's kind, bounds and step."""
    if column.categorical:
        return column
    # integers with gaps come as floats
    whole = bool((numbers == np.rint(numbers)).all())
    integers = values.dtype.kind in "iub" or (values.dtype.kind == "f" and whole and len(numbers) < len(values))
    kind, *bounds = (asked,) if isinstance(asked, str) else asked or ("integer" if integers else None,)
    if kind == "integer":
        _check_claim(column, "whole numbers", numbers, numbers != np.rint(numbers))
        return replace(column, kind="integer", step=1.0, lower=0.0 if numbers.min() >= 0 else None)
    column = replace(column, step=find_step(numbers, values.dtype))
    if kind == "bounded":
        lower, upper = bounds
        _check_claim(column, f"within {lower} and {upper}", numbers, (numbers < lower) | (numbers > upper))
        return replace(column, kind="bounded", lower=float(lower), upper=float(upper))
    if kind == "positive":
        _check_claim(column, "positive", numbers, numbers < 0)
    # a 0 among rounded values is no sign of a column that reaches below it
    above = numbers.min() > 0 or (column.step is not None and numbers.min() >= 0)
    if kind == "positive" or (kind is None and above):
        return replace(column, kind="positive", lower=0.0)
    return column


def _whole_numbers(numbers: Mapping[str, np.ndarray], context: Sequence[str], columns: list[Column]) -> dict[str, Kind]:
    """Columns of whole numbers are integers, whichever dtype holds them."""
    plain = [c.name for c in columns if not c.categorical and c.name not in context]
    return {name: "integer" for name in plain if (numbers[name] == np.rint(numbers[name])).all()}


def _check_discrete(columns: Sequence[Column]) -> None:
    others = [c.name for c in columns if not c.discrete]
    if others:
        raise DataError(
            f"this model gives probabilities to labels and whole numbers, and {listed(others)} "
            f"{'is' if len(others) == 1 else 'are'} neither: leave {'it' if len(others) == 1 else 'them'} out, make "
            "context of such columns, or choose another model"
        )


def _check_claim(column: Column, claim: str, numbers: np.ndarray, against: np.ndarray) -> None:
    if against.any():
        wrong = f"{counted(int(against.sum()), 'value')}, the first {numbers[against][0]:g}"
        raise DataError(f"column {column.name!r} is said to be {claim}, which does not hold for {wrong}")


def _determined(columns: list[Column], numbers: Mapping[str, np.ndarray]) -> list[Derived]:
    """The columns without freedom of their own: constants, and affine copies of an earlier column."""
    # a dict keeps the columns' order and looks names up as fast as a set
    constant = {c.name: c for c in columns if numbers[c.name].min() == numbers[c.name].max()}
    if len(constant) == len(columns):
        raise DataError(f"every column is constant ({listed(constant)}), so there is nothing to model")
    varying = [c for c in columns if c.name not in constant]
    copies = find_copies([numbers[c.name] for c in varying])

    def derived(c: Column, copy: Copy | None) -> Derived:
        if copy is None:
            return Derived(c, offset=float(numbers[c.name][0]))
        return Derived(c, varying[copy.source].name, copy.slope, copy.offset, copy.tolerance)

    by_name = {varying[i].name: copy for i, copy in copies.items()}
    return [derived(c, by_name.get(c.name)) for c in columns if c.name in constant or c.name in by_name]
