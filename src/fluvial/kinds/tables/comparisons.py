"""Events in words, such as ``Rings > 12 and Sex == 'M'``: read as comparisons and nothing else, never run as code."""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.data.words import listed, nearest

Rows = Mapping[str, np.ndarray]
Truth = Callable[[Rows], np.ndarray]
Encode = Callable[[str, object], float]
"""A column's name and a value as a user writes it -> the number that stands for it in encoded rows."""

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
}
_CONTRARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST, _DEEPEST = 10_000, 50  # characters of an event, and how deep it may be nested
_SHOWN = 80  # characters of an event in a sentence
_BACKQUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`([^`]+)`""")
_GRAMMAR = (
    "comparisons such as Rings > 12 and Sex == 'M', joined by and, or, not; names with blanks in `backquotes`; "
    "Sex is None where a cell is missing"
)


@dataclass(frozen=True)
class Limits:
    """What one column is confined to: from ``low`` to ``high``, and, where ``among`` is given, to these values."""

    low: float = -np.inf
    high: float = np.inf
    low_open: bool = False
    high_open: bool = False
    among: frozenset[float] | None = None

    def hold(self, value: float) -> bool:
        """Whether a value keeps to them."""
        if value != value:  # missing
            return any(v != v for v in self.among or ())
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and (self.among is None or value in self.among)

    def meet(self, other: Limits) -> Limits:
        """What satisfies both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        both = [a.among for a in (self, other) if a.among is not None]
        return Limits(
            low,
            high,
            any(a.low_open for a in (self, other) if a.low == low),
            any(a.high_open for a in (self, other) if a.high == high),
            frozenset.intersection(*both) if both else None,
        )


@dataclass(frozen=True)
class Comparison:
    """An event about the columns of a row.

    Args:
        text: as it was written.
        holds: encoded columns by name, each (n,), to whether it holds in each row. A comparison with a missing cell
            does not hold, and neither does its contrary.
        limits: where the event is that each of some columns keeps to its own limits, these; else None.
    """

    text: str
    holds: Truth
    limits: Mapping[str, Limits] | None


def read_event(
    text: str,
    names: tuple[str, ...],
    labels: frozenset[str],
    encode: Encode,
    calls: Mapping[str, Callable[[Any], Any]] | None = None,
    ordered: frozenset[str] = frozenset(),
) -> Comparison:
    """The event that ``text`` describes.

    Args:
        names: of the columns.
        labels: those of them that hold labels, of which the ``ordered`` ones have an order.
        calls: what may be called in it by name, with one number or one condition.

    Raises:
        UsageError: it is not made of comparisons, or names no column, as a sentence.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"the event has {len(text)} characters, {_LONGEST} at most are read")
    plain, quoted = _without_backquotes(text.strip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in text, which may be meant
            tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"the event {_short(text)!r} could not be read: expected {_GRAMMAR}") from None
    if _is_deep(tree):
        raise UsageError(f"the event {_short(text)!r} is nested too deeply")
    reader = _Reader(_short(text), names, labels, encode, quoted, calls or {}, ordered)
    return Comparison(text, reader.truth(tree), reader.limits(tree))


def _without_backquotes(text: str) -> tuple[str, dict[str, str]]:
    """The text with a name of its own in place of each one in backquotes, and what these stand for."""
    quoted: dict[str, str] = {}
    mark = "_"
    while mark in text:
        mark += "_"

    def stand_in(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]  # a label in quotes, whatever it holds
        name = f"{mark}{len(quoted)}"
        quoted[name] = match[1]
        return name

    return _BACKQUOTED.sub(stand_in, text), quoted


def _is_deep(tree: ast.AST) -> bool:
    """Whether there is more nesting than anybody means, which would be read and answered by recursion."""
    level = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return bool(level)


@dataclass(frozen=True)
class _Reader:
    text: str
    names: tuple[str, ...]
    labels: frozenset[str]
    encode: Encode
    quoted: dict[str, str]
    calls: Mapping[str, Callable[[Any], Any]]
    ordered: frozenset[str]

    def truth(self, node: ast.expr, wanted: bool = True) -> Truth:
        """A condition, or its contrary, which a missing cell does not make true either."""
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(value, wanted) for value in node.values]
            return _joined(parts, isinstance(node.op, ast.And) == wanted)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.truth(node.operand, not wanted)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            ops = node.ops if wanted else [_CONTRARY.get(type(op), type(op))() for op in node.ops]
            return _joined([self._link(a, op, b) for a, op, b in zip(sides, ops, sides[1:])], wanted)
        if isinstance(node, ast.Call):
            call, inner = self._called(node), self.truth(node.args[0])
            return lambda rows: call(inner(rows)) == wanted
        raise self._refused(node)

    def _called(self, node: ast.Call) -> Callable[[Any], Any]:
        """What is called, with one argument."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in self.calls or len(node.args) != 1 or node.keywords:
            raise self._refused(node)
        if not any(isinstance(part, ast.Name) and part.id not in self.calls for part in ast.walk(node.args[0])):
            raise UsageError(f"event {self.text!r}: {name} is taken of a column, as in {name}({self.names[0]})")
        return self.calls[name]

    def _link(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Truth:
        if isinstance(op, ast.Is | ast.IsNot) and isinstance(right, ast.Constant) and right.value is None:
            name, wanted = self._name(left), isinstance(op, ast.Is)
            return lambda rows: np.isnan(rows[name]) == wanted
        if isinstance(op, ast.In | ast.NotIn):
            values, name = np.array(sorted(self._values(left, right))), self._name(left)
            wanted = isinstance(op, ast.In)
            return lambda rows: (np.isin(rows[name], values) == wanted) & ~np.isnan(rows[name])
        if type(op) not in _COMPARE:
            raise self._refused(op)
        compare, about = _COMPARE[type(op)], [n for n in (self._maybe(left), self._maybe(right)) if n in self.labels]
        if set(about) - self.ordered and not isinstance(op, ast.Eq | ast.NotEq):
            raise UsageError(f"event {self.text!r}: the values of {about[0]!r} have no order; use ==, != or in")
        if about and _constant(left) is None and _constant(right) is None:
            raise UsageError(f"event {self.text!r}: compare {about[0]!r} with one of its own labels, in quotes")
        if not any(isinstance(node, ast.Name) for side in (left, right) for node in ast.walk(side)):
            raise UsageError(f"event {self.text!r}: it compares no column with anything; expected {_GRAMMAR}")
        a, b = self._number(left, self._maybe(right)), self._number(right, self._maybe(left))

        def holds(rows: Rows) -> np.ndarray:
            with np.errstate(all="ignore"):  # a division by zero holds nothing up
                x, y = a(rows), b(rows)
            return compare(x, y) & ~np.isnan(x) & ~np.isnan(y)

        return holds

    def _number(self, node: ast.expr, beside: str | None) -> Callable[[Rows], Any]:
        """A side of a comparison; a constant is a value of the column that it is compared with."""
        if isinstance(node, ast.Name):
            name = self._name(node)
            return lambda rows: rows[name]
        if (value := _constant(node)) is not None:
            number = np.float64(self._encoded(beside, value))
            return lambda rows: number
        if isinstance(node, ast.Call):
            call, argument = self._called(node), self._operand(node.args[0])
            return lambda rows: call(argument(rows))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._operand(node.operand)
            return lambda rows: -inner(rows)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            a, b, join = self._operand(node.left), self._operand(node.right), _ARITHMETIC[type(node.op)]
            return lambda rows: join(a(rows), b(rows))
        raise self._refused(node)

    def _operand(self, node: ast.expr) -> Callable[[Rows], Any]:
        if self._maybe(node) in self.labels:
            raise UsageError(f"event {self.text!r}: labels cannot be calculated with")
        return self._number(node, None)

    def limits(self, node: ast.expr) -> Mapping[str, Limits] | None:
        """The limits of single columns that a condition amounts to, if it is such a one."""
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            found = [self.limits(value) for value in node.values]
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            found = [self._limit(a, op, b) for a, op, b in zip(sides, node.ops, sides[1:])]
        else:
            return None
        met: dict[str, Limits] = {}
        for each in found:
            if each is None:
                return None
            for name, limits in each.items():
                met[name] = met[name].meet(limits) if name in met else limits
        return met

    def _limit(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Mapping[str, Limits] | None:
        name = self._maybe(left)
        if isinstance(op, ast.In) and name is not None:
            return {name: Limits(among=frozenset(self._values(left, right)))}
        if type(op) not in _FLIPPED:
            return None
        kind = type(op)
        if name is None:
            left, right, kind, name = right, left, _FLIPPED[kind], self._maybe(right)
        value = _constant(right)
        if name is None or value is None:
            return None
        number = self._encoded(name, value)
        if kind is ast.Eq:
            return {name: Limits(among=frozenset([number]))}
        if kind in (ast.Lt, ast.LtE):
            return {name: Limits(high=number, high_open=kind is ast.Lt)}
        return {name: Limits(low=number, low_open=kind is ast.Gt)}

    def _values(self, left: ast.expr, right: ast.expr) -> list[float]:
        if not isinstance(right, ast.List | ast.Tuple | ast.Set):
            raise self._refused(right)
        values = [_constant(each) for each in right.elts]
        if any(value is None for value in values) or not values:
            raise UsageError(f"event {self.text!r}: expected a list of values behind 'in', such as ['M', 'F']")
        return [self._encoded(self._name(left), value) for value in values]

    def _encoded(self, name: str | None, value: object) -> float:
        if name is not None:
            return self.encode(name, value)
        if isinstance(value, str | bool):
            raise UsageError(f"event {self.text!r}: {value!r} is compared with no column")
        try:
            return float(value)  # pyright: ignore
        except OverflowError:
            raise UsageError(f"event {self.text!r}: a number in it is too large") from None

    def _maybe(self, node: ast.expr) -> str | None:
        return self._name(node) if isinstance(node, ast.Name) else None

    def _name(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            raise self._refused(node)
        name = self.quoted.get(node.id, node.id)
        if name not in self.names:
            raise UsageError(
                f"event {self.text!r}: there is no column {name!r}{nearest(name, self.names)} (columns: "
                f"{listed(self.names)}); a label stands in quotes, as in Sex == 'M'"
            )
        return name

    def _refused(self, node: ast.AST) -> UsageError:
        return UsageError(f"event {self.text!r}: {type(node).__name__.lower()} has no place here; expected {_GRAMMAR}")


def _joined(parts: Sequence[Truth], every: bool) -> Truth:
    join = np.logical_and if every else np.logical_or
    return lambda rows: reduce(join, [part(rows) for part in parts])


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _constant(node: ast.expr) -> object | None:
    """The value of a constant, a negative number included; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float) else None
