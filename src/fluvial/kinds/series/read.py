"""Tables of series to series on their steps, long or wide; what is not regular is said, with its times."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fluvial.core.errors import DataError, UsageError
from fluvial.data.columns import Column, from_numbers, is_missing, to_counts, to_numbers
from fluvial.data.delimited import read_delimited
from fluvial.data.look import Look, first_look, is_label_like, second_look, timed_look
from fluvial.data.packed import TEXT, ending, unpacked
from fluvial.data.steps import on_grid
from fluvial.data.tables import Table, read
from fluvial.data.times import is_date
from fluvial.data.words import counted, flag, listed, nearest
from fluvial.kinds.series.calendar import between, find_steps, too_far
from fluvial.kinds.series.panel import Panel
from fluvial.kinds.series.schema import Known, SeriesSchema

_SHOWN = 3
_HEAD, _BYTES = 2000, 1 << 18  # rows, or bytes of text, that show whether a table is of series
_BINARY = (".parquet", ".pq", ".feather", ".arrow", ".ipc")
_FEWEST = 20  # steps of the longest series, to learn from


@dataclass(frozen=True)
class Roles:
    """Which columns are what, as a user names them; None and () where that is left open."""

    time: str | None = None
    series: str | None = None
    targets: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


def learn_schema(table: Table, roles: Roles) -> tuple[SeriesSchema, list[str]]:
    """What the columns of a table of series are, and what was guessed, in sentences.

    Raises:
        DataError: it holds no series, or irregular ones. UsageError: there is no such column.
    """
    table = table.without(roles.drop)
    for role, names in (("time", [roles.time]), ("series", [roles.series])):
        _check(table, role, [n for n in names if n])
    _check(table, "targets", roles.targets)
    _check(table, "known", roles.known)
    time = roles.time or time_column(table)
    if time is None:
        raise DataError(
            f"no column of the table holds regular dates or times (columns: {listed(table.names)}); say which one "
            "does with --time, or --table for a table of independent rows"
        )
    clock, moments = _moments(table, time)
    series = roles.series or series_column(table, time, moments, roles)
    groups = _groups(table, series)
    at = [np.sort(np.unique(moments[g])) for g in groups.values()]
    steps = find_steps([t for t in at if len(t) > 1] or at, clock.clock is not None)
    targets, notes = _targets(table, time, series, roles)
    known = tuple(_known(table, name) for name in roles.known)
    names = tuple(groups) if series else ()
    label = None if series is None else _label(table, series)
    schema = SeriesSchema(clock, steps, label, names, targets, known)
    where = f"series in {counted(len(names), 'group')} by {series!r}" if series else "one series"
    told = f"{where} of {listed(c.name for c in targets)}, {steps} by {time!r}"
    return schema, [f"read as {told}; say --table for a table of independent rows", *notes]


def panel_of(table: Table, schema: SeriesSchema) -> Panel:
    """The series in a table whose columns are as the schema says.

    Raises:
        DataError: a column is missing, or the times are not regular: repeated, or between steps.
    """
    names = [c.name for c in (schema.time, *schema.targets)] + [k.name for k in schema.known]
    lacking = [n for n in (*names, *([schema.label.name] if schema.label else ())) if n not in table.names]
    if lacking:
        raise DataError(f"the table lacks {listed(lacking)}{nearest(lacking[0], table.names)}")
    moments = _moments(table, schema.time.name, schema.time)[1]
    values = np.stack([_numbers(table, c) for c in schema.targets], 1)
    known = np.concatenate([k.encode(table.columns[k.name]) for k in schema.known] or [values[:, :0]], 1)
    notes: list[str] = []
    parts = [
        _on_steps(name, rows, moments[rows], values[rows], known[rows], schema, notes)
        for name, rows in _groups(table, schema.label.name if schema.label else None).items()
    ]
    kept = [p for p in parts if len(p.values)]
    if not kept:
        raise DataError("the table holds not a single value to look back on")
    return Panel(
        tuple(p.name for p in kept),
        np.array([len(p.values) for p in kept]),
        np.array([p.start for p in kept]),
        np.concatenate([p.values for p in kept]),
        np.concatenate([p.known for p in kept]),
        np.concatenate([p.ahead for p in kept]),
        np.array([len(p.ahead) for p in kept]),
        tuple(dict.fromkeys(notes)),
    )


@dataclass(frozen=True)
class _Part:
    """One series on its steps."""

    name: str
    start: int
    values: np.ndarray
    known: np.ndarray
    ahead: np.ndarray


def _on_steps(
    name: str,
    rows: np.ndarray,
    at: np.ndarray,
    values: np.ndarray,
    known: np.ndarray,
    schema: SeriesSchema,
    notes: list[str],
) -> _Part:
    order = np.argsort(at, kind="stable")
    if (np.diff(at) < 0).any():
        notes.append("rows were put in the order of their times")
    rows, at, values, known = rows[order], at[order], values[order], known[order]
    of = f" of {name!r}" if schema.label else ""
    _check_times(schema, at, rows, of)
    place = np.rint(schema.steps.place(at)).astype(np.int64)
    start, length = int(place[0]), int(place[-1] - place[0]) + 1
    if length > len(at):
        notes.append(f"{counted(length - len(at), 'step')}{of} without a row are taken as missing")
    full = np.full((length, values.shape[1]), np.nan)
    told = np.full((length, known.shape[1]), np.nan)
    full[place - start], told[place - start] = values, known
    filled = np.flatnonzero(~np.isnan(full).all(1))
    end = int(filled[-1]) + 1 if len(filled) else 0
    end = end if schema.known else length * (len(filled) > 0)
    return _Part(name, start, full[:end], told[:end], told[end:])


def _check_times(schema: SeriesSchema, at: np.ndarray, rows: np.ndarray, of: str) -> None:
    """DataError, a sentence with the times, where they repeat, lie between steps, or stray."""
    twice = np.flatnonzero(np.diff(at) == 0)
    if len(twice):
        hint = "" if schema.label else "; where the table holds several series, say which column tells them (--series)"
        raise DataError(
            f"{counted(len(twice), 'time')}{of} {'is' if len(twice) == 1 else 'are'} there twice: "
            f"{_shown(schema, at[twice])} in {_rows(rows[twice + 1])}{hint}"
        )
    off = np.flatnonzero(between(schema.steps, at))
    if len(off):
        raise DataError(
            f"the times{of} are not regular: at {schema.steps}, {len(off):,} of {len(at):,} lie between two steps, "
            f"such as {_shown(schema, at[off])} in {_rows(rows[off])}; resample them, or say --table for a table of "
            "independent rows"
        )
    if too_far(schema.steps, at):
        far = np.diff(at).argmax()
        raise DataError(
            f"the times{of} leap from {_shown(schema, at[far : far + 1])} to {_shown(schema, at[far + 1 : far + 2])}: "
            f"at {schema.steps}, hardly a step has a row"
        )


def _shown(schema: SeriesSchema, at: np.ndarray) -> str:
    more = f" and {len(at) - _SHOWN:,} more" if len(at) > _SHOWN else ""
    return ", ".join(str(v) for v in stamps(schema, at[:_SHOWN]).tolist()) + more


def _rows(rows: np.ndarray) -> str:
    return ("row " if len(rows) == 1 else "rows ") + ", ".join(str(r + 1) for r in rows[:_SHOWN].tolist())


def stamps(schema: SeriesSchema, at: np.ndarray) -> np.ndarray:
    """Times (N,), microseconds or whole numbers, as the table has them."""
    clock = schema.time.clock
    return from_numbers(schema.time, at / clock.step if clock else at.astype(np.float64))


def _check(table: Table, flag: str, names: Sequence[str]) -> None:
    for name in names:
        if name not in table.columns:
            hint = nearest(name, table.names)
            raise UsageError(f"{flag}: there is no column {name!r}{hint} (columns: {listed(table.names, most=12)})")


def _moments(table: Table, name: str, column: Column | None = None) -> tuple[Column, np.ndarray]:
    """A column of times, and them (N,) in microseconds, or as whole numbers where they count."""
    values = table.columns[name]
    dated = is_date(values) if column is None else column.clock is not None
    if column is None:
        look = timed_look(table, name, None) if dated else first_look(table, name, None)
        if look.column is None or look.column.categorical:
            why = look.problem or f"column {name!r} holds neither dates nor times nor whole numbers"
            raise DataError(why)
        column = look.column
    counts = to_counts(column, column.clock, values) if column.clock else to_numbers(name, values)
    gaps = np.flatnonzero(np.isnan(counts))
    if len(gaps):
        raise DataError(
            f"{counted(len(gaps), 'time')} in {name!r} {'is' if len(gaps) == 1 else 'are'} empty, the first in row "
            f"{gaps[0] + 1}: fill it in"
        )
    if not column.clock and (counts != np.rint(counts)).any():
        raise DataError(f"column {name!r} holds fractions: times are dates, or whole numbers of steps")
    return column, np.rint(counts * (column.clock.step if column.clock else 1)).astype(np.int64)


def time_column(table: Table) -> str | None:
    """The one column of dates, times of day apart; None where there is none or several."""
    found = [name for name in table.names if _is_dated(table, name)]
    return found[0] if len(found) == 1 else None


def _is_dated(table: Table, name: str) -> bool:
    values = table.columns[name]
    if not is_date(values):
        return False
    look = timed_look(table, name, None)
    return look.column is not None and look.column.clock is not None and not look.column.clock.daily


def series_column(table: Table, time: str, moments: np.ndarray, roles: Roles) -> str | None:
    """The column of labels within each of which no time repeats, where times repeat; None where they do not."""
    if len(np.unique(moments)) == len(moments):
        return None
    asked = {time, *roles.targets, *roles.known}
    for name in table.names:
        values = table.columns[name]
        labels = is_label_like(table, name) or values.dtype.kind in "iu"
        if name in asked or is_date(values) or not labels or is_missing(values).any():
            continue
        codes = np.unique(values.astype(str), return_inverse=True)[1]
        if len(np.unique(np.stack((codes, moments)), axis=1).T) == len(moments) and codes.max() < len(moments) / 2:
            return name
    return None


def _groups(table: Table, series: str | None) -> dict[str, np.ndarray]:
    """Rows of each series by its name, in the order in which they first come."""
    if series is None:
        return {"": np.arange(len(table))}
    values = table.columns[series]
    if is_missing(values).any():
        row = int(np.flatnonzero(is_missing(values))[0]) + 1
        raise DataError(f"column {series!r} tells the series apart and is empty in row {row}: fill it in")
    names, first, codes = np.unique(values.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    return {str(names[i]): rows[i] for i in order}


def _label(table: Table, series: str) -> Column:
    values = table.columns[series]
    dtype = "str" if values.dtype == object else values.dtype.name
    return Column(
        series, "real" if dtype != "str" else "categorical", dtype, categories=("",) if dtype == "str" else ()
    )


def _targets(table: Table, time: str, series: str | None, roles: Roles) -> tuple[tuple[Column, ...], list[str]]:
    """The columns to forecast, numbers all of them, and what was left out."""
    others = {time, series, *roles.known}
    found: list[Column] = []
    left: list[str] = []
    for name in roles.targets or [n for n in table.names if n not in others]:
        look = first_look(table, name, None)
        if look.column is None or (look.column.categorical and table.columns[name].dtype.kind != "b"):
            if roles.targets:
                raise DataError(f"targets: {name!r} holds no numbers, which is all that is forecast")
            left.append(name)
            continue
        found.append(_numeric(look.column, table.columns[name]))
    if not found:
        raise DataError(f"there are no numbers to forecast beside {time!r}: name them with --targets")
    told = f"left out, for holding no numbers: {listed(left)}; what is known beforehand can be named (--known)"
    return tuple(found), [told] if left else []


def _numeric(column: Column, values: np.ndarray) -> Column:
    """A column of numbers with its step and bounds; decimals that came through float32 are decimals again."""
    name, dtype = column.name, column.dtype
    numbers = to_numbers(name, values)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        raise DataError(f"column {name!r} has not a single number: leave it out ({flag('drop', name)})")
    if dtype == "bool":
        return Column(name, "integer", dtype, lower=0.0, upper=1.0, step=1.0)
    base = Column(name, "real", dtype)
    step = narrow_step(numbers)
    numbers = numbers if step is None else on_grid(numbers, step)
    found = second_look(Look(name, base, numbers, ""), numbers, values, None, True).column or base
    return found if step is None or found.step is not None else replace(found, step=step)


def narrow_step(numbers: np.ndarray) -> float | None:
    """The step of decimals that float32 has rounded, such as 5.827000141143799; None for others.

    >>> narrow_step(np.array([5.827, 2.009, 1.6]).astype(np.float32).astype(float))
    0.001
    """
    short = numbers.astype(np.float32)
    if (short != numbers).any() or (numbers == np.rint(numbers)).all():
        return None
    for digits in range(1, 5):
        if (np.round(numbers, digits).astype(np.float32) == short).all():
            return 10.0**-digits
    return None


def _numbers(table: Table, column: Column) -> np.ndarray:
    """A target (N,), on its grid, NaN where missing; DataError for infinities."""
    numbers = to_numbers(column.name, table.columns[column.name])
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0]) + 1
        raise DataError(f"column {column.name!r} is infinite in row {row}: correct or clear the cell")
    return numbers if column.step is None else np.where(np.isnan(numbers), np.nan, on_grid(numbers, column.step))


def _known(table: Table, name: str) -> Known:
    """What is known beforehand, numbers or labels, as the network reads it."""
    look = first_look(table, name, None)
    if look.column is None or look.numbers is None:
        raise DataError(look.problem or f"known: column {name!r} holds neither numbers nor labels that repeat")
    if look.column.categorical:
        return Known(name, look.column, 0.0, 1.0)
    there = look.numbers[np.isfinite(look.numbers)]
    spread = float(there.std()) if len(there) else 0.0
    return Known(name, look.column, float(there.mean()) if len(there) else 0.0, spread or 1.0)


def recognised(source: object) -> bool:
    """Whether a source is a table of series: its head has one regular column of dates, and numbers beside it."""
    try:
        table = _head(source)
        if table is None or len(table) < _FEWEST:
            return False
        schema, _ = learn_schema(table, Roles())
        panel = panel_of(table, schema)
    except (DataError, UsageError):
        return False
    return bool(panel.lengths.max() >= _FEWEST and len(panel.values) <= 1.5 * len(table))


def _head(source: object) -> Table | None:
    """The first rows of what may be a table."""
    if isinstance(source, Table):
        return source
    if isinstance(source, str | os.PathLike):
        return _head_of_file(Path(source).expanduser())  # pyright: ignore[reportUnknownArgumentType]
    named = not isinstance(source, np.ndarray | torch.Tensor | list | tuple)  # which have no columns of times
    return _first(read(source)) if named else None


def _first(table: Table) -> Table:
    return replace(table, columns={name: values[:_HEAD] for name, values in table.columns.items()})


def _head_of_file(path: Path) -> Table | None:
    if not path.is_file() or ending(path) not in (*TEXT, *_BINARY):
        return None
    if ending(path) not in TEXT:
        return _first(read(path))
    with unpacked(path) as (name, raw):
        some = raw.read(_BYTES)
    if len(some) == _BYTES:
        some = some[: some.rfind(b"\n") + 1]
    return read_delimited(name, io.BytesIO(some)) if some else None
