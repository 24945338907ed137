"""What people type about their data -> values."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_SIZE = re.compile(r"(\d+)(?:\s*[x×]\s*(\d+))?")


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Width and height.

    >>> parse_size("640x480"), parse_size("32")
    ((640, 480), (32, 32))
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise _usage(f"size: expected width x height, such as 32x32, got {text!r}")
    return int(match[1]), int(match[2] or match[1])


def listed_names(texts: Sequence[str] | None, known: Collection[str] = ()) -> tuple[str, ...]:
    """Names, one a text or separated by commas; a text that is a ``known`` name is that one, commas and all.

    >>> listed_names(["Sex, Age", "weight, dry"], ["Sex", "Age", "weight, dry"])
    ('Sex', 'Age', 'weight, dry')
    """
    parts = [[text] if text in known else text.split(",") for text in texts or ()]
    return tuple(name.strip() for part in parts for name in part if name.strip())


def parse_context(
    texts: Sequence[str] | None, known: Collection[str] = (), flag: str = "context"
) -> dict[str, str] | None:
    """NAME=VALUE, one a text or separated by commas; where names are ``known``, only a comma before one separates.

    Values stay as they were typed; who knows the column reads them.

    >>> parse_context(["digit=7,speaker=theo"])
    {'digit': '7', 'speaker': 'theo'}
    >>> parse_context(["City=New York, NY,zip=02116"], ["City", "zip"])
    {'City': 'New York, NY', 'zip': '02116'}
    """
    names = sorted(map(re.escape, known), key=len, reverse=True)
    begin = re.compile(rf"(?:^|,)\s*({'|'.join(names) or '[^=,]+'})\s*=")
    values: dict[str, str] = {}
    for text in texts or ():
        found = list(begin.finditer(text))
        if not found or found[0].start():  # a name that nobody knows: who reads the values will say so
            name, equals, value = text.partition("=")
            parts = [(name.strip() if equals else "", value)]
        else:
            ends = [match.start() for match in found[1:]] + [len(text)]
            parts = [(match[1].strip(), text[match.end() : end]) for match, end in zip(found, ends)]
        for name, value in parts:
            if not name or name in values:
                fault = f"gives {name} twice" if name else f"expected NAME=VALUE, such as Sex=M, got {text!r}"
                raise _usage(f"{flag}: {fault}")
            values[name] = value.strip()
    return values or None


def parse_kinds(texts: Sequence[str]) -> dict[str, str | tuple[str, float, float] | tuple[str, ...]]:
    """COL=KIND each, a bounded or circular one with its ends, an ordinal one with its labels, times with their format.

    >>> parse_kinds(["Rings=categorical", "share=bounded:0:1"])
    {'Rings': 'categorical', 'share': ('bounded', 0.0, 1.0)}
    >>> parse_kinds(["day=time:%m/%d/%Y"])
    {'day': ('time', '%m/%d/%Y')}
    >>> parse_kinds(["cut=ordinal:Fair:Good:Ideal", "hour=circular:0:24"])
    {'cut': ('ordinal', 'Fair', 'Good', 'Ideal'), 'hour': ('circular', 0.0, 24.0)}
    """
    kinds: dict[str, str | tuple[str, float, float] | tuple[str, ...]] = {}
    for name, text in parse_pairs("kind", texts).items():
        if text.startswith("time:"):
            kinds[name] = ("time", text.removeprefix("time:"))
            continue
        kind, *bounds = text.split(":")
        if kind == "ordinal" and bounds:
            kinds[name] = (kind, *map(str.strip, bounds))
            continue
        try:
            low, high = map(float, bounds or (0, 0))
        except ValueError:
            raise _usage(f"kind: expected a kind, or bounded:LOW:HIGH such as bounded:0:1, got {text!r}") from None
        kinds[name] = (kind, low, high) if bounds else kind
    return kinds


def parse_missing(texts: Sequence[str]) -> list[float] | dict[str, list[float]]:
    """Numbers that stand for missing cells: NUMBER each, or COL=NUMBER each; "none" for no number.

    >>> parse_missing(["-999", "-1"]), parse_missing(["a=b=-9"]), parse_missing(["none"])
    ([-999.0, -1.0], {'a=b': [-9.0]}, [])
    """
    if list(texts) == ["none"]:
        return []
    pairs = [text.rpartition("=") for text in texts]
    try:
        numbers = [float(number) for _, _, number in pairs]
    except ValueError:
        raise _usage(f"missing: expected NUMBER, COLUMN=NUMBER or none, got {', '.join(texts)!r}") from None
    named = [name for name, equals, _ in pairs if equals]
    if not named:
        return numbers
    if len(named) < len(pairs):
        raise _usage("missing: name the column of every number, as COLUMN=NUMBER, or of none")
    return {name: [n for (other, _, _), n in zip(pairs, numbers) if other == name] for name in named}


def parse_pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE each; the name may hold an equals sign, the value none.

    >>> parse_pairs("unit", ["Length=mm", "a=b=kg"])
    {'Length': 'mm', 'a=b': 'kg'}
    """
    pairs = [text.rpartition("=") for text in texts]
    for text, (name, _, value) in zip(texts, pairs):
        if not name or not value.strip():
            raise _usage(f"{flag}: expected COLUMN={flag.upper()}, got {text!r}")
    return {name: value.strip() for name, _, value in pairs}


def _usage(sentence: str) -> ValueError:
    from fluvial.core.errors import UsageError  # loads torch, which --help can do without

    return UsageError(sentence)
