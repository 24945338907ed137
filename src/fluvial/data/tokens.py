"""Cells of text -> numbers, booleans, or text, by rules that are stated.

A column is numbers only where every cell prints back as itself: 02116, 1_10 and 2e2 are codes, and stay text. Numbers
as people write them (1,234.50, 12,5 %, $3, 1 000) are read where the whole column agrees on one way to write them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from fluvial.data.words import listed

MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "NaT"),
    *("null", "NULL", "None", "?"),
)
"""What an empty cell may look like, in columns of any kind."""

SPELLED = ("NA", "None")
"""Words for missing that are labels where someone says so: Namibia's code, a house without veneer."""

QUOTED = "\x1f"
"""Stands behind a word for missing that the file has in quotes, and so means as a label."""

_MISSES = frozenset(MISSING)
_SOME = 1000  # different texts that tell what the others are
_FEW = 0.05  # share of cells up to which text among numbers is a slip
_BLANKS = "-", "--", ".", "..", "...", "n.a.", "n/d"  # missing among numbers only
_WHOLE = 2**53  # whole numbers up to here are exact in float64
_PRINTED = 1e15  # from here on programs print floats with an exponent
_CURRENCY = r"(?:[$€£¥₹₽₩₺]|USD|EUR|GBP|CHF|JPY)"
_SPACE = "[ \u00a0\u2009\u202f'’]"

_NUMBER = r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_NONE = "|".join(map(re.escape, MISSING))
_INFINITE = r"[-+]?(?:inf|Inf|INF|infinity|Infinity)"
_LOOSE = r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"


def _all(pattern: str) -> re.Pattern[str]:
    """Whether every line is of this form; possessive, so that a long column is one quick pass."""
    return re.compile(rf"(?:(?:{pattern})\n)*+")


