"""What each column of a table is taken for: the source's word first, then the user's, then its values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.columns import Column, dtype_of, labels, to_codes, to_numbers
from fluvial.data.steps import find_step
from fluvial.data.tables import Table, is_missing
from fluvial.data.time_text import DAY, Found, find_format, is_shaped, readable, reader
from fluvial.data.times import Clock, finer, is_date, name_of, step_of
from fluvial.data.tokens import SPELLED, as_numbers, missing_words
from fluvial.data.words import counted, flag, listed

ColumnKind = str | tuple[str | float | None, ...]
"""A column's kind as users name it: "integer", say, or ("bounded", lower, upper), ("circular", lower, upper), where the
upper end is the lower one again, ("positive", lower), ("ordinal", least label, ..., greatest), ("time", format)."""

LABELS = ("categorical", "ordinal")
"""Kinds of labels, by name."""

_MOST_CATEGORIES = 1000
_REPEATS = 0.5  # labels repeat: a column with more different texts than this share of its rows holds none
_FEW = 10  # different texts that any column may have
_MOSTLY = 0.9  # share of dates from which other text among them is a slip
_MOST_SHOWN = 4
_CIRCLES = ((0.0, 24.0), (0.0, 360.0), (-180.0, 180.0))  # hours of the day, and angles
_WHOLE = 2.0**53  # integers up to here are exact in float64


@dataclass(frozen=True)
class Look:
    """What a column is taken for.

    Args:
        column: None where nothing can be made of it.
        numbers: (N,) float64, labels as codes, NaN where missing; None likewise.
        why: what made it so, a clause.
        problem: a sentence about what has to be mended before a fit, empty if nothing has.
        identifier: it is text that hardly repeats.
        note: a sentence about what was guessed.
    """

    name: str
    column: Column | None
    numbers: np.ndarray | None
    why: str
    problem: str = ""
    identifier: str = ""
    note: str = ""


def kind_of(asked: ColumnKind | None) -> str | None:
    """The word in what a user says of a column."""
    return asked if asked is None or isinstance(asked, str) else str(asked[0])


def timed_look(table: Table, name: str, asked: ColumnKind | None) -> Look:
    """Dates or times: of a dtype of their own, or text in one format, which a user may name."""
    values, reading, word = table.columns[name], table.reading(name), kind_of(asked)
    why = "you say that it is time" if word == "time" else "dates or times"
    there = ~is_missing(values)
    if not there.any():
        return Look(name, None, None, "it is empty")
    if values.dtype.kind not in "OM":
        stated = (
            "lengths of time: turn them into numbers" if values.dtype.kind == "m" else "numbers, not dates or times"
        )
        return Look(name, None, None, why, problem=f"column {name!r} holds {stated}")
    found = Found()
    if values.dtype == object:
        given = str(asked[1]) if isinstance(asked, tuple) and len(asked) > 1 else ""
        found = _said(given, values[there].tolist()) if given else find_format(values[there].tolist())
        if found.problem:
            way = "" if word == "time" else f"; where they are labels, say {flag('kind', f'{name}=categorical')}"
            return Look(name, None, None, why, problem=f"column {name!r} {found.problem}{way}")
    micros = np.rint(Clock(found.format, 1).counts(values[there])[0]).astype(np.int64)
    clock = Clock(found.format, step_of(micros), reading.zone)
    counts, _ = clock.counts(values)
    bounds = (0.0, float(DAY // clock.step - 1)) if clock.daily else (None, None)
    dtype = "str" if values.dtype == object else values.dtype.name
    seen = (float(np.nanmin(counts)), float(np.nanmax(counts)))
    unit = f"{name_of(clock.step)}s since {'midnight' if clock.daily else '1970-01-01'}"
    column = Column(name, "time", dtype, unit, bounds[0], bounds[1], 1.0, seen=seen, clock=clock)
    return Look(name, column, counts, f"{why} {clock}", note=_about_times(name, found, clock, finer(values[there])))


def _said(pattern: str, cells: list[str]) -> Found:
    """The format that a user gives, if every cell has it."""
    if not readable(pattern):
        return Found(problem=f"is said to be time of the format {pattern!r}: expected one such as %d/%m/%Y or %H:%M")
    bad = [cell for cell in cells if reader(pattern)(cell) is None]
    problem = f"is said to be like {pattern}, which does not hold for {counted(len(bad), 'cell')}, the first {bad[:1]}"
    return Found(pattern, problem=problem if bad else "")


def _about_times(name: str, found: Found, clock: Clock, cut: bool) -> str:
    """What to say of a guess at a format, of a time zone, and of digits that get lost."""
    said: list[str] = []
    if found.other:
        said.append(
            f"every cell could have the day or the month first, and is read as {found.format}; if that is wrong, say "
            f"{flag('kind', f'{name}=time:{found.other}')} (kinds={{{name!r}: ('time', {found.other!r})}} in Python)"
        )
    if "%y" in found.format:
        said.append("years of two digits are 1969 to 2068")
    if clock.zone:
        said.append(f"times are in the zone {clock.zone}, and counted in UTC")
    if cut:
        said.append("digits beyond the microsecond are cut off")
    return f"column {name!r}: {'; '.join(said)}" if said else ""


def mostly_dates(values: np.ndarray) -> bool:
    """Whether a column (N,) of text looks like dates or times with some other cells among them."""
    filled = [v for v in values if v is not None] if values.dtype == object else []
    return len(filled) >= _FEW and is_shaped(filled[0]) and sum(map(is_shaped, filled)) >= _MOSTLY * len(filled)


def is_label_like(table: Table, name: str) -> bool:
    """Whether a column holds labels, if nobody says otherwise."""
    values, reading = table.columns[name], table.reading(name)
    return reading.category or values.dtype.kind == "b" or (values.dtype == object and not reading.problem)


def first_look(table: Table, name: str, asked: ColumnKind | None) -> Look:
    """Labels, or numbers whose kind :func:`second_look` finds."""
    reading, word = table.reading(name), kind_of(asked)
    values = table.labels(name) if word in LABELS else table.columns[name]
    why = f"you say that it is {word}" if word else reading.why or f"its dtype is {values.dtype}"
    if reading.problem and not (word in LABELS and values.dtype == object and not is_missing(values).all()):
        found = _as_asked(values, word)
        if found is None:
            return Look(name, None, None, "unclear", problem=f"column {name!r} {reading.problem}")
    if is_missing(values).all():
        return Look(name, None, None, "it is empty")
    if word in LABELS or (word is None and is_label_like(table, name)):
        look = _labelled(table, name, values, why, word is not None or reading.category)
        return _in_order(look, values, asked) if word == "ordinal" else look
    dtype = "float64" if dtype_of(values) == "str" else dtype_of(values)
    try:
        unit = "".join(part.strip() for part in reading.affix)
        column = Column(name, "real", dtype, unit, affix=reading.affix, missing=reading.missing)
        return Look(name, column, to_numbers(name, values), why)
    except DataError as error:
        return Look(name, None, None, why, problem=str(error))


def _as_asked(values: np.ndarray, word: str | None) -> np.ndarray | None:
    """Text as the numbers that a user says it is, if it can be read so."""
    if word is None or word in LABELS or values.dtype != object:
        return None
    numbers, bad = as_numbers(values)
    return numbers if bad is None else None


def _in_order(look: Look, values: np.ndarray, asked: ColumnKind | None) -> Look:
    """A column of labels with the order that the user gives; numbers have one of their own."""
    if look.column is None:
        return look
    known, given = look.column.categories, () if asked is None or isinstance(asked, str) else asked[1:]
    if not given and isinstance(known[0], str):
        lack = f"column {look.name!r} is said to be ordinal: name its labels in their order, as in "
        lack += f"--kind {look.name}=ordinal:{':'.join(map(str, known[:_MOST_SHOWN]))}"
        return replace(look, column=None, numbers=None, problem=lack)
    by_text = {str(label): label for label in known}
    order = tuple(by_text.get(str(label), str(label)) for label in given) or known
    lacking = [label for label in known if label not in order]
    if lacking or len(set(order)) < len(order) or len({type(label) for label in order}) > 1:
        wrong = f"expected each of its labels once, {listed(known)}, got {listed(order)}"
        return replace(look, column=None, numbers=None, problem=f"column {look.name!r}: its order: {wrong}")
    column = replace(look.column, kind="ordinal", categories=order)
    return replace(look, column=column, numbers=to_codes(column, values))


def _labelled(table: Table, name: str, values: np.ndarray, why: str, meant: bool) -> Look:
    known = labels(values[~is_missing(values)])
    n, spelled = int((~is_missing(values)).sum()), table.reading(name).spelled
    identifier = ""
    if not meant and isinstance(known[0], str) and len(known) > max(_FEW, _REPEATS * n):
        identifier = f"{name!r} ({len(known):,} different texts in {counted(n, 'row')}, such as {listed(known[:2])})"
        return Look(name, None, None, why, identifier=identifier)
    if len(known) > _MOST_CATEGORIES:
        return Look(name, None, None, why, problem=(
            f"column {name!r} has {len(known):,} different labels, more than the {_MOST_CATEGORIES:,} that a "
            "categorical column may have; leave it out, or group the labels"
        ))  # fmt: skip
    words = missing_words(spelled, values) if spelled is not None else {}
    column = Column(name, "categorical", dtype_of(values), categories=known)
    return Look(name, column, to_codes(column, values), why, note=_about_words(name, words, set(known)))


def _about_words(name: str, words: dict[str, int], known: set[object]) -> str:
    """What to say of cells that spell a missing value with a word that may be a label."""
    alike = {word: n for word, n in words.items() if word.isalpha() and word not in known}
    if not alike:
        return ""
    stated = ", ".join(f"{counted(n, 'cell')} {word!r}" for word, n in alike.items())
    way = f"{flag('kind', f'{name}=categorical')} (kinds={{{name!r}: 'categorical'}} in Python)"
    hint = f"; where such a word is a label, say {way}, or quote it in the file" if alike.keys() & set(SPELLED) else ""
    return f"column {name!r}: {stated} read as missing{hint}"


def second_look(look: Look, numbers: np.ndarray, values: np.ndarray, asked: ColumnKind | None, cells: bool) -> Look:
    """A number's kind, bounds and step, from its finite ``numbers``; ``values`` are the column as the table has it.

    A model of ``cells`` gives those of a grid their exact probabilities, so none is too fine for it.
    """
    column = look.column
    if column is None or column.categorical or column.clock is not None or not len(numbers):
        return look
    word, (lower, upper) = kind_of(asked), _bounds(asked)
    if word == "circular":
        return _circular(look, column, numbers, values, cells, (lower, upper))
    # integers with gaps come as floats
    whole = bool((numbers == np.rint(numbers)).all()) and float(np.abs(numbers).max()) <= _WHOLE
    floats = values.dtype.kind in "fO"
    integers = values.dtype.kind in "iub" or (floats and whole and len(numbers) < len(values))
    step = 1.0 if word == "integer" else find_step(numbers, values.dtype, fine=cells)
    word = word or ("integer" if integers else None)
    problem = _claim(column.name, word, lower, upper, numbers)
    if problem:
        return replace(look, column=None, numbers=None, problem=problem)
    seen = (float(numbers.min()), float(numbers.max()))
    column = replace(column, step=step, seen=seen)
    if word == "integer":
        lower = lower if lower is not None or numbers.min() < 0 else 0.0
        return replace(look, column=replace(column, kind="integer", step=1.0, lower=lower, upper=upper))
    if word == "bounded":
        return replace(look, column=replace(column, kind="bounded", lower=lower, upper=upper))
    # a 0 among rounded values does not show a column that reaches below it
    above = numbers.min() > 0 or (step is not None and numbers.min() >= 0)
    if word == "positive" or (word is None and above):
        return replace(look, column=replace(column, kind="positive", lower=lower or 0.0))
    return replace(look, column=column)


def _circular(
    look: Look,
    column: Column,
    numbers: np.ndarray,
    values: np.ndarray,
    cells: bool,
    ends: tuple[float | None, float | None],
) -> Look:
    """A column that goes round from ``ends[1]`` to ``ends[0]``; the first of the usual circles that has all values."""
    if None in ends:
        ends = next((c for c in _CIRCLES if c[0] <= numbers.min() and numbers.max() <= c[1]), (None, None))
    lower, upper = ends
    if lower is None or upper is None or not lower < upper:
        problem = f"column {column.name!r} is said to be circular: say from where to where it goes round, as in "
        problem += f"--kind {column.name}=circular:0:24, where 24 is 0 again"
        return replace(look, column=None, numbers=None, problem=problem)
    if problem := _claim(column.name, "circular", lower, upper, numbers):
        return replace(look, column=None, numbers=None, problem=problem)
    step = find_step(numbers, values.dtype, fine=cells)
    if step is not None and abs((upper - lower) / step - round((upper - lower) / step)) > 1e-9:
        step = None  # a grid that does not close is none
    seen = (float(numbers.min()), float(numbers.max()))
    column = replace(column, kind="circular", lower=lower, upper=upper - (step or 0.0), step=step, seen=seen)
    return replace(look, column=column, numbers=None if look.numbers is None else column.wrapped(look.numbers))


def _bounds(asked: ColumnKind | None) -> tuple[float | None, float | None]:
    """The bounds that a user gives."""
    given = () if asked is None or isinstance(asked, str) or asked[0] in ("time", "ordinal") else asked[1:]
    lower, upper = (*given, None, None)[:2]
    return (None if lower is None else float(lower)), (None if upper is None else float(upper))


def _claim(name: str, word: str | None, lower: float | None, upper: float | None, numbers: np.ndarray) -> str:
    """What is wrong with a kind that a user gives, empty if nothing is."""
    claims: list[tuple[str, np.ndarray]] = []
    if word == "integer":
        claims.append(("whole numbers", numbers != np.rint(numbers)))
    if word == "positive":
        claims.append(("positive" if lower is None else f"at least {lower:g}", numbers < (lower or 0)))
    elif lower is not None or upper is not None:
        low, high = -np.inf if lower is None else lower, np.inf if upper is None else upper
        claims.append((f"within {low:g} and {high:g}", (numbers < low) | (numbers > high)))
    for claim, against in claims:
        if against.any():
            wrong = f"{counted(int(against.sum()), 'value')}, the first {numbers[against][0]:g}"
            return f"column {name!r} is said to be {claim}, which does not hold for {wrong}"
    return ""


def is_countable(table: Table, name: str, asked: ColumnKind | None) -> str:
    """ "labels", "bits", "integers", or "" for what cannot be counted."""
    values = table.columns[name]
    if asked is not None:
        return {"categorical": "labels", "ordinal": "labels", "integer": "integers"}.get(kind_of(asked) or "", "")
    if is_date(values):
        return ""
    if is_label_like(table, name):
        return "labels"
    if values.dtype == object:
        return ""
    known = values[~is_missing(values)]
    if len(known) and ((known == 0) | (known == 1)).all():
        return "bits"
    return "integers" if (known == np.rint(known)).all() else ""


def counts_rows(look: Look) -> bool:
    """Whether a column is 0, 1, 2, ... or 1, 2, 3, ... down the table, and so a number of the row."""
    if look.numbers is None or look.column is None or look.column.categorical or len(look.numbers) < 3:
        return False
    return bool(look.numbers[0] in (0, 1) and (np.diff(look.numbers) == 1).all())


def most_common(values: np.ndarray, most: int = 3) -> list[str]:
    """The values that stand for a column in a listing: the most frequent ones, the first where none repeats."""
    shown = values[~is_missing(values)][:10_000].tolist()
    return [str(value) for value, _ in Counter(shown).most_common(most)]
