"""What the columns of a table are, inferred from their sources, from the user, and from their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.data.checks import about_infinite, complete_rows, refuse_dates
from fluvial.data.columns import KINDS
from fluvial.data.determined import determined
from fluvial.data.findings import findings
from fluvial.data.look import (
    LABELS,
    ColumnKind,
    Look,
    first_look,
    is_countable,
    is_label_like,
    kind_of,
    mostly_dates,
    second_look,
    timed_look,
)
from fluvial.data.schema import Schema
from fluvial.data.sentences import (
    MOST,
    about_codes,
    about_determined,
    about_empty,
    about_identifiers,
    about_left_out,
    about_one_sided,
    about_row_numbers,
    about_strays,
    about_unmodelled,
    all_problems,
)
from fluvial.data.tables import Table, is_missing
from fluvial.data.times import is_date
from fluvial.data.words import counted, listed, nearest

_NONE_LEFT = "every column is context or of no use, so there is none left to model"
FEWEST_ROWS = 10


@dataclass(frozen=True)
class Examined:
    """A table looked at.

    Args:
        looks: of each column.
        numbers: the usable columns' numbers (M,) in the rows without gaps.
        problems: sentences about what keeps the table from being fitted.
        notes: sentences about what was guessed.
    """

    looks: dict[str, Look]
    numbers: dict[str, np.ndarray]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def infer(
    table: Table,
    context: Sequence[str] = (),
    kinds: Mapping[str, ColumnKind] | None = None,
    discrete: bool = False,
    drop_missing: bool = True,
    cells: bool = False,
) -> tuple[Schema, list[str]]:
    """The schema of a table, and warnings about what was found.

    A column's source has the first word: text stays text, and declared labels stay labels. Else columns of text and
    bools are categorical, those of integers (also with gaps) are integers, others with all values above 0 are
    positive, and the rest are real. Rounded decimals get the ``step`` they were rounded to. Constants and copies of
    other columns are left out of the density. Rows with gaps are not looked at.

    Args:
        table: at least ten complete rows.
        context: names of columns that the density is to be conditioned on.
        kinds: kinds that are known better, by name.
        discrete: the table is for a model of probabilities, not of densities: labels and whole numbers are
            modelled, all of them, and nothing else can be.
        drop_missing: rows with gaps may be left out; where not, they are an error.
        cells: the table is for a model of any cells, labels, dates and missing ones among them. Identifiers and empty
            columns are left out, and so is what the labels of another column entail.

    Raises:
        DataError: columns that cannot be modelled (dates without ``cells``, identifiers, text that is not context), too
            few rows: one message about all there is to mend.
        UsageError: context or kinds name columns that the table has not.

    >>> rows = Table({"a": np.linspace(0, 1, 20) ** 2 + 0.1, "b": np.arange(20) % 3})
    >>> schema, warnings = infer(rows)
    >>> [(c.name, c.kind, c.step) for c in schema.columns]
    [('a', 'positive', None), ('b', 'integer', 1.0)]
    """
    context, kinds = list(dict.fromkeys(context)), dict(kinds or {})
    found = examine(table, context, kinds, discrete, drop_missing, cells)
    if found.problems:
        raise DataError(all_problems(found.problems))
    columns = [look.column for look in found.looks.values() if look.column is not None]
    modelled = [c for c in columns if c.name not in context]
    dropped = [] if discrete else determined(modelled, found.numbers, cells)
    gone = {d.column.name for d in dropped}
    schema = Schema(
        columns=tuple(c for c in modelled if c.name not in gone),
        context=tuple(c for name in context for c in columns if c.name == name),
        dropped=tuple(dropped),
        order=tuple(name for name in table.names if found.looks[name].column is not None),
        header=table.header,
        source=() if table.header else table.source or table.names,
        gaps=cells,
    )
    guessed = [] if discrete else [about_one_sided(schema, kinds)]
    notes = [*table.notes, *found.notes, *guessed, *findings(schema, found.numbers)]
    notes += about_determined(schema) if cells else []
    notes += about_strays(schema)
    return schema, [note for note in notes if note]


def examine(
    table: Table,
    context: Sequence[str] = (),
    kinds: Mapping[str, ColumnKind] | None = None,
    discrete: bool = False,
    drop_missing: bool = True,
    cells: bool = False,
) -> Examined:
    """What each column of a table is taken for, and all that keeps the table from being fitted.

    Raises:
        UsageError: context or kinds name columns that the table has not.
    """
    kinds = dict(kinds or {})
    _check_names(table, context, kinds)
    if len(table) < FEWEST_ROWS:
        left = [note for note in table.notes if note.startswith("left out")]
        more = f" ({'; '.join(left)})" if left else ""
        raise DataError(
            f"the table has {counted(len(table), 'row')}{more}; learning a density needs at least {FEWEST_ROWS}"
        )
    dates = [name for name in table.columns if _is_time(table, name, kinds.get(name), cells or name in context)]
    looks = {
        name: timed_look(table, name, kinds.get(name)) if name in dates else first_look(table, name, kinds.get(name))
        for name in table.columns
    }
    refused = [] if cells else [name for name in dates if name not in context]  # all in one sentence
    looks |= {name: replace(looks[name], column=None, numbers=None, problem="", note="") for name in refused}
    usable = {look.name: look.numbers for look in looks.values() if look.numbers is not None}
    allowed = cells and not drop_missing
    gaps, numbers = (about_infinite(usable), usable) if allowed else _without_gaps(usable, drop_missing)
    if gaps:
        gaps += about_codes(table)
    if discrete:
        kinds = _whole_numbers(looks, numbers, context) | kinds
    looks = {
        name: second_look(look, _finite(numbers.get(name, np.empty(0))), table.columns[name], kinds.get(name), cells)
        for name, look in looks.items()
    }
    empty = [look.name for look in looks.values() if look.why == "it is empty"]
    identifiers = [look for look in looks.values() if look.identifier]
    problems = [
        str(refuse_dates(refused)) if refused else "",
        "" if cells else about_empty(empty),
        *(look.problem for look in looks.values()),
        "" if cells else about_identifiers(table, identifiers),
        "" if cells else about_unmodelled(looks, context, discrete),
        gaps,
    ]
    if not any(problems) and not {n for n, look in looks.items() if look.column} - set(context):
        problems = [about_empty(empty), about_identifiers(table, identifiers), _NONE_LEFT]
    notes = [*(look.note for look in looks.values()), about_row_numbers(looks, context)]
    notes += about_left_out(empty, identifiers) if cells else []
    return Examined(looks, numbers, tuple(p for p in problems if p), tuple(n for n in notes if n))


def _is_time(table: Table, name: str, asked: ColumnKind | None, taken: bool) -> bool:
    """Whether a column holds dates or times; where they are ``taken``, also one with some other cells among them."""
    values, word = table.columns[name], kind_of(asked)
    if word in ("time", *LABELS):
        return word == "time"
    return is_date(values) or (taken and word is None and not table.reading(name).category and mostly_dates(values))


def is_discrete(table: Table, context: Sequence[str] = (), kinds: Mapping[str, ColumnKind] | None = None) -> bool:
    """Whether rows have probabilities rather than densities, as far as the columns that are not context tell.

    They do where all hold labels, or zeros and ones; and where some hold labels and the others whole numbers.

    >>> is_discrete(Table({"a": np.array([0, 1, 1]), "b": np.array(["x", "y", "x"], dtype=object)}))
    True
    """
    asked = kinds or {}
    found = [is_countable(table, name, asked.get(name)) for name in table.columns if name not in context]
    return bool(found) and (set(found) <= {"labels", "bits"} or ("labels" in found and "" not in found))


def has_gaps_or_labels(
    table: Table, context: Sequence[str] = (), kinds: Mapping[str, ColumnKind] | None = None
) -> bool:
    """Whether some cells are missing, or labels stand beside numbers, in the columns that are not context.

    Or what a column holds goes round, or has an order without distances, of which the user alone knows.
    """
    asked = kinds or {}
    names = [name for name in table.columns if name not in context]
    if any(is_missing(table.columns[name]).any() for name in names):
        return True
    if any(kind_of(asked.get(name)) in ("ordinal", "circular") for name in names):
        return True
    labelled = [kind_of(asked.get(name)) == "categorical" or _is_labels(table, name, asked.get(name)) for name in names]
    return any(labelled) and not is_discrete(table, context, kinds)


def _is_labels(table: Table, name: str, asked: ColumnKind | None) -> bool:
    values = table.columns[name]
    return kind_of(asked) == "time" or (asked is None and (is_label_like(table, name) or is_date(values)))


def _check_names(table: Table, context: Sequence[str], kinds: Mapping[str, ColumnKind]) -> None:
    for what, names in (("context", context), ("kinds", kinds)):
        for name in names:
            if name not in table.columns:
                hint = nearest(name, table.names)
                raise UsageError(f"{what}: there is no column {name!r}{hint} (columns: {listed(table.names, most=12)})")
    for name, kind in kinds.items():
        if kind_of(kind) not in KINDS:
            raise UsageError(f"column {name!r}: there is no kind {kind!r}; kinds are {', '.join(KINDS)}")
        if kind_of(kind) == "time" and not isinstance(kind, str) and len(kind) != 2:
            raise UsageError(f"column {name!r}: expected ('time', format), such as ('time', '%d/%m/%Y'), got {kind!r}")
        if kind_of(kind) == "bounded" and len(kind) != 3:
            raise UsageError(f"column {name!r}: a bounded column needs its bounds, as in ('bounded', 0, 1)")
        if kind_of(kind) == "circular" and not isinstance(kind, str) and len(kind) != 3:
            raise UsageError(f"column {name!r}: a circular column has two ends, as in ('circular', 0, 24)")


def _without_gaps(numbers: dict[str, np.ndarray], drop_missing: bool) -> tuple[str, dict[str, np.ndarray]]:
    """A sentence about gaps that stand in the way, and the numbers in the rows without any.

    Where hardly a row has none, each column's own finite numbers.
    """
    if not numbers:
        return "", {}
    n = len(next(iter(numbers.values())))
    complete = np.ones(n, dtype=bool)
    for values in numbers.values():
        complete &= np.isfinite(values)
    if complete.sum() < FEWEST_ROWS:
        gaps = {name: int((~np.isfinite(values)).sum()) for name, values in numbers.items()}
        wide = sorted((name for name in gaps if gaps[name]), key=lambda name: -gaps[name])
        stated = ", ".join(f"{name!r} {gaps[name]:,}" for name in wide[:MOST])
        more = f" and {len(wide) - MOST} more columns" if len(wide) > MOST else ""
        return (
            f"only {int(complete.sum())} of {n:,} rows are without missing or infinite values (by column: {stated}"
            f"{more}); learning a density needs at least {FEWEST_ROWS}, fill them in or leave columns out (--drop "
            f"{wide[0]})"
        ), {name: values[np.isfinite(values)] for name, values in numbers.items()}
    try:
        complete_rows(numbers, drop_missing, [])
    except DataError as error:
        return str(error), {name: values[complete] for name, values in numbers.items()}
    return "", numbers if complete.all() else {name: values[complete] for name, values in numbers.items()}


def _finite(numbers: np.ndarray) -> np.ndarray:
    return numbers if np.isfinite(numbers).all() else numbers[np.isfinite(numbers)]


def _whole_numbers(
    looks: Mapping[str, Look], numbers: Mapping[str, np.ndarray], context: Sequence[str]
) -> dict[str, ColumnKind]:
    """Columns of whole numbers are integers, whichever dtype holds them."""
    plain = [n for n, look in looks.items() if look.column and not look.column.categorical and n not in context]
    return {name: "integer" for name in plain if (numbers[name] == np.rint(numbers[name])).all()}
