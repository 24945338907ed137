"""Cells of text -> numbers, booleans, or text, by rules that are stated.

A column is numbers only where every cell prints back as itself: 02116, 1_10 and 2e2 are codes, and stay text. Numbers
as people write them (1,234.50, 12,5 %, $3, 1 000) are read where the whole column agrees on one way to write them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from fluvial.data.marks import Style, all_lines, follow, ungrouped, unit_of, unsigned
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
_LABELS = 20  # different texts from which numbers of one unit are no labels, as "1 child" and "2 children" are
_ALIKE = 0.95  # share of the cells of one unit from which others are slips
_COMMAS = "decimal commas"

_NUMBER = r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_NONE = "|".join(map(re.escape, MISSING))
_INFINITE = r"[-+]?(?:inf|Inf|INF|infinity|Infinity)"
_LOOSE = r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"


_WHOLES = all_lines(rf"0|-?[1-9][0-9]*|{_NONE}")
_NUMBERS = all_lines(rf"{_NUMBER}|{_INFINITE}|{_NONE}")
_LOOSELY = all_lines(rf"{_LOOSE}|{_INFINITE}|{_NONE}")
_BOOLS = all_lines(rf"(?i:true|false)|{_NONE}")
_GAP = re.compile(rf"^(?:{_NONE})$", re.M)
_BARE = re.compile(r"^-?[0-9]+[eE][0-9]+$", re.M)  # as in 2e2, which no program prints for 200
_FLOAT = re.compile(r"\.|[eE][-+]")
_PLAIN = all_lines(_NUMBER)
_USUAL = Style()


@dataclass(frozen=True)
class Cells:
    """One column, read.

    Args:
        values: (N,) int64, float64 (NaN where missing), bool, or str or bool objects (None where missing).
        why: what made them so, a clause.
        note: a sentence about what was guessed, empty if nothing was.
        spelled: values of a text column with the words for missing kept; None where it has none.
        problem: a half-sentence about cells that look like slips, empty if none do.
        affix: the sign before and the unit behind each number, as the cells have them, blanks included.
    """

    values: np.ndarray
    why: str
    note: str = ""
    spelled: np.ndarray | None = None
    problem: str = ""
    affix: tuple[str, str] = ("", "")


def read_cells(text: str, style: Style = _USUAL) -> Cells:
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
    if follow(_WHOLES, lines):
        return _whole(text, bare)
    if follow(_NUMBERS, lines):
        if style.comma and (found := _by_rule(bare, style)) is not None:
            return found
        return _numbers(text, bare)
    if follow(_BOOLS, lines):
        if not _GAP.search(bare):
            return Cells(np.array([line[0] in "tT" for line in bare.split("\n")]), "every cell is true or false")
        known = [None if token in _MISSES else token[0] in "tT" for token in bare.split("\n")]
        return Cells(np.array(known, dtype=object), f"every cell is true, false{_gaps(bare)}", spelled=_spelled(text))
    found = _by_rule(bare, style, units=True)
    if found is not None:
        return found
    if follow(_LOOSELY, lines):
        return _text(text, f"{_odd(bare)!r} does not print back as a number: codes")
    return _text(text, "it holds text", style)


def read_on(text: str, first: Cells, style: Style = _USUAL) -> Cells | None:
    """A further part of a column, read by the rule that its ``first`` part follows; None where a cell does not.

    Parts that miss all cells, and whole numbers beside others, go together; so do marks between thousands, which only
    large numbers have, and dashes for missing cells.

    >>> first = read_cells("1\\n2")
    >>> read_on("2.5\\n", first).values.tolist(), read_on("02116", first)
    ([2.5, nan], None)
    """
    if is_text(first):
        return _text(text, first.why)
    found = read_cells(text, style)
    if is_open(found) or is_open(first):
        return found
    if is_text(found) or (found.values.dtype.kind in "iuf") != (first.values.dtype.kind in "iuf"):
        return None
    commas = _COMMAS in found.why and _COMMAS not in first.why and not style.comma
    return None if commas or found.affix != first.affix else found


def read_as_text(text: str, keep: Collection[str] = ()) -> Cells:
    """A column, one cell a line, as text whatever it looks like; the words for missing in ``keep`` are labels."""
    found = _text(text, "it is known to hold text")
    if found.spelled is None or not keep:
        return found
    kept = np.array([word in keep for word in found.spelled])
    return replace(found, values=np.where(kept, found.spelled, found.values))


def is_text(cells: Cells) -> bool:
    """Whether a column holds text, which any cell is."""
    return any(isinstance(value, str) for value in cells.values) if cells.values.dtype == object else False


def is_open(cells: Cells) -> bool:
    """Whether a part of a column misses all cells, and so tells nothing of what it holds."""
    values = cells.values
    return values.dtype.kind == "f" and bool(np.isnan(values).all()) and not any(cells.affix)


def _gaps(bare: str) -> str:
    """The ways to spell a missing value that a column has, empty if it has none."""
    words = sorted({word or "empty" for word in _GAP.findall(bare)}) if _may_miss(bare) else []
    return f" or missing ({', '.join(words)})" if words else ""


def _may_miss(bare: str) -> bool:
    """Whether a cell may be missing; a look at the characters, which is many times faster than one at the cells."""
    return "\n\n" in f"\n{bare}\n" or "?" in bare or bare.lower() != bare.upper()


def _whole(text: str, bare: str) -> Cells:
    tokens = bare.split("\n")
    if not (_may_miss(bare) and _GAP.search(bare)):
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
    exponent = _BARE.search(bare) if "e" in bare or "E" in bare else None
    values = _floats(bare)
    if exponent and not _FLOAT.search(bare) and abs(float(exponent.group())) < _PRINTED:
        return _text(text, f"{exponent.group()!r} does not print back as a number: codes")
    if np.isinf(values).any() and not re.search("[iI]nf|INF", bare):
        return _text(text, "numbers too large for any float: codes")
    return Cells(values, f"every cell is a number{_gaps(bare)}")


def _floats(bare: str) -> np.ndarray:
    if not _may_miss(bare):
        return np.fromstring(bare, np.float64, sep="\n")
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
    if said := _of_other_units(counts, values):
        return said
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


def _of_other_units(counts: Counter[str], values: np.ndarray) -> str:
    """What to say of a few cells of another unit, or of none, among many different numbers of one; else nothing."""
    units = {text: unit_of([text]) for text in counts}
    shares = Counter(unit for text, unit in units.items() for _ in range(counts[text]))
    unit, share = shares.most_common(1)[0] if shares else ("", 0)
    if not unit or len(counts) <= _LABELS or share < _ALIKE * counts.total():
        return ""
    first = next(text for text in counts if units[text] != unit)
    return (
        f"holds {first!r} in row {values.tolist().index(first) + 1}; expected a number of {unit.strip()} (rows count "
        "from 1, the header apart). Correct or clear the cell; if the column holds labels, its kind is categorical"
    )


def _mostly_written(texts: list[str], style: Style) -> bool:
    """Whether more than half of some texts are numbers as people write them."""
    return 2 * sum(_by_rule(text, style) is not None for text in texts) > len(texts)


def _by_rule(bare: str, style: Style, units: bool = False) -> Cells | None:
    """Numbers as people write them, with one unit behind all or none, or None where there is no one way."""
    tokens = bare.split("\n")
    known = [t for t in tokens if t not in _MISSES and t not in _BLANKS]
    if not known or not re.search("[0-9]", known[0]):
        return None
    rules: list[str] = []
    lines, affix = unsigned("\n".join(known) + "\n", known, rules, units)
    lines = ungrouped(lines, style, rules)
    if lines is None or not follow(_PLAIN, lines):
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
    note = f"is read as {rule_text}: {known[at]!r} is {lines.split(chr(10), at + 1)[at]}"
    return Cells(values, rule_text, note, affix=affix)


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
