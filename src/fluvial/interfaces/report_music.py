# pyright: reportUnknownMemberType=false
"""The report on a model of piano rolls."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.core import RunError
from fluvial.interfaces.figures import BASE, DATA, _figure, _finish  # pyright: ignore[reportPrivateUsage]
from fluvial.interfaces.page import Report, Words
from fluvial.tasks.music import RollModel
from fluvial.tasks.verdict import Check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = 64  # pieces that the statistics are of
_SHOWN = 4
_TOPICS: dict[str, Words] = {
    "density": ("Its probabilities can be trusted.", "Use its probabilities with care.", "Do not rely on it yet."),
    "sampling": ("Its pieces have the right texture.", "Look at its pieces before you use them.", ""),
}
_NEAR = 0.15  # relative difference of a statistic of drawn and held-out pieces that is small


@dataclass(frozen=True)
class Texture:
    """How a set of pieces sounds on average."""

    notes: float
    """Notes that sound at a moment."""
    held: float
    """Share of the notes that sound at the next moment too."""
    pitches: float
    """Different notes of a piece."""

    @classmethod
    def of(cls, pieces: list[np.ndarray]) -> Texture:
        held = sum(int((p[1:] & p[:-1]).sum()) for p in pieces) / max(1, sum(int(p[:-1].sum()) for p in pieces))
        return cls(float(np.concatenate(pieces).sum(1).mean()), held, float(np.mean([p.any(0).sum() for p in pieces])))


def rolls_report(model: RollModel) -> Report:
    """Examine ``model`` with the pieces that its run kept.

    Raises:
        RunError: it kept none.
    """
    if "held_out.values" not in model.rows:
        raise RunError("the run kept no held-out pieces to compare with: fit with a holdout")
    cuts = np.cumsum(model.rows["held_out.lengths"])[:-1]
    real = np.split(model.rows["held_out.values"], cuts)
    drawn = list(model.sample(_DRAWN, seed=int(model.record.get("seed") or 0)))
    textures = {"held out": Texture.of(real), "drawn": Texture.of(drawn)}
    figures = {"rolls": rolls_figure(real[:_SHOWN], drawn[:_SHOWN])}
    curve = training_curve(model)
    if curve is not None:
        figures["training"] = curve
    numbers = {"textures": {name: asdict(texture) for name, texture in textures.items()}}
    facts, checks = _facts(model, textures), judge_rolls(model, textures)
    return Report("report_music.html.j2", figures, checks, _TOPICS, numbers, facts)


def judge_rolls(model: RollModel, textures: dict[str, Texture]) -> tuple[Check, ...]:
    """What the page says of the model, with the rules that it goes by."""
    checks: list[Check] = []
    scores = model.record.get("scores") or {}
    if scores.get("held_out"):
        better, error = scores["held_out"]["per_step"] - scores["independent"], scores["held_out"]["standard_error"]
        told = f"A held-out moment is {abs(better):.2f} nats {'likelier' if better > 0 else 'less likely'} than by "
        level = "pass" if better > 2 * error else "fail"
        checks.append(Check("density", level, told + "independent notes.", "likelier by two standard errors"))
    real, drawn = textures["held out"], textures["drawn"]
    for a, b, what in (
        (real.notes, drawn.notes, "notes sound at a moment"),
        (real.held, drawn.held, "of the notes sound at the next moment too"),
    ):
        level = "pass" if abs(b - a) <= _NEAR * a else "warn"
        told = f"In drawn pieces {b:.2f} {what}, in held-out ones {a:.2f}."
        checks.append(Check("sampling", level, told, "within 15 %"))
    return tuple(checks)


def rolls_figure(real: list[np.ndarray], drawn: list[np.ndarray]) -> Figure:
    """Held-out pieces above, drawn ones below."""
    n = max(len(real), len(drawn))
    figure, axes = _figure(2.6 * n + 0.5, 5.0, 2, n)
    both = np.flatnonzero(np.concatenate([*real, *drawn]).sum(0))
    low, high = (int(both[0]), int(both[-1])) if len(both) else (0, 1)
    longest = min(max(len(p) for p in [*real, *drawn]), 128)
    for row, (pieces, colour, label) in enumerate(((real, BASE, "held out"), (drawn, DATA, "drawn"))):
        for i in range(n):
            ax = axes[row * n + i]
            if i >= len(pieces):
                ax.set_axis_off()
                continue
            steps, notes = pieces[i][:longest].nonzero()
            ax.barh(notes, 1.0, left=steps, height=0.9, color=colour)
            ax.set_xlim(0, longest)
            ax.set_ylim(low - 1, high + 1)
            if i == 0:
                ax.set_ylabel(f"{label}: note")
            if row:
                ax.set_xlabel("moment")
    _finish(figure, "Held-out pieces, and pieces that the model drew")
    return figure


def training_curve(model: RollModel) -> Figure | None:
    """Nats of a moment by epoch; None before the second epoch."""
    epochs = [m for m in model.metrics if m["ended"]]
    if len(epochs) < 2:
        return None
    figure, axes = _figure(8.2, 3.4)
    for key, colour, label in (("train", BASE, "training"), ("held_out", DATA, "held out")):
        points = [(m["epoch"], m[key] * model.notes) for m in epochs[1:] if m[key] is not None]
        if points:
            axes[0].plot(*zip(*points), "o-", color=colour, lw=1.8, ms=3, label=label)
    best = epochs[-1]["best"]
    _finish(figure, "Training" if best is None else f"Best held-out score: {best * model.notes:.3f} nats a moment")
    axes[0].set_xlabel("epoch")
    axes[0].set_ylabel("nats a moment")
    axes[0].legend(frameon=False)
    return figure


def _facts(model: RollModel, textures: dict[str, Texture]) -> dict[str, Any]:
    record, scores = model.record, model.record.get("scores") or {}
    return {
        "model": model,
        "textures": textures,
        "sizes": record.get("sizes") or {},
        "held_out": scores.get("held_out"),
        "independent": scores.get("independent"),
    }
