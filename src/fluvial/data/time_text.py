"""The ways in which dates and times are written: the one of a column is found, and its text read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from itertools import product

DAY = 86_400_000_000
"""Microseconds, in which times are reckoned; counted in steps, each is exact in float64."""

EPOCH = date(1970, 1, 1).toordinal()

_SHAPE = re.compile(
    r"(?:(?P<date>\d{4}(?P<a>[-/])\d\d?(?P=a)\d\d?|\d\d?/\d\d?/(?:\d{4}|\d\d)|\d\d?(?P<b>[.-])\d\d?(?P=b)\d{4})"
    r"(?:(?P<joint>T|,? +)(?=\d)|\Z))?"
    r"(?P<clock>\d\d?:\d\d(?::\d\d(?:\.(?P<fraction>\d{1,9}))?)?)?(?P<half> ?[AaPp][Mm])?"
    r"(?P<offset> ?(?:Z|[+-]\d\d:?\d\d))?",
    re.ASCII,
)
_OFFSET = re.compile(r" ?(?:Z|([+-])(\d\d):?(\d\d))\Z")
_CODE = re.compile(r"%(?:-?[YymdHIMSp]|[1-9?]f)")
_READ = {
    **{"%Y": r"(?P<Y>\d{4})", "%y": r"(?P<y>\d\d)", "%m": r"(?P<m>\d\d)", "%-m": r"(?P<m>\d\d?)"},
    **{"%d": r"(?P<d>\d\d)", "%-d": r"(?P<d>\d\d?)", "%H": r"(?P<H>\d\d)", "%-H": r"(?P<H>\d\d?)"},
    **{"%I": r"(?P<I>\d\d)", "%-I": r"(?P<I>\d\d?)", "%M": r"(?P<M>\d\d)", "%S": r"(?P<S>\d\d)"},
    **{"%p": "(?P<p>[AP]M)", "%-p": "(?P<p>[ap]m)", "%?f": r"(?:\.(?P<f>\d{1,9}))?"},
    **{f"%{k}f": rf"(?P<f>\d{{{k}}})" for k in range(1, 10)},
}


def is_shaped(cell: object) -> bool:
    """Whether a cell looks like a date or a time, be there such a one or not."""
    found = _SHAPE.fullmatch(str(cell))
    return found is not None and bool(found["date"] or found["clock"])


@dataclass(frozen=True)
class Found:
    """The format of a column of text.

    Args:
        format: "" where there is no single one.
        other: another one that fits every cell just as well, day and month the other way round.
        problem: a half-sentence where there is no format.
    """

    format: str = ""
    other: str = ""
    problem: str = ""


def find_format(cells: Sequence[str]) -> Found:
    """The one format in which every cell is written; where day and month could be either, the day comes first."""
    texts = list(dict.fromkeys(cells))
    fits = [f for f in _candidates(texts[0]) if _reads_all(f, texts)]
    if fits:
        order = _order(fits[0])
        return Found(fits[0], next((f for f in fits if _order(f) != order), ""))
    offsets = {found[0] for text in texts if (found := _OFFSET.search(text)) and is_shaped(text)}
    if len(offsets) > 1:
        shown = ", ".join(repr(each.strip()) for each in sorted(offsets)[:4])
        return Found(problem=f"has times with several offsets from UTC ({shown}): convert them to one, UTC say")
    best = max(_candidates(texts[0]), key=lambda f: _count(f, cells), default="")
    bad = [i for i, cell in enumerate(cells) if not best or reader(best)(cell) is None]
    return Found(problem=(
        f"holds dates or times, most like {best or texts[0]}, and {len(bad):,} of {len(cells):,} cells are not "
        f"(the first {cells[bad[0]]!r}): write all in one way, or correct them"
    ))  # fmt: skip


def _count(pattern: str, cells: Sequence[str]) -> int:
    read = reader(pattern)
    return sum(read(cell) is not None for cell in cells)


def _reads_all(pattern: str, texts: Sequence[str]) -> bool:
    read = reader(pattern)
    return all(read(text) is not None for text in texts)


def _order(pattern: str) -> bool:
    return pattern.find("d") < pattern.find("m")


def _candidates(text: str) -> Iterator[str]:
    """Formats that a cell may be written in, the strictest first."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        return
    dates, clocks = [""], [""]
    if found["date"]:
        dates = _dates(found["date"])
    if found["clock"]:
        half = found["half"] or ""
        hour, *rest = found["clock"].split(":")
        letter = "I" if half else "H"
        hours = [f"%{letter}", f"%-{letter}"] if len(hour) == 2 else [f"%-{letter}"]
        seconds = [":%M"] if len(rest) == 1 else [":%M:%S%?f"]
        if len(rest) > 1:
            seconds.insert(0, f":%M:%S.%{len(found['fraction'])}f" if found["fraction"] else ":%M:%S")
        mark = half.replace(half.strip(), "%p" if half.isupper() else "%-p") if half else ""
        clocks = [hour + more + mark for hour, more in product(hours, seconds)]
    for each, clock in product(dates, clocks):
        yield each + (found["joint"] or "") + clock + (found["offset"] or "")


