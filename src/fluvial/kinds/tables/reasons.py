"""Why a row is unusual, in words: the cell that its others contradict most, and what stood to be expected there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fluvial.core.batched import evaluate
from fluvial.data.checks import FOREIGN
from fluvial.data.columns import Column, from_codes, from_numbers
from fluvial.data.schema import Schema
from fluvial.data.words import listed
from fluvial.kinds.tables.cells import cells, given_others
from fluvial.models import AnyOrder
from fluvial.transforms.laws import Laws

_EXPECTED = (0.005, 0.995)  # what 99 of 100 rows lie between
_RARE = 0.05  # the tail from which a cell is worth naming
_SUSPECTS = 8  # cells of a row, at most, without which the rest of it is looked at: each takes a pass
_FLOOR = -700.0  # nats for a cell that is impossible
_IMPOSSIBLE = -1e9  # nats for a row that is


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

    Of the cells that are rare given the others, that one is named without which the rest of the row is most ordinary.
    """
    if not len(x):
        return []
    foreign = (x == FOREIGN) & np.array([c.categorical for c in schema.columns])
    rank = _wrong(density, usual, np.where(foreign, np.nan, x), context)
    rank[foreign] = np.inf
    told = [Reason("", f"no single cell stands out: it is their combination{_gaps(schema, row)}") for row in x]
    named, names = np.where(rank.max(1) > -np.inf, rank.argmax(1), -1), schema.names
    for i in np.unique(named[named >= 0]).tolist():
        seen = np.flatnonzero((named == i) & ~foreign[:, i])
        given = None if context is None else context[torch.from_numpy(seen)]
        for r, sentence in zip(seen.tolist(), _sentences(density, schema.columns[i], x[seen], i, given)):
            told[r] = Reason(names[i], sentence)
        for r in np.flatnonzero((named == i) & foreign[:, i]).tolist():
            told[r] = Reason(names[i], never_saw(names[i]))
    return told


def never_saw(name: str) -> str:
    """What there is to say of a label that has no code."""
    return f"{name} holds a label that the fit never saw"


def _gaps(schema: Schema, row: np.ndarray) -> str:
    """Which cells of a row (D,) are missing, where several are."""
    names = [name for name, cell in zip(schema.names, row) if np.isnan(cell)]
    return f", and {len(names)} of them are missing ({listed(names)})" if len(names) > 1 else ""


@torch.no_grad()
def _wrong(density: AnyOrder, usual: np.ndarray, x: np.ndarray, context: Tensor | None) -> np.ndarray:
    """How ordinary the rest of a row is without each of its rarest cells, nats, (N, D); -inf of all other cells.

    log p(the others) + the usual log p of such a cell. By Bayes' rule it ranks as log p(cell | the others) does, lowest
    first; but that is a probability of what the model has hardly seen, and says little of which of two cells that
    contradict each other is the wrong one, whereas the others of the right choice are an ordinary row.
    """
    found = cells(density, x, context)
    short = np.where(found.tail <= _RARE, usual - np.maximum(found.log_prob, _FLOOR), -np.inf)
    least = np.sort(short, 1)[:, -_SUSPECTS:].min(1, keepdims=True)
    suspected = (short >= least) & (short > -np.inf)
    rank = np.full(x.shape, -np.inf)
    for i, rows in enumerate(suspected.T):
        given = None if context is None else context[torch.from_numpy(rows)]
        of_others = partial(density.log_prob_of, torch.arange(x.shape[1]) != i)
        rest = evaluate(density, of_others, torch.from_numpy(x[rows]), given, 0)
        rank[rows, i] = rest.double().nan_to_num(nan=_IMPOSSIBLE, neginf=_IMPOSSIBLE).numpy() + usual[i]
    return rank


@torch.no_grad()
def _sentences(density: AnyOrder, column: Column, rows: np.ndarray, i: int, context: Tensor | None) -> Iterator[str]:
    """What cell i of each row (N, D) is, and what the rest of its row says of it."""
    for law, theta, values in given_others(density, rows, i, context):
        missing, labels = law.missing_mass(theta)[:, 0].tolist(), law.laws[0].labels
        stands = law.shares(theta)[:, 0] if labels else _between(law, theta)
        for cell, gap, expected in zip(values[:, 0].tolist(), missing, stands.double().numpy()):
            if np.isnan(cell):
                yield f"{column.name} is missing, as in {one_in(gap)} rows like it"
            elif labels:
                yield _label(column, int(cell), expected[: len(column.categories)] / max(1 - gap, 1e-12))
            else:
                yield _outside(column, cell, *expected.tolist())


def _between(law: Laws, theta: Tensor) -> Tensor:
    """What 99 of 100 numbers lie between under each theta, (B, 2)."""
    q = torch.tensor(_EXPECTED, dtype=torch.float64).repeat_interleave(len(theta)).unsqueeze(1)
    return law.quantile(law.present(theta).repeat(len(_EXPECTED), 1), q).view(len(_EXPECTED), -1).T


def _label(column: Column, cell: int, shares: np.ndarray) -> str:
    """A label, beside the likeliest."""
    best = int(shares.argmax())
    often = f"{shown(column, best)} in {_of_hundred(float(shares[best]))}"
    return f"{column.name} is {shown(column, cell)}, as in {one_in(float(shares[cell]))} rows like it ({often})"


def _outside(column: Column, value: float, low: float, high: float) -> str:
    """A number that lies outside of, or at the very edge of, what was expected."""
    far = max(low - value, value - high) > high - low
    side = "above" if value > (low + high) / 2 else "below"
    times = " ×" if column.unit[:1].isdigit() else ""  # of units such as 200 g
    unit = f"{times} {column.unit}" if column.unit and column.clock is None else ""
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
