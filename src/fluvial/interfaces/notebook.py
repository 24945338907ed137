"""A fitted model where people look at it: in an interpreter, in a notebook, and as figures."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fluvial.core import UsageError
from fluvial.core.files import make_folder
from fluvial.interfaces.commands import examined, summarised, write_report
from fluvial.interfaces.page import Vector
from fluvial.interfaces.summary import verdict_lines
from fluvial.tasks.kinds import AnyModel
from fluvial.tasks.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST = ("pairs", "rows", "marginals", "samples", "spectrograms", "rolls")  # the figure that shows most, by kind


def describe(model: AnyModel) -> str:
    """What the fit came to, as the command line prints it; a line on the model alone where its record says no more."""
    config = model.record.get("model") or {}
    if "scores" not in model.record:
        return f"<{type(model).__name__}: {config.get('model', 'untrained')}>"
    lines = summarised(model, None).splitlines()
    verdict = Verdict.from_json(model.record.get("verdict"))
    return "\n".join([f"<{type(model).__name__}> {lines[0]}", *lines[1:], *(verdict_lines(verdict) if verdict else [])])


def describe_html(model: AnyModel) -> str:
    """The same for notebooks."""
    return f"<pre>{html.escape(describe(model))}</pre>"


def report(model: AnyModel, path: Path | None, figures: Vector | None) -> Path:
    """Write the report into a folder; returns the path of the page."""
    folder = Path(tempfile.mkdtemp(prefix="fluvial-report-")) if path is None else path
    make_folder(folder)
    return write_report(model, folder, figures)[0]


def plot(model: AnyModel, name: str | None) -> Figure:
    """One of the report's figures."""
    figures = examined(model).figures
    chosen = next((n for n in _FIRST if n in figures), next(iter(figures))) if name is None else name
    if chosen not in figures:
        raise UsageError(f"name: there is no figure {chosen!r}; this model has {', '.join(figures)}")
    return figures[chosen]
