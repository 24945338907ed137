"""What must be the same for a run to go on, and what to say where it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

FREE = frozenset({"device", "epochs", "budget"})
"""Settings that a resumed run may change."""
SAME = "resume with the same, or start again with --force"
_ROWS = f"with other training rows: {SAME}"


def tag_of(config: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The model's configuration and the names of the columns or labels, as text to keep."""
    names = schema.get("order") or list(schema.get("context") or ())
    return json.dumps({"model": config, "columns": names}, sort_keys=True)


def changed(before: tuple[str, str, Mapping[str, Any]], now: tuple[str, str, Mapping[str, Any]]) -> str:
    """How another run was made than the one asked for, in words that end "made ..."; empty where they agree.

    Args:
        before, now: tag, fingerprint of the training rows, and settings. An empty fingerprint is not known.

    >>> ours = {"model": "maf", "options": {"transforms": 2}}
    >>> other = {"model": "maf", "options": {"transforms": 3}}
    >>> changed((tag_of(ours, {}), "", {}), (tag_of(other, {}), "", {}))
    'with the option transforms=2, not 3: resume with the same, or start again with --force'
    """
    if before[2].get("seed") != now[2].get("seed"):
        return f"with seed={before[2].get('seed')!r}, not {now[2].get('seed')!r}: {SAME}"
    difference = "" if before[0] == now[0] else _tags(_parsed(before[0]), _parsed(now[0]))
    if difference:
        return difference
    if before[1] and now[1] and before[1] != now[1]:
        return _ROWS
    for name, value in now[2].items():
        if name not in FREE and before[2].get(name) != value:
            return f"with {name}={before[2].get(name)!r}, not {value!r}: {SAME}"
    return ""


def _tags(before: dict[str, Any], now: dict[str, Any]) -> str:
    if before.get("columns") != now.get("columns"):
        names = [", ".join(map(str, t.get("columns") or ())) or "none" for t in (before, now)]
        return f"with other columns or labels ({names[0]:.200}), not these ({names[1]:.200}): {SAME}"
    ours, theirs = (t.get("model") or {} for t in (before, now))
    if ours.get("model") != theirs.get("model"):
        return f"with the model {ours.get('model')!r}, not {theirs.get('model')!r}: {SAME}"
    options, others = (t.get("options") or {} for t in (ours, theirs))
    if ours.get("codes") == theirs.get("codes"):
        for name in sorted({*options, *others}):
            if options.get(name) != others.get(name):
                return f"with the option {name}={options.get(name)!r}, not {others.get(name)!r}: {SAME}"
    return _ROWS


def _parsed(tag: str) -> dict[str, Any]:
    """A tag's content; of any other text, itself as the name of a model."""
    try:
        content = json.loads(tag)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"model": {"model": tag}}
