"""The report of a fitted model, whatever it is of."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fluvial.core.errors import UsageError
from fluvial.core.files import make_folder
from fluvial.examine.page import Report, Vector, need_extras, write_page
from fluvial.examine.verdict import Verdict, split_checks
from fluvial.training.run import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fluvial.kinds.fitted import Fitted


def examined(model: Fitted) -> Report:
    """All that there is to say of a model, drawn and judged.

    Raises:
        RunError: the run kept nothing to examine it with. UsageError: an extra is not installed.
    """
    need_extras()
    report = model.kind.examine(model)
    return replace(report, checks=(*report.checks, *split_checks(model.record)))


def write_report(model: Fitted, folder: Path | None, vector: Vector | None = None) -> tuple[Path, Verdict]:
    """Examine a model and write its report; the path of the page, and the verdict, which its run keeps.

    Args:
        folder: None for a new temporary one.

    Raises:
        RunError, UsageError: as :func:`examined`, or a file cannot be written.
    """
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="fluvial-report-"))
    make_folder(folder)
    report = examined(model)
    verdict = Verdict.of(report.checks, model.record)
    model.record["verdict"] = verdict.to_json()
    page = write_page(folder, report, verdict, model.record, sum(p.numel() for p in model.density.parameters()), vector)
    RunFolder(folder).add("verdict", verdict.to_json())
    return page, verdict


def plot(model: Fitted, name: str | None) -> Figure:
    """One of the report's figures; None for the one that shows most."""
    figures = examined(model).figures
    if name is None:
        name = model.kind.look if model.kind.look in figures else next(iter(figures))
    if name not in figures:
        raise UsageError(f"name: there is no figure {name!r}; this model has {', '.join(figures)}")
    return figures[name]
