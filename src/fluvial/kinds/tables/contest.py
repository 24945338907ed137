"""The page of a comparison: one table, and what it comes to in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvial.examine.page import Report, need_extras, number, plus_minus, write_page
from fluvial.examine.two_sample import marginals
from fluvial.examine.verdict import Check, Verdict
from fluvial.kinds.tables.drawn import Drawn
from fluvial.kinds.tables.rivals import Ground, Rival, lead

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIGMAS = 2.0
_TOPICS = {"copies": ("No draws are copies.", "Look at the copies.", "Rows of the training set are handed out.")}


def spoken(
    rivals: Mapping[str, Rival], gaps: Mapping[str, tuple[float, float]], yardsticks: Sequence[str]
) -> list[str]:
    """What a comparison comes to, a measure at a time, with its uncertainty."""
    own = {name: r for name, r in rivals.items() if name not in yardsticks}
    said: list[str] = []
    if gaps:
        ranked = sorted(gaps, key=lambda name: gaps[name][0])
        level = [name for name in ranked if gaps[name][0] <= _SIGMAS * gaps[name][1]]
        behind = [f"{n} ({rivals[n].likelihood}) by {plus_minus(*gaps[n])}" for n in ranked if n not in level]
        kinds = [f"{n} ({rivals[n].likelihood})" for n in dict.fromkeys([ranked[0], *level])]
        said.append(
            f"Likelihood of rows that no model saw: best {' and '.join(kinds)}"
            + (f"; behind, in nats a row: {', '.join(behind)}." if behind else ".")
        )
    silent = [name for name, r in own.items() if r.log_p is None]
    if silent:
        said.append(f"Without a likelihood: {', '.join(silent)}.")
    told = sorted(own, key=lambda name: own[name].auc.auc)
    listed = [f"{n} {own[n].auc.auc:.3f}" for n in told]
    said.append(
        f"A classifier tells draws from rows (AUC, 0.5 at best, chance ± {own[told[0]].auc.auc_error:.3f}): "
        f"{', '.join(listed)}."
    )
    said += [c.sentence for c in copying(own)]
    return said


def copying(rivals: Mapping[str, Rival]) -> list[Check]:
    """Which rivals hand out rows of the training set, beyond what chance and equal rows explain."""
    found: list[Check] = []
    for name, rival in rivals.items():
        m = rival.copies
        z = (m.closer - 0.5) / m.error
        extra = m.copies - m.held_out_copies
        if z > 3 and (m.closer > 0.6 or extra > 0.05 * len(m.samples)):
            said = (
                f"{name} repeats training rows: {100 * m.closer:.0f} % of its draws lie nearer to one than the median"
            )
            said += f" test row does (chance 50 ± {100 * m.error:.0f} %), {m.copies} are equal to one."
            found.append(Check("copies", "fail", said, "fail: beyond 3 standard errors, and above 60 %"))
    return found


def page_of(folder: Path, field: Ground, rivals: Mapping[str, Rival], sentences: Sequence[str]) -> Path:
    """Write the page and its numbers; the path of the page."""
    need_extras()
    gaps = lead(rivals)
    facts: dict[str, Any] = {
        "rows": {"train": f"{len(field.train):,}", "test": f"{len(field.test):,}"},
        "said": sentences[1:],
        "table": [_line(r, gaps.get(name)) for name, r in rivals.items()],
        "utility": "accuracy" if field.schema.columns[-1].categorical else "R²",
    }
    content = {"rivals": {name: _line(r, gaps.get(name)) for name, r in rivals.items()}}
    own = {name: r for name, r in rivals.items() if r.parameters is not None or name not in ("training rows",)}
    checks = tuple(copying(own))
    figures = _figures(field, rivals)
    facts["drawn"] = [(name, [key for key in figures if key.endswith(f"-{i}")]) for i, name in enumerate(rivals)]
    report = Report(checks, _TOPICS, figures, content, facts, f"{__package__}/rivals.html.j2")
    record: dict[str, Any] = {"data": {"name": "models side by side"}, "model": {"model": "comparison"}}
    verdict = replace(Verdict.of(checks, record), sentence=sentences[0])
    return write_page(folder, report, verdict, record, sum(r.parameters or 0 for r in rivals.values()))


def _figures(field: Ground, rivals: Mapping[str, Rival]) -> dict[str, Figure]:
    """Draws of each rival beside test rows: columns one by one, and two at a time."""
    from fluvial.kinds.tables import figures

    columns = field.schema.columns
    labels, numbers = [c.name for c in columns], [i for i, c in enumerate(columns) if not c.categorical]
    shown: dict[str, Figure] = {}
    for i, rival in enumerate(rivals.values()):
        rows = field.test[: len(rival.drawn)]
        sizes = {"sample_rows": len(rival.drawn), "bad_samples": 0}
        apart, mixed = marginals(rival.drawn, rows), len(numbers) < len(columns)
        d = Drawn(
            False, mixed, rival.classifiers, apart, rival.copies, **sizes, x=rows, samples=rival.drawn, context=None
        )
        drawn = figures.marginals(d, labels, [c.categories for c in columns]), figures.pairs(d, labels, numbers)
        shown |= {f"{kind}-{i}": f for kind, f in zip(("columns", "pairs"), drawn) if f is not None}
    return shown


def _line(rival: Rival, gap: tuple[float, float] | None) -> list[str]:
    """One row of the table."""
    drawing, scoring = rival.seconds
    return [
        rival.name,
        "–" if rival.mean is None else plus_minus(*rival.mean),
        rival.likelihood,
        "–" if gap is None else plus_minus(*gap),
        f"{rival.auc.auc:.3f}",
        *(f"{v:.2f}" for v in (rival.precision, rival.recall, rival.density, rival.coverage)),
        f"{rival.wasserstein:.3f}",
        "–" if rival.utility is None else f"{rival.utility:.3f}",
        f"{100 * rival.copies.closer:.0f} %",
        f"{rival.copies.copies:,}",
        *("–" if s is None else f"{number(1000 * s)} ms" for s in (drawing, scoring)),
        "–" if rival.parameters is None else f"{rival.parameters:,}",
    ]