def _dates(text: str) -> list[str]:
    mark = next(c for c in text if not c.isdigit())
    parts = text.split(mark)
    year = "%Y" if len(max(parts, key=len)) == 4 else "%y"
    ahead = len(parts[0]) == 4
    short = parts[1:] if ahead else parts[:2]
    pairs = [("%d", "%m"), ("%m", "%d")] if mark == "/" else [("%d", "%m")]
    found: list[str] = []
    for zero in ("", "-") if all(len(part) == 2 for part in short) else ("-",):
        for pair in [("%m", "%d")] if ahead else pairs:
            codes = [code.replace("%", f"%{zero}") for code in pair]
            found.append(mark.join([year, *codes] if ahead else [*codes, year]))
    return found


def readable(pattern: str) -> bool:
    """Whether there are dates or times of this format."""
    rest, fractions = re.subn(r"%[1-9?]f", "", pattern)
    codes = re.findall("%-?.", rest)
    letters = {code[-1] for code in codes}
    if not set(codes) <= set(_READ) or len(codes) != len(letters) or len(pattern) > 60:
        return False
    dated, timed = letters & set("Yymd"), letters & set("HIMSp")
    whole = not dated or (len(dated) == 3 and {"m", "d"} <= dated)
    clock = not timed or ("M" in timed and len(timed & {"H", "I"}) == 1 and ("I" in timed) == ("p" in timed))
    return bool(letters) and whole and clock and fractions <= ("S" in letters)


@lru_cache(maxsize=64)
def reader(pattern: str) -> Callable[[str], int | None]:
    """Text of a format -> microseconds since 1970-01-01 in its own offset, or since midnight; None for other text."""
    literal = _CODE.split(pattern)
    codes = [_READ[code] for code in _CODE.findall(pattern)]
    form = re.compile("".join(re.escape(a) + b for a, b in zip(literal, [*codes, ""])), re.ASCII)

    def read(text: str) -> int | None:
        found = form.fullmatch(text)
        return None if found is None else _moment({k: v for k, v in found.groupdict().items() if v is not None})

    return read


def _moment(parts: dict[str, str]) -> int | None:
    number = {k: int(v) for k, v in parts.items() if k in "YymdHIMS"}
    if "y" in number:
        number["Y"] = number["y"] + (1900 if number["y"] > 68 else 2000)
    if "I" in number:
        if not 1 <= number["I"] <= 12:
            return None
        number["H"] = number["I"] % 12 + 12 * (parts["p"].lower() == "pm")
    try:
        days = date(number["Y"], number["m"], number["d"]).toordinal() - EPOCH if "Y" in number else 0
        clock = time(number.get("H", 0), number.get("M", 0), number.get("S", 0))
    except ValueError:
        return None
    fraction = int(parts.get("f", "0").ljust(6, "0")[:6])
    return days * DAY + ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 1_000_000 + fraction


def written(micros: int, pattern: str) -> str:
    """Microseconds, as :func:`reader` has them, as text of a format."""
    days, rest = divmod(micros, DAY)
    day = date.fromordinal(days + EPOCH)
    seconds, fraction = divmod(rest, 1_000_000)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    half = "PM" if hour >= 12 else "AM"
    parts = {
        **{"%Y": f"{day.year:04}", "%y": f"{day.year % 100:02}", "%p": half, "%-p": half.lower()},
        **{"%?f": f".{fraction:06}" if fraction else ""},
    }
    pairs = {"m": day.month, "d": day.day, "H": hour, "I": hour % 12 or 12, "M": minute, "S": second}
    for letter, number in pairs.items():
        parts[f"%{letter}"], parts[f"%-{letter}"] = f"{number:02}", str(number)
    parts |= {f"%{k}f": f"{fraction:06}000"[:k] for k in range(1, 10)}
    return _CODE.sub(lambda found: parts[found[0]], pattern)


def offset_of(pattern: str) -> timedelta | None:
    """From UTC, None where a format has none."""
    found = _OFFSET.search(pattern)
    if found is None:
        return None
    minutes = int(found[2] or 0) * 60 + int(found[3] or 0)
    return timedelta(minutes=-minutes if found[1] == "-" else minutes)