_WHOLES = _all(rf"0|-?[1-9][0-9]*|{_NONE}")
_NUMBERS = _all(rf"{_NUMBER}|{_INFINITE}|{_NONE}")
_LOOSELY = _all(rf"{_LOOSE}|{_INFINITE}|{_NONE}")
_BOOLS = _all(rf"(?i:true|false)|{_NONE}")
_GAP = re.compile(rf"^(?:{_NONE})$", re.M)
_BARE = re.compile(r"^-?[0-9]+[eE][0-9]+$", re.M)  # as in 2e2, which no program prints for 200
_FLOAT = re.compile(r"\.|[eE][-+]")
_POINT = re.compile(r"^[^0-9A-Za-z,\n]*(?:[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})|0\.[0-9]+)(?![0-9.,])", re.M)
_COMMA = re.compile(
    r"^[^0-9A-Za-z.\n]*(?:[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+)(?![0-9.,])", re.M
)
_DECIMAL_COMMA = _all(r"-?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_THOUSANDS = _all(r"-?[0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?")
_POINTS = _all(r"-?[0-9]{1,3}(?:\.[0-9]{3})*")
_MILLIONS = re.compile(r"^-?[0-9]{1,3}(?:\.[0-9]{3}){2,}$", re.M)
_SPACED = _all(rf"-?[0-9]{{1,3}}(?:{_SPACE}[0-9]{{3}})*(?:[.,][0-9]+)?")
_PLAIN = _all(_NUMBER)


@dataclass(frozen=True)
class Style:
    """How a file writes numbers: whether its decimal mark is a comma, and whether that was seen or only is usual."""

    comma: bool = False
    seen: bool = False


@dataclass(frozen=True)
class Cells:
    """One column, read.

    Args:
        values: (N,) int64, float64 (NaN where missing), bool, or str or bool objects (None where missing).
        why: what made them so, a clause.
        note: a sentence about what was guessed, empty if nothing was.
        spelled: values of a text column with the words for missing kept; None where it has none.
        problem: a half-sentence about cells that look like slips, empty if none do.
    """

    values: np.ndarray
    why: str
    note: str = ""
    spelled: np.ndarray | None = None
    problem: str = ""


def style_of(columns: list[str], delimiter: str) -> Style:
    """The decimal mark that columns of text, lines each, agree on; where they say nothing, the delimiter's usual.

    >>> style_of(["1,5\\n2,25"], ";")
    Style(comma=True, seen=True)
    """
    point = any(_POINT.search(text) for text in columns)
    comma = any(_COMMA.search(text) for text in columns)
    if point is not comma:
        return Style(comma, True)
    return Style(delimiter == ";")


def read_cells(text: str, style: Style = Style()) -> Cells:
    """A column, one cell a line, read by the first rule that all its cells follow.

    >>> read_cells("1\\n\\n3").values
    array([ 1., nan,  3.])
    >>> read_cells("02116\\n10001").why
    "'02116' does not print back as a number: codes"
    >>> read_cells("1,234\\n7").values
    array([1234,    7])
    """
    bare = text.replace(QUOTED, "") if QUOTED in text else text
    lines = f"{bare}\n"
    if _follow(_WHOLES, lines):
        return _whole(text, bare)
    if _follow(_NUMBERS, lines):
        if style.comma and (found := _by_rule(bare, style)) is not None:
            return found
        return _numbers(text, bare)
    if _follow(_BOOLS, lines):
        if not _GAP.search(bare):
            return Cells(np.array([line[0] in "tT" for line in bare.split("\n")]), "every cell is true or false")
        known = [None if token in _MISSES else token[0] in "tT" for token in bare.split("\n")]
        return Cells(np.array(known, dtype=object), f"every cell is true, false{_gaps(bare)}", spelled=_spelled(text))
    found = _by_rule(bare, style)
    if found is not None:
        return found
    if _follow(_LOOSELY, lines):
        return _text(text, f"{_odd(bare)!r} does not print back as a number: codes")
    return _text(text, "it holds text", style)


def _gaps(bare: str) -> str:
    """The ways to spell a missing value that a column has, empty if it has none."""
    words = sorted({word or "empty" for word in _GAP.findall(bare)})
    return f" or missing ({', '.join(words)})" if words else ""


def _follow(pattern: re.Pattern[str], lines: str) -> bool:
    found = pattern.match(lines)
    return found is not None and found.end() == len(lines)


def _whole(text: str, bare: str) -> Cells:
    tokens = bare.split("\n")
    if not _GAP.search(bare):
        try:
            values = np.fromiter(map(int, tokens), np.int64, len(tokens))
        except OverflowError:
            return _text(text, "whole numbers too large for 64 bits: codes, so that none merge")
        return Cells(values, "every cell is a whole number")
    known = [int(token) for token in tokens if token not in _MISSES]
    if not known:
        return Cells(np.full(len(tokens), np.nan), "every cell is missing", spelled=_spelled(text))
    if max(-min(known), max(known)) > _WHOLE:
        return _text(text, "whole numbers beyond 2^53, and gaps: codes, so that none merge")
    return Cells(_floats(bare), f"every cell is a whole number{_gaps(bare)}")


def _numbers(text: str, bare: str) -> Cells:
    exponent = _BARE.search(bare)
    values = _floats(bare)
    if exponent and not _FLOAT.search(bare) and abs(float(exponent.group())) < _PRINTED:
        return _text(text, f"{exponent.group()!r} does not print back as a number: codes")
    if np.isinf(values).any() and not re.search("[iI]nf|INF", bare):
        return _text(text, "numbers too large for any float: codes")
    return Cells(values, f"every cell is a number{_gaps(bare)}")


def _floats(bare: str) -> np.ndarray:
    tokens = _GAP.sub("nan", bare).split("\n")
    return np.fromiter(map(float, tokens), np.float64, len(tokens))


def _odd(bare: str) -> str:
    """The first cell that is a number only if read loosely."""
    return next(t for t in bare.split("\n") if t not in _MISSES and not re.fullmatch(f"{_NUMBER}|{_INFINITE}", t))


def _text(text: str, why: str, style: Style | None = None) -> Cells:
    tokens = [token.replace("\x1e", "\n") for token in text.split("\n")] if "\x1e" in text else text.split("\n")
    values = np.array([None if t in _MISSES else t for t in tokens], dtype=object)
    words = sum(t in _MISSES and t != "" for t in tokens)
    if QUOTED in text:
        values = np.array([None if v is None else v.rstrip(QUOTED) for v in values], dtype=object)
    spelled = _spelled(text) if words or QUOTED in text else None
    return Cells(values, why, spelled=spelled, problem="" if style is None else _slips(values, style))


def _spelled(text: str) -> np.ndarray | None:
    tokens = text.replace(QUOTED, "").replace("\x1e", "\n").split("\n")
    return np.array([t or None for t in tokens], dtype=object) if any(tokens) else None


def _slips(values: np.ndarray, style: Style) -> str:
    """What to say of numbers with some text among them, where they are more than half and no codes; else nothing."""
    counts = Counter(v for v in values.tolist() if v is not None)
    odd = {t: n for t, n in counts.items() if not re.fullmatch(rf"{_LOOSE}|{_INFINITE}", t)}
    plain = [t for t in counts if t not in odd]
    if 2 * sum(odd.values()) >= counts.total() and _mostly_written(list(odd)[:_SOME], style):
        written = [t for t in odd if _by_rule(t, style) is not None]
        if len(written) == len(odd):
            ways = (written[:1] + plain[:1]) if plain else written[:2]
            return (
                f"writes its numbers in several ways, among them {listed(ways)}; write them in one, or, if the column "
                "holds labels, say that its kind is categorical"
            )
        odd = {t: n for t, n in odd.items() if t not in written}
    elif any(not re.fullmatch(f"{_NUMBER}|{_INFINITE}", t) for t in plain):
        return ""
    wrong, known = sum(odd.values()), counts.total()
    codes = all(re.fullmatch("[0-9A-Fa-f]+", t) for t in counts) or len(counts) <= min(known / 3, 1000)
    if 2 * wrong >= known or (wrong > _FEW * known and codes):
        return ""
    first = next(iter(odd))
    more = "" if wrong == 1 else f" ({wrong:,} such cells)"
    return (
        f"holds text in row {values.tolist().index(first) + 1}: {first!r}{more}; expected a number (rows count from 1, "
        "the header apart). Correct or clear the cell; if the column holds labels, its kind is categorical"
    )


def _mostly_written(texts: list[str], style: Style) -> bool:
    """Whether more than half of some texts are numbers as people write them."""
    return 2 * sum(_by_rule(text, style) is not None for text in texts) > len(texts)


def _by_rule(bare: str, style: Style) -> Cells | None:
    """Numbers as people write them, or None where the column does not agree on a way."""
    tokens = bare.split("\n")
    known = [t for t in tokens if t not in _MISSES and t not in _BLANKS]
    if not known or not re.search("[0-9]", known[0]):
        return None
    rules: list[str] = []
    lines = _unsigned("\n".join(known) + "\n", len(known), rules)
    lines = _ungrouped(lines, style, rules)
    if lines is None or not _follow(_PLAIN, lines):
        return None
    if any(t in _BLANKS for t in tokens):
        rules.append("dashes and dots for missing values")
    if not rules:
        return None
    read = np.array([float(t) for t in lines[:-1].split("\n")])
    if not np.isfinite(read).all():
        return None
    values = np.full(len(tokens), np.nan)
    values[[t not in _MISSES and t not in _BLANKS for t in tokens]] = read
    if len(known) == len(tokens) and not _FLOAT.search(lines) and np.abs(read).max() <= _WHOLE:
        values = values.astype(np.int64)
    at = int(np.argmax([len(t) for t in known[:1000]]))
    rule_text = f"numbers with {' and '.join(rules)}"
    return Cells(values, rule_text, f"is read as {rule_text}: {known[at]!r} is {lines.split(chr(10), at + 1)[at]}")


def _unsigned(lines: str, n: int, rules: list[str]) -> str:
    """Lines without currency and per cent signs (which all must have), plus signs and printed minus signs."""
    if "−" in lines:
        lines = lines.replace("−", "-")
        rules.append("printed minus signs")
    for pattern, put in (
        (rf"^(\(?-?)({_CURRENCY})[ \u00a0]?(?=[-0-9.])", r"\1"),
        (rf"[ \u00a0\u202f]?({_CURRENCY})(?=\)?$)", ""),
        ("[ \u00a0\u202f]?(%)(?=\\)?$)", ""),
    ):
        found = re.findall(pattern, lines, re.M)
        signs = {sign if isinstance(sign, str) else sign[-1] for sign in found}
        if len(found) == n and len(signs) == 1:
            lines = re.sub(pattern, put, lines, flags=re.M)
            rules.append(f"the sign {signs.pop()} left out")
    if "(" in lines:
        lines = re.sub(r"^\(([0-9.,]+)\)$", r"-\1", lines, flags=re.M)
        rules.append("brackets for negative values")
    # +49 30 is a telephone's; +3 beside -2 or 0.5 is a number
    if "+" in lines and (re.search("^-", lines, re.M) or re.search("[.,]", lines)):
        lines = re.sub(r"^\+(?=[0-9.])", "", lines, flags=re.M)
        rules.append("plus signs")
    return lines


def _ungrouped(lines: str, style: Style, rules: list[str]) -> str | None:
    """Lines with a decimal point and nothing between thousands."""
    if re.search(_SPACE, lines):
        if not _follow(_SPACED, lines):
            return None
        lines = re.sub(_SPACE, "", lines)
        rules.append("blanks or apostrophes between thousands")
    comma, thousands = _follow(_DECIMAL_COMMA, lines), _follow(_THOUSANDS, lines)
    if "," in lines and (comma or thousands):
        if comma and (style.comma or not thousands):
            lines = lines.replace(".", "").replace(",", ".")
            rules.append("decimal commas")
        else:
            lines = lines.replace(",", "")
            rules.append("commas between thousands")
    elif _follow(_POINTS, lines) and (_MILLIONS.search(lines) or ("." in lines and style.comma and style.seen)):
        lines = lines.replace(".", "")
        rules.append("points between thousands")
    return lines


def as_numbers(values: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Text (N,) with None for gaps as float64, and the first row that is not a number, or None.

    Looser than :func:`read_cells`, for columns that someone says are numbers: 02116 is 2116 here.
    """
    numbers = np.full(len(values), np.nan)
    text = [None if v is None else str(v).strip() for v in values]
    bad = [i for i, v in enumerate(text) if v is not None and not _loose(v)]
    if bad:
        found = _by_rule("\n".join(v or "" for v in text), Style())
        return (numbers, bad[0]) if found is None else (found.values.astype(np.float64), None)
    known = [i for i, v in enumerate(text) if v is not None]
    numbers[known] = [float(text[i] or "nan") for i in known]
    return numbers, None


def _loose(token: str) -> bool:
    return "_" not in token and (token in _MISSES or bool(re.fullmatch(rf"{_LOOSE}|{_INFINITE}", token)))


def missing_words(spelled: np.ndarray, values: np.ndarray, keep: Collection[str] = ()) -> dict[str, int]:
    """The words that stand for missing values in a column, each with its count; not those to ``keep``."""
    words = [s for s, v in zip(spelled, values) if s is not None and (v is None or v != v) and s not in keep]
    return {word: words.count(word) for word in dict.fromkeys(words)}
