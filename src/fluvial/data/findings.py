"""Warnings about columns that make a density infinite, or nearly so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fluvial.data.derived import Derived
from fluvial.data.schema import Schema
from fluvial.data.words import counted, listed

_OFTEN = 0.05  # share of the rows from which one value of a continuous column counts as repeated
_MANY_DUPLICATES = 0.01
_MOST = 6
_FAR = 1e6  # usual distances from the median from which a value looks like a code
_WHOLE = 2.0**53  # integers up to here are exact in float64


def findings(schema: Schema, numbers: Mapping[str, np.ndarray]) -> list[str]:
    """Sentences about constants, copies, repeated values and repeated rows among the columns' numbers (N,).

    What only a density minds, a model of any cells need not know.
    """
    stated = (
        []
        if schema.gaps
        else [
            _constants([d for d in schema.dropped if not d.sources]),
            _copies([d for d in schema.dropped if d.sources]),
            _repeated_values(schema, numbers),
        ]
    )
    stated += [
        _far_values(schema, numbers),
        _merged(schema, numbers),
        _repeated_rows(schema, numbers),
        _flat_context(schema, numbers),
    ]
    return [sentence for sentence in stated if sentence]


def _constants(found: Sequence[Derived]) -> str:
    if not found:
        return ""
    pairs = _some([f"{d.column.name!r} = {d.offset:g}" for d in found])
    return (
        f"{counted(len(found), 'constant column')}, left out of the density (it would be infinite) and filled in "
        f"when sampling: {pairs}"
    )


def _copies(found: Sequence[Derived]) -> str:
    if not found:
        return ""
    pairs = _some([f"{d.column.name!r} = {d.stated()}" for d in found])
    return (
        f"{counted(len(found), 'column')} determined by another, left out of the density (it would be infinite) and "
        f"computed when sampling: {pairs}"
    )


def _repeated_values(schema: Schema, numbers: Mapping[str, np.ndarray]) -> str:
    found: list[str] = []
    for name in [c.name for c in schema.columns if c.step is None and not c.discrete]:
        distinct, counts = np.unique(numbers[name], return_counts=True)
        n, top = int(counts.sum()), int(counts.max())
        if top > max(2, _OFTEN * n):
            found.append(f"{name!r} ({100 * top / n:.0f} % are {distinct[counts.argmax()]:g})")
        elif n >= 2 * len(distinct):
            found.append(f"{name!r} ({len(distinct):,} different values in {n:,} rows)")
    if not found:
        return ""
    return (
        f"{counted(len(found), 'column')} with repeated values: {_some(found)}. A density can grow without limit on "
        "such values; its scales are bounded, so the fit stays finite, but log-densities there say little"
    )


def _far_values(schema: Schema, numbers: Mapping[str, np.ndarray]) -> str:
    """Fill values such as 9.97e36 or -1e30 that no one has masked."""
    found: list[str] = []
    for name in [c.name for c in (*schema.columns, *schema.context) if not c.categorical]:
        values = _there(numbers[name])
        away = np.abs(values - np.median(values))
        far = away > _FAR * np.median(away[away > 0] if away.any() else 0)
        if far.any():
            found.append(f"{name!r} ({counted(int(far.sum()), 'value')}, such as {values[far][0]:g})")
    if not found:
        return ""
    return f"values more than a million times farther out than usual, perhaps codes for missing ones: {_some(found)}"


def _merged(schema: Schema, numbers: Mapping[str, np.ndarray]) -> str:
    """Whole numbers in floats that may have merged before anyone could tell."""
    names = [c.name for c in (*schema.columns, *schema.context) if not c.categorical]
    values = {name: _there(numbers[name]) for name in names}
    found = [n for n, v in values.items() if np.abs(v).min() > _WHOLE and (v == np.rint(v)).all()]
    if not found:
        return ""
    return (
        f"whole numbers beyond 2^53 in columns of floats, where neighbours are one: {listed(found)}; if these are "
        "identifiers, read them as text or leave them out"
    )


def _repeated_rows(schema: Schema, numbers: Mapping[str, np.ndarray]) -> str:
    if all(c.step is not None or c.discrete for c in schema.columns):  # countable rows repeat by nature
        return ""
    x = np.stack([numbers[c.name] for c in (*schema.columns, *schema.context)], axis=1) + 0.0  # -0 is 0
    again = len(x) - len({hash(row.tobytes()) for row in x})
    if again <= _MANY_DUPLICATES * len(x):
        return ""
    return (
        f"{counted(again, 'row')} of {len(x):,} ({100 * again / len(x):.1f} %) repeat an earlier row exactly: a "
        "held-out score may count rows that training saw"
    )


def _flat_context(schema: Schema, numbers: Mapping[str, np.ndarray]) -> str:
    flat = [c.name for c in schema.context if np.ptp(_there(numbers[c.name])) == 0]
    return f"context that never varies, and so says nothing about the rest: {listed(flat)}" if flat else ""


def _there(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - _MOST} more" if len(items) > _MOST else ""
    return ", ".join(items[:_MOST]) + more
