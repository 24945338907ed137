"""Columns that are sums, differences, products or ratios of others, in every row, to within their own rounding."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from fluvial.data.checks import off_grid
from fluvial.data.columns import Column
from fluvial.data.derived import Derived, rounding_of
from fluvial.data.products import products
from fluvial.data.sums import Group, sum_of

_ROWS = 20  # different rows below which a relation may be chance
_BITS = 40.0  # of evidence that it is none, beyond those that its numbers and the choice of its columns take
_LOOKED_AT = 5000  # rows that are enough to tell
_OFTEN = 0.1  # share of the rows that rounding changes; fewer are slips
_ROUNDING = 32.0  # units in the last place of what a row's relation adds up
Numbers = Mapping[str, np.ndarray]


def related(
    columns: Sequence[Column], numbers: Numbers, gaps: bool, known: Sequence[Derived] = (), kept: Collection[str] = ()
) -> list[Derived]:
    """The columns of numbers (N,) that follow from several others.

    They are missing where one of these is, and nowhere else. Of the columns of a relation, one is left out which the
    others give within its bounds whatever they are, if there is such a one: gross is net and tax, where it might be
    drawn below its tax.

    Args:
        gaps: cells may be missing, so that ratios to 0 are.
        known: columns that are known to follow from others.
        kept: names of columns that are not to be left out.
    """
    usable = [c for c in columns if not c.categorical and c.period is None]
    usable = [replace(c, step=None) if c.clock is None and off_grid(c, numbers[c.name]) else c for c in usable]
    found = list(known)
    targets = {c.name for c in usable if _varied(numbers[c.name])}
    for exact in (True, False)[: 1 + gaps]:  # what holds to the last digit comes before what only rounds to it
        for relation in products([c for c in usable if c.clock is None], targets, numbers):
            found += _left_out(relation, usable, numbers, gaps, exact, kept, found)
        for target, sources in _suspects(usable, targets, numbers, found):
            if (relation := sum_of(target, sources, numbers)) is not None:
                found += _left_out(relation, usable, numbers, gaps, exact, kept, found)
    return found[len(known) :]


def in_order(found: Sequence[Derived]) -> list[Derived]:
    """The columns that follow from others, each behind those of them that it follows."""
    left, ordered = list(found), []
    while left:
        names = {d.column.name for d in left}
        ready = [d for d in left if not names & set(d.sources)]
        ordered += ready
        left = [d for d in left if d not in ready]
    return ordered


def _suspects(
    columns: Sequence[Column], targets: Collection[str], numbers: Numbers, found: list[Derived]
) -> Iterator[tuple[Column, list[Column]]]:
    """Columns that may be sums of others, and these; what is ``found`` to be a sum meanwhile is none of them."""

    def free(some: Sequence[Column]) -> list[Column]:
        sums = {d.column.name for d in found if d.terms and not d.product}
        return [c for c in some if c.name not in sums]

    for group in Group.each(columns, targets, numbers):
        for target in free(group.after_others(group.columns, numbers)):
            yield target, free(group.columns[: group.columns.index(target)])
        left = free(group.columns)
        for target in group.beside_others(left, numbers):
            if target in free(left):
                yield target, [c for c in free(left) if c != target]


def _varied(values: np.ndarray) -> bool:
    """Whether a column has three different values: two agree with too much."""
    there = values[~np.isnan(values)]
    return bool(len(there) and ((there != there.min()) & (there != there.max())).any())


def _left_out(
    relation: Derived,
    columns: Sequence[Column],
    numbers: Numbers,
    gaps: bool,
    exact: bool,
    kept: Collection[str],
    found: Sequence[Derived],
) -> list[Derived]:
    """The column of a relation that is to be left out, if there is one."""
    gone = {d.column.name for d in found} | set(kept)
    others = [c for c in columns if c.name in relation.sources]
    turned = [relation, *(t for c in others if (t := _turned(relation, c)) is not None)]
    known = {c.name: c for c in columns}
    choices = [
        checked
        for each in turned
        if each.column.name not in gone
        and not _follows(each.sources, each.column.name, found)
        and (gaps or _never_by_zero(each, known))
        and (checked := _checked(_unbounded(each, known), known, numbers)) is not None
        and not (exact and checked.rounded)
    ]
    if not choices or not _evident(relation, numbers, len(columns)):
        return []
    return [min(choices, key=lambda d: _rank(d, known))]


def _turned(relation: Derived, column: Column) -> Derived | None:
    """A relation solved for another one of its columns; None where that is no sum or product."""
    number = dict(relation.terms)[column.name]
    if relation.product and abs(number) != 1:
        return None
    rest = tuple((name, -each / number) for name, each in relation.terms if name != column.name)
    terms = ((relation.column.name, 1 / number), *rest)
    if relation.product:
        return Derived(column, slope=relation.slope ** (-1 / number), terms=terms, product=True)
    return Derived(column, slope=1.0, offset=-relation.offset / number, terms=terms)


def _follows(names: Sequence[str], name: str, found: Sequence[Derived]) -> bool:
    """Whether one of some columns follows from a column of this name."""
    sources = {d.column.name: d.sources for d in found}
    return any(n == name or _follows(sources.get(n, ()), name, found) for n in names)


def _unbounded(relation: Derived, columns: Mapping[str, Column]) -> Derived:
    """The relation with its column's bounds apart, unless they hold whatever the others are, within theirs."""
    low, high = _span(relation, [(columns[name], number) for name, number in relation.terms])
    column = relation.column
    above = column.lower is None or column.lower <= low
    if above and (column.upper is None or high <= column.upper):
        return relation
    kind = "integer" if column.kind == "integer" else "real"
    return replace(
        relation, column=replace(column, kind=kind, lower=None, upper=None), within=(column.lower, column.upper)
    )


