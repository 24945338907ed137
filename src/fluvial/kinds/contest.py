"""The page of a comparison: one table, and what it comes to in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvial.examine.page import Report, need_extras, number, plus_minus, write_page
from fluvial.examine.rivals import Rival, lead
from fluvial.examine.verdict import Check, Verdict
from fluvial.kinds.ground import Ground

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHEAT, CHANCE = "training data", "half of the test data"
"""The yardsticks: what hands out what it was given to learn from, and one half of the test data judged by the other."""
_SIGMAS = 2.0
_NEAR = 0.6  # of the draws nearer than the median of test data, where they are as near as copies too
_MANY = 0.05  # of the draws, beyond test data that equal training data
_OF_DRAWS = "AUC", "precision", "recall", "density", "coverage", "sliced Wasserstein", "utility", "nearer", "copies"
"""Heads of the page's second table; the first holds the others."""
_TOPICS = {"copies": ("No draws are copies.", "Look at the copies.", "Data of the training set are handed out.")}


def spoken(field: Ground, rivals: Mapping[str, Rival]) -> list[str]:
    """What a comparison of models and outside samples comes to, a measure at a time, with its uncertainty."""
    said: list[str] = []
    word, nat = field.unit
    gaps = {name: (gap * abs(nat), error * abs(nat)) for name, (gap, error) in lead(rivals).items()}
    if gaps:
        ranked = sorted(gaps, key=lambda name: gaps[name][0])
        level = [name for name in ranked if gaps[name][0] <= _SIGMAS * gaps[name][1]]
        behind = [f"{n} ({rivals[n].likelihood}) by {plus_minus(*gaps[n])}" for n in ranked if n not in level]
        kinds = [f"{n} ({rivals[n].likelihood})" for n in dict.fromkeys([ranked[0], *level])]
        said.append(
            f"Likelihood of {field.item}s that no model saw: best {' and '.join(kinds)}"
            + (f"; behind, in {word}: {', '.join(behind)}." if behind else ".")
        )
    silent = [name for name, r in rivals.items() if r.log_p is None]
    if silent:
        said.append(f"Without a likelihood: {', '.join(silent)}.")
    told = sorted(rivals, key=lambda name: rivals[name].auc.auc)
    listed, chance = [f"{n} {rivals[n].auc.auc:.3f}" for n in told], rivals[told[0]].auc.auc_error
    said.append(
        f"A classifier tells draws from {field.item}s (AUC, 0.5 at best, chance ± {chance:.3f}): {', '.join(listed)}."
    )
    return [*said, *(c.sentence for c in copying(field, rivals))]


def copying(field: Ground, rivals: Mapping[str, Rival]) -> list[Check]:
    """Which rivals hand out data of the training set, beyond what chance and equal data explain."""
    found: list[Check] = []
    rule = (
        f"fail beyond 3 standard errors from chance, and above {100 * _NEAR:.0f} % nearer or {100 * _MANY:.0f} % equal"
    )
    for name, rival in rivals.items():
        m = rival.copies
        z = (m.closer - 0.5) / m.error
        extra = m.copies - m.held_out_copies
        if z > 3 and ((m.closer > _NEAR and m.repeats) or extra > _MANY * len(m.samples)):
            said = (
                f"{name} repeats training {field.item}s: {100 * m.closer:.0f} % of its draws lie nearer to one than "
                f"the median test {field.item} does (chance 50 ± {100 * m.error:.0f} %), {m.copies:,} are equal to one."
            )
            found.append(Check("copies", "fail", said, rule))
    return found


def page_of(folder: Path, field: Ground, rivals: Mapping[str, Rival], sentences: Sequence[str]) -> Path:
    """Write the page and its numbers; the path of the page."""
    need_extras()
    gaps = lead(rivals)
    table = {name: _line(field, r, gaps.get(name)) for name, r in rivals.items()}
    drawn = {
        f"{figure}-{i}": (name, shown)
        for i, (name, rival) in enumerate(rivals.items())
        for figure, shown in field.figures(rival).items()
    }
    facts: dict[str, Any] = {
        "field": field,
        "trained": f"{len(field.lessons):,}",
        "tested": f"{len(field.test):,}",
        "cheat": CHEAT,
        "chance": CHANCE,
        "said": sentences[1:],
        "says": [
            {head: cell for head, cell in table[name].items() if head not in _OF_DRAWS}
            for name, rival in rivals.items()
            if rival.seconds[0] is not None
        ],
        "draws": [{head: line[head] for head in ("model", *_OF_DRAWS) if head in line} for line in table.values()],
        "drawn": [(name, [key for key, (of, _) in drawn.items() if of == name]) for name in rivals],
    }
    checks = tuple(copying(field, {name: r for name, r in rivals.items() if name != CHEAT}))
    figures: dict[str, Figure] = {key: figure for key, (_, figure) in drawn.items()}
    report = Report(checks, _TOPICS, figures, {"rivals": table}, facts, f"{__package__}/rivals.html.j2")
    named = ", ".join(name for name in rivals if name not in (CHEAT, CHANCE))
    record: dict[str, Any] = {"data": {"name": named}, "model": {"model": "side by side"}}
    verdict = replace(Verdict.of(checks, record), sentence=sentences[0])
    return write_page(folder, report, verdict, record, 0)


def _line(field: Ground, rival: Rival, gap: tuple[float, float] | None) -> dict[str, str]:
    """One row of the table, by the heads of its columns."""
    _, nat = field.unit
    mean = None if rival.mean is None else (rival.mean[0] * nat, rival.mean[1] * abs(nat))
    away = None if gap is None else (gap[0] * abs(nat), gap[1] * abs(nat))
    drawing, scoring = (_timed(s) for s in rival.seconds)
    cells = {
        "model": rival.name,
        "log p" if nat > 0 else "bits per dimension": "–" if mean is None else plus_minus(*mean),
        "likelihood": rival.likelihood,
        "behind the best": "–" if away is None else plus_minus(*away),
        "AUC": f"{rival.auc.auc:.3f}",
        "precision": f"{rival.precision:.2f}",
        "recall": f"{rival.recall:.2f}",
        "density": f"{rival.density:.2f}",
        "coverage": f"{rival.coverage:.2f}",
        "sliced Wasserstein": f"{rival.wasserstein:.3f}",
        "utility": "–" if rival.utility is None else f"{rival.utility:.3f}".replace("-", "−"),
        "nearer": f"{100 * rival.copies.closer:.0f} %",
        "copies": f"{rival.copies.copies:,}",
        "draw 1,000": drawing,
        "score 1,000": scoring,
        "parameters": "–" if rival.parameters is None else f"{rival.parameters:,}",
    }
    return cells if field.utility else {head: cell for head, cell in cells.items() if head != "utility"}


def _timed(seconds: float | None) -> str:
    """A time to read.

    >>> _timed(14.42455), _timed(0.0123), _timed(None)
    ('14.42 s', '12.30 ms', '–')
    """
    if seconds is None:
        return "–"
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(1000 * seconds)} ms"
