"""What there is to say of how a table was read: what keeps it from being fitted, and what was guessed or left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fluvial.data.checks import refuse_categorical
from fluvial.data.look import ColumnKind, Look, counts_rows
from fluvial.data.schema import Schema
from fluvial.data.tables import Table
from fluvial.data.words import counted, flag, listed

MOST = 6
"""How many columns are named before the rest are counted."""


def all_problems(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n  - ".join([f"{len(problems)} things keep this table from being fitted:", *problems])


def about_codes(table: Table) -> str:
    """Which numbers count as missing values, in brackets; empty if none do."""
    codes = {name: reading.missing for name, reading in table.readings.items() if reading.missing}
    if not codes:
        return ""
    shown = [f"{name!r} {', '.join(f'{code:g}' for code in each)}" for name, each in codes.items()]
    return f" (read as missing: {'; '.join(shown[:MOST])})"


def about_empty(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"{counted(len(names), 'column')} without a single value: {listed(names)}; leave out such columns (--drop)"


def about_identifiers(table: Table, looks: Sequence[Look]) -> str:
    if not looks:
        return ""
    one, name = len(looks) == 1, looks[0].name
    stated = ", ".join(look.identifier for look in looks[:MOST])
    more = f" and {len(looks) - MOST} more" if len(looks) > MOST else ""
    alone = (
        "; or it is a whole line, if something else than commas, semicolons, tabs, pipes or blanks parts the columns"
    )
    return (
        f"labels repeat, and {'this column hardly does' if one else 'these columns hardly do'}: {stated}{more}. "
        f"{'It is an identifier' if one else 'They are identifiers'}, or misread: leave {'it' if one else 'them'} out "
        f"with {flag('drop', name)} (drop={[look.name for look in looks[:MOST]]!r} in Python), or say what "
        f"{'it holds' if one else 'they hold'}, as {flag('kind', f'{name}=real')} or "
        f"{flag('kind', f'{name}=categorical')} (kinds={{{name!r}: 'real'}}){alone if len(table.columns) == 1 else ''}"
    )


def about_unmodelled(looks: Mapping[str, Look], context: Sequence[str], discrete: bool) -> str:
    """What to say of columns that the model cannot have."""
    columns = [look.column for look in looks.values() if look.column is not None and look.name not in context]
    if not discrete:
        names = [c.name for c in columns if c.categorical]
        return str(refuse_categorical(names)) if names else ""
    others = [c.name for c in columns if not c.discrete]
    if not others:
        return ""
    one = len(others) == 1
    return (
        f"this model gives probabilities to labels and whole numbers, and {listed(others)} {'is' if one else 'are'} "
        f"neither: leave {'it' if one else 'them'} out, make context of such columns, or choose another model"
    )


def about_left_out(empty: Sequence[str], identifiers: Sequence[Look]) -> list[str]:
    """What to say of columns that a model of any cells does without."""
    said: list[str] = []
    if empty:
        said.append(f"left out, for not a single value: {listed(empty)}")
    if identifiers:
        names = ", ".join(look.identifier for look in identifiers[:MOST])
        said.append(
            f"left out, since labels repeat and here they hardly do: {names}; where such texts are labels all the "
            f"same, say {flag('kind', f'{identifiers[0].name}=categorical')}"
        )
    return said


def about_determined(schema: Schema) -> list[str]:
    """What to say of columns that follow from others."""
    constant = [d.column.name for d in schema.dropped if not d.sources]
    follow = [
        f"{d.column.name!r} = {d.stated()}" if d.terms else f"{d.column.name!r} from {d.source!r}"
        for d in schema.dropped
        if d.sources
    ]
    said = [f"always the same, so not modelled: {listed(constant)}"] if constant else []
    if follow:
        shown = ", ".join(follow[:MOST]) + (f" and {len(follow) - MOST} more" if len(follow) > MOST else "")
        said.append(f"not modelled, since others determine them: {shown}")
    return said


def about_strays(schema: Schema) -> list[str]:
    """What to say of columns that what they follow from may leave out of their bounds."""
    said: list[str] = []
    for d in schema.dropped:
        ends = [f"{w} {b:g}" for w, b in zip(("below", "above"), d.within) if b is not None]
        if ends:
            said.append(f"draws that would leave {d.column.name!r} {' or '.join(ends)} are made again")
    return said


def about_row_numbers(looks: Mapping[str, Look], context: Sequence[str]) -> str:
    names = [look.name for look in looks.values() if look.name not in context and counts_rows(look)]
    if not names:
        return ""
    return (
        f"{listed(names)} numbers the rows one by one: leave it out with {flag('drop', names[0])} unless that is meant"
    )


def about_one_sided(schema: Schema, kinds: Mapping[str, ColumnKind]) -> str:
    """What to say of columns that only happened to lie on one side of 0."""
    names = [c.name for c in schema.columns if c.lower == 0 and c.upper is None and c.name not in kinds]
    if not names:
        return ""
    return (
        f"no value is below 0 in {listed(names)}, so such values are taken to be impossible there (log-density -inf); "
        f"where they can occur, say {flag('kind', f'{names[0]}=real')} (kinds={{{names[0]!r}: 'real'}} in Python)"
    )