def _span(relation: Derived, terms: Sequence[tuple[Column, float]]) -> tuple[float, float]:
    lowest = [-math.inf if c.lower is None else c.lower for c, _ in terms]
    highest = [math.inf if c.upper is None else c.upper for c, _ in terms]
    if relation.product:
        positive = relation.slope > 0 and all(low >= 0 for low in lowest)
        return (0.0 if positive else -math.inf), math.inf
    ends = [sorted((number * a, number * b)) for (_, number), a, b in zip(terms, lowest, highest)]
    return relation.offset + sum(low for low, _ in ends), relation.offset + sum(high for _, high in ends)


def _never_by_zero(relation: Derived, columns: Mapping[str, Column]) -> bool:
    below = [columns[name] for name, number in relation.terms if relation.product and number < 0]
    return all(c.lower is not None and c.lower >= 0 and (c.step is None or c.lower > 0) for c in below)


def _checked(relation: Derived, columns: Mapping[str, Column], numbers: Numbers) -> Derived | None:
    """The relation with its tolerance, if it holds in every row."""
    value, n = numbers[relation.column.name], len(numbers[relation.column.name])
    exact = relation.exact(relation.combined(numbers, n))
    there = ~np.isnan(value)
    if not np.array_equal(there, ~np.isnan(exact)):
        return None
    value, exact = value[there], exact[there]
    parts = np.abs(exact) + abs(relation.offset)
    if not relation.product:
        parts = parts + sum(np.abs(number * numbers[name][there]) for name, number in relation.terms)
    precision = max(c.precision for c in (relation.column, *(columns[name] for name in relation.sources)))
    slack = _ROUNDING * precision * (np.abs(value) + parts)
    apart, half = np.abs(value - exact), rounding_of(relation.column.step)
    if (apart > half + slack).any():
        return None
    rounded = float((apart > slack).mean())
    if 0 < rounded < _OFTEN:
        return None
    return replace(relation, tolerance=half + float(slack.max()), rounded=rounded > 0)


def _evident(relation: Derived, numbers: Numbers, columns: int) -> bool:
    """Whether the rows say more than chance, and more than was chosen to make them agree."""
    names = (relation.column.name, *relation.sources)
    rows = np.stack([numbers[name] for name in names], axis=1)
    rows = np.unique(rows[~np.isnan(rows).any(1)][:_LOOKED_AT], axis=0)  # a row that stands twice says nothing more
    _, counts = np.unique(rows[:, 0], return_counts=True)
    counts = np.delete(counts, counts.argmax())  # what most rows hold, 0 perhaps, may hold for another reason
    left = int(counts.sum())
    if left < _ROWS - 1:
        return False
    bits = (left - len(names)) * -math.log2(counts.max() / left)
    chosen = (*(number for _, number in relation.terms), relation.slope, relation.offset)
    digits = sum(len(f"{abs(number):.12g}".replace(".", "").strip("0")) for number in chosen)
    return bits >= _BITS + digits * math.log2(10) + len(names) * math.log2(columns)


def _rank(relation: Derived, columns: Mapping[str, Column]) -> tuple[bool, bool, bool, int]:
    """Which column of a relation to leave out: one that keeps to its bounds by itself; one of more decimals than all
    others, which was computed; not a ratio that its grid would have to hold; the last."""
    column = relation.column
    computed = column.step is None and all(columns[name].step is not None for name in relation.sources)
    ratio = relation.product and column.step is not None and any(number < 0 for _, number in relation.terms)
    return relation.within != (None, None), not computed, ratio, -list(columns).index(column.name)
