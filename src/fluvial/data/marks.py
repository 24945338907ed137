"""The marks that people put around and into numbers: signs, units, decimal commas, and marks between thousands."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CURRENCY = r"(?:[$€£¥₹₽₩₺]|USD|EUR|GBP|CHF|JPY)"
_SPACE = "[ \u00a0\u2009\u202f'’]"
_UNIT = re.compile(r"[-+(]?[0-9][0-9.,]*(?P<unit>[ \u00a0\u202f]?(?![eE][-+0-9])(?:[^\W\d_]|°)[^\d\n,;]{0,14}[23]?)")


def all_lines(pattern: str) -> re.Pattern[str]:
    """Whether every line is of this form; possessive, so that a long column is one quick pass."""
    return re.compile(rf"(?:(?:{pattern})\n)*+")


_POINT = re.compile(r"^[^0-9A-Za-z,\n]*(?:[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})|0\.[0-9]+)(?![0-9.,])", re.M)
_COMMA = re.compile(
    r"^[^0-9A-Za-z.\n]*(?:[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+)(?![0-9.,])", re.M
)
_DECIMAL_COMMA = all_lines(r"-?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_THOUSANDS = all_lines(r"-?[0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?")
_POINTS = all_lines(r"-?[0-9]{1,3}(?:\.[0-9]{3})*")
_MILLIONS = re.compile(r"^-?[0-9]{1,3}(?:\.[0-9]{3}){2,}$", re.M)
_SPACED = all_lines(rf"-?[0-9]{{1,3}}(?:{_SPACE}[0-9]{{3}})*(?:[.,][0-9]+)?")


@dataclass(frozen=True)
class Style:
    """How a file writes numbers: whether its decimal mark is a comma, and whether that was seen or only is usual."""

    comma: bool = False
    seen: bool = False


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


def follow(pattern: re.Pattern[str], lines: str) -> bool:
    found = pattern.match(lines)
    return found is not None and found.end() == len(lines)


def unsigned(lines: str, known: list[str], rules: list[str], units: bool) -> tuple[str, tuple[str, str]]:
    """Lines without currency and per cent signs and units (which all must have), plus signs and printed minus signs.

    With them the sign before and what stands behind the numbers.
    """
    affix = ["", ""]
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
        if len(found) == len(known) and len(signs) == 1:
            sign = signs.pop()
            spaced = re.search(rf"[ \u00a0\u202f]?{re.escape(sign)}(?=\)?$)", known[0])
            affix = [affix[0], spaced[0]] if spaced else [sign, affix[1]]
            lines = re.sub(pattern, put, lines, flags=re.M)
            rules.append(f"the sign {sign} left out")
    if units and not affix[1] and (unit := unit_of(known)):
        affix[1] = unit
        lines = lines.replace(f"{unit}\n", "\n")
        rules.append(f"the unit {unit.strip()!r}")
    if "(" in lines:
        lines = re.sub(r"^\(([0-9.,]+)\)$", r"-\1", lines, flags=re.M)
        rules.append("brackets for negative values")
    # +49 30 is a telephone's; +3 beside -2 or 0.5 is a number
    if "+" in lines and (re.search("^-", lines, re.M) or re.search("[.,]", lines)):
        lines = re.sub(r"^\+(?=[0-9.])", "", lines, flags=re.M)
        rules.append("plus signs")
    return lines, (affix[0], affix[1])


def unit_of(known: list[str]) -> str:
    """What stands behind the number in every cell, the blank before it included; one letter alone may be a code's."""
    found = _UNIT.fullmatch(known[0])
    unit = "" if found is None else found["unit"]
    meant = unit[:1].isspace() or len(unit) > 1 or unit == "°" or any("." in cell for cell in known)
    return unit if unit and meant and all(cell.endswith(unit) for cell in known) else ""


def ungrouped(lines: str, style: Style, rules: list[str]) -> str | None:
    """Lines with a decimal point and nothing between thousands."""
    if re.search(_SPACE, lines):
        if not follow(_SPACED, lines):
            return None
        lines = re.sub(_SPACE, "", lines)
        rules.append("blanks or apostrophes between thousands")
    comma, thousands = follow(_DECIMAL_COMMA, lines), follow(_THOUSANDS, lines)
    if "," in lines and (comma or thousands):
        if comma and (style.comma or not thousands):
            lines = lines.replace(".", "").replace(",", ".")
            rules.append("decimal commas")
        else:
            lines = lines.replace(",", "")
            rules.append("commas between thousands")
    elif follow(_POINTS, lines) and (_MILLIONS.search(lines) or ("." in lines and style.comma and style.seen)):
        lines = lines.replace(".", "")
        rules.append("points between thousands")
    return lines
