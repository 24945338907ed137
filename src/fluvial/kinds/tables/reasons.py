"""Why a row is unusual, in words: the cell that its others contradict most, and what stood to be expected there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.data.checks import FOREIGN
from fluvial.data.columns import Column, from_codes, from_numbers
from fluvial.data.schema import Schema
from fluvial.kinds.tables.cells import cells, given_others
from fluvial.models import AnyOrder

_EXPECTED = (0.005, 0.995)  # what 99 of 100 rows lie between
_RARE = 0.01  # the tail from which a cell is worth naming
_FLOOR = -700.0  # nats for what is impossible


@dataclass(frozen=True)
class Reason:
    """Why one row is unusual.

    Args:
        column: whose cell stands out most given the others; "" where none can be told.
        sentence: what is unusual about it, with numbers.
    """

    column: str
    sentence: str


def usual(density: AnyOrder, x: np.ndarray, context: Tensor | None) -> np.ndarray:
    """Mean log p(cell | the others) of each column's cells, (D,), in ordinary rows, (N, D)."""
    return np.maximum(cells(density, x, context).log_prob, _FLOOR).mean(0)


def reasons(
    density: AnyOrder, schema: Schema, usual: np.ndarray, x: np.ndarray, context: Tensor | None = None
) -> list[Reason]:
    """A reason for each of the encoded rows (N, D).

    Of the cells that are rare given the others, that whose log p is farthest below the :func:`usual` one is named.
    """
    if not len(x):
        return []
    foreign = (x == FOREIGN) & np.array([c.categorical for c in schema.columns])
    found = cells(density, np.where(foreign, np.nan, x), context)
    rank = np.where(found.tail <= _RARE, usual - np.maximum(found.log_prob, _FLOOR), -np.inf)
    rank[foreign] = np.inf
    told: list[Reason] = []
    for r, i in enumerate(rank.argmax(1).tolist()):
        name = schema.names[i]
        if foreign[r, i]:
            told.append(Reason(name, f"{name} holds a label that the fit never saw"))
        elif rank[r, i] == -np.inf:
            told.append(Reason("", "no single cell stands out: it is their combination"))
        else:
            given = None if context is None else context[r : r + 1]
            told.append(Reason(name, _sentence(density, schema.columns[i], x[r : r + 1], i, given)))
    return told


@torch.no_grad()
def _sentence(density: AnyOrder, column: Column, row: np.ndarray, i: int, context: Tensor | None) -> str:
    """What one cell is, and what the rest of its row (1, D) says of it."""
    law, theta, _ = next(given_others(density, row, i, context))
    missing, cell = float(law.missing_mass(theta)), float(row[0, i])
    if np.isnan(cell):
        return f"{column.name} is missing, as in {one_in(missing)} rows like it"
    if law.laws[0].labels:
        shares = law.shares(theta)[0, 0, : len(column.categories)].double().numpy() / max(1 - missing, 1e-12)
        best = int(shares.argmax())
        often = f"{shown(column, best)} in {_of_hundred(float(shares[best]))}"
        return (
            f"{column.name} is {shown(column, cell)}, as in {one_in(float(shares[int(cell)]))} rows like it ({often})"
        )
    present = law.present(theta)
    q = [law.quantile(present, torch.full((1, 1), each, dtype=torch.float64)) for each in _EXPECTED]
    return _outside(column, cell, float(q[0]), float(q[1]))


def _outside(column: Column, value: float, low: float, high: float) -> str:
    """A number that lies outside of, or at the very edge of, what was expected."""
    far = max(low - value, value - high) > high - low
    side = "above" if value > (low + high) / 2 else "below"
    times = " ×" if column.unit[:1].isdigit() else ""  # of units such as 200 g
    unit = f"{times} {column.unit}" if column.unit else ""
    expected = f"{shown(column, low)} to {shown(column, high)} in 99 of 100 rows"
    if low == high:
        expected = f"{shown(column, low)} in 99 of 100 rows"
    if low <= value <= high:
        return f"{column.name} {shown(column, value)}{unit} is at the edge of what the rest says ({expected})"
    word = "far " if far else ""
    return f"{column.name} {shown(column, value)}{unit} is {word}{side} what the rest says ({expected})"


def shown(column: Column, value: float) -> str:
    """A cell as the table has it, numbers with four digits."""
    if column.categorical:
        return repr(from_codes(column, np.array([value])).tolist()[0])
    if column.clock is not None:
        return str(from_numbers(column, np.array([value]))[0])
    return f"{value:.4g}" if column.step is None else f"{np.rint(value / column.step) * column.step:.10g}"


def one_in(p: float) -> str:
    """A small probability as people say it.

    >>> one_in(0.25), one_in(0.0021), one_in(1e-9)
    ('25 of 100', '2 of 1,000', 'fewer than 1 of 1,000,000')
    """
    if p >= 0.01:
        return f"{p * 100:.0f} of 100"
    for of in (1_000, 10_000, 100_000, 1_000_000):
        if p * of >= 0.95:
            return f"{p * of:.0f} of {of:,}"
    return "fewer than 1 of 1,000,000"


def _of_hundred(p: float) -> str:
    return f"{min(p * 100, 99.9):.3g} of 100"
