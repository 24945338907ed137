"""How a text file lays out its table: encoding, delimiter, quotes, comments, found out from its beginning."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fluvial.core.errors import DataError

SAMPLE = 1 << 16  # characters, or bytes, looked at
_LINES = 50
_DELIMITERS = "\t;|,^~\x01\x1f"  # in this order: with a decimal comma, "1,5;2,5" is two cells
_NAMES = {"\t": "tabs", ";": "semicolons", "|": "pipes (|)", ",": "commas", " ": "blanks"}
_NUMBERLIKE = re.compile(r"[-+]?[0-9.,]*[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?|[-+]?inf|nan|NaN|NA")
_SINGLE = re.compile(r"(?:^|[\t;|,]) ?'[^'\n]*' ?(?=$|[\t;|,])", re.M)
_FOREIGN = re.compile(r"\s*(?:<(?:!|\?|html|xml)|\[?\{\s*\")", re.I)
_BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


@dataclass(frozen=True)
class Dialect:
    """A file's layout.

    Args:
        delimiter: one character; a blank stands for any number of blanks and tabs.
        quote: what cells may be wrapped in.
        skipped: lines at the beginning that are not rows: comments, and a line such as ``sep=;``.
        comments: what stands in them.
    """

    delimiter: str
    quote: str = '"'
    skipped: int = 0
    comments: tuple[str, ...] = ()

    def cells(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The cells of each line."""
        if self.delimiter == " ":
            lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, skipinitialspace=True)

    @property
    def word(self) -> str:
        """The delimiter, in words."""
        return _NAMES.get(self.delimiter, repr(self.delimiter))


def encoding_of(start: bytes) -> str:
    """The encoding that a file's first bytes show; UTF-8 unless they speak against it.

    >>> encoding_of("a;b".encode("utf-16")), encoding_of("a;b".encode("utf-16-le")), encoding_of(b"a;b")
    ('utf-16', 'utf-16-le', 'utf-8')
    """
    for mark, name in _BOMS.items():
        if start.startswith(mark):
            return name
    even, odd = start[0:4000:2].count(0), start[1:4000:2].count(0)
    if max(even, odd) > 0.4 * len(start[:4000:2]) and min(even, odd) == 0:
        return "utf-16-le" if odd else "utf-16-be"
    return "utf-8"


def dialect_of(sample: str, tab: bool = False, whole: bool = True) -> Dialect:
    """The layout that a file's beginning shows; ``tab`` where the file's name says tabs.

    >>> dialect_of("# size price\\n1.5 2\\n3.5  4\\n").delimiter
    ' '
    >>> dialect_of("size|price\\n1,5|2\\n").delimiter
    '|'
    """
    if "\x00" in sample:
        raise DataError("it is not text: it holds NUL characters")
    foreign = _FOREIGN.match(sample)
    if foreign:
        raise DataError(
            f"it begins with {foreign.group().strip()!r}, as HTML, XML or JSON does: expected rows of cells"
        )
    lines = sample.splitlines(keepends=True)
    lines = lines if whole else lines[:-1] or lines
    skipped, comments = 0, list[str]()
    declared = re.match(r'"?sep=(.)"?\s*$', lines[0]) if lines else None
    if declared:
        lines, skipped = lines[1:], 1
    while lines and (lines[0].startswith(("#", "%")) or not lines[0].strip()):
        if lines[0].strip():
            comments.append(lines[0].strip().lstrip("#%").strip())
        lines, skipped = lines[1:], skipped + 1
    some = [line for line in lines if line.strip() and not line.startswith("#")][:_LINES]
    quote = "'" if '"' not in sample and len(_SINGLE.findall("".join(some))) >= len(some) > 0 else '"'
    delimiter = declared.group(1) if declared else _delimiter(some, quote, tab)
    return Dialect(delimiter, quote, skipped, tuple(comments))


def names_in(comments: tuple[str, ...], width: int, dialect: Dialect) -> list[str]:
    """Names of columns that the last comment before a table gives, one each; empty where it gives none."""
    if not comments:
        return []
    for delimiter in (dialect.delimiter, " ", ","):
        names = next(iter(Dialect(delimiter, dialect.quote).cells([comments[-1]])), [])
        names = [name.strip() for name in names]
        if len(names) == width and len(set(names)) == width and not any(_NUMBERLIKE.fullmatch(n) for n in names):
            return names
    return []


def _delimiter(lines: list[str], quote: str, tab: bool) -> str:
    split = {d: [row for row in Dialect(d, quote).cells(lines) if row] for d in (*_DELIMITERS, " ")}
    if tab and any(len(row) > 1 for row in split["\t"]):
        return "\t"
    if _is_decimals(split[","]):
        return ";"
    even = {d: rows for d, rows in split.items() if rows and len(rows[0]) > 1 and _even(rows)}
    if " " in even and not even.keys() & set("\t;|") and _in_blanks(even[" "], even.get(",")):
        return " "
    for delimiter in _DELIMITERS:
        if delimiter in even:
            return delimiter
    # no one is even: that with the most lines of one width, so that the sentence about the others makes sense
    usual = {d: Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0) for d, rows in split.items() if d != " "}
    usual = {d: n for d, (width, n) in usual.items() if width > 1}
    return max(usual, key=lambda d: usual[d]) if usual else ","


def _is_decimals(rows: list[list[str]]) -> bool:
    """Whether commas part one named column of numbers with decimal commas, and no columns."""
    below = rows[1:]
    return (
        bool(below) and len(rows[0]) == 1 and all(len(row) <= 2 and "".join(row).lstrip("-").isdigit() for row in below)
    )


def _even(rows: list[list[str]]) -> bool:
    """Whether all lines are as wide, but for a first one that lacks the name of the row names."""
    widths = [len(row) for row in rows]
    return len(set(widths[1:] or widths)) == 1 and widths[0] in (widths[-1], widths[-1] - 1)


def _in_blanks(rows: list[list[str]], by_comma: list[list[str]] | None) -> bool:
    """Whether blanks part a table: some column below the first line is all numbers, and commas part it worse."""
    below = rows[1:] or rows
    numeric = [all(_NUMBERLIKE.fullmatch(cell) for cell in column) for column in zip(*below)]
    if by_comma is None:
        return any(numeric)
    return all(numeric) and len(rows[0]) == len(below[0]) and any("," in c for row in below for c in row)
