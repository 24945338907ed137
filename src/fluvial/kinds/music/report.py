# pyright: reportUnknownMemberType=false
"""The report on a model of piano rolls."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.core import RunError
from fluvial.examine.drawing import BASE, DATA, blank, finish, training_curve
from fluvial.examine.page import Report, Sentences
from fluvial.examine.scores import ratio
from fluvial.examine.verdict import BEYOND, SIGMAS, Check, few, graded, z_score
from fluvial.kinds.music.model import RollModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = 64  # pieces that the statistics are of
_SHOWN = 4
_TOPICS: dict[str, Sentences] = {
    "density": ("Its probabilities can be trusted.", "Use its probabilities with care.", "Do not rely on it yet."),
    "sampling": (
        "Its pieces have the right texture.",
        "Look at its pieces before you use them.",
        "Its pieces are unlike music that it has heard.",
    ),
}
_FAR = 1 / 3  # relative difference of a statistic of drawn and held-out pieces that fails where it is not chance


@dataclass(frozen=True)
class Texture:
    """How a set of pieces sounds on average, each with its standard error over pieces."""

    notes: tuple[float, float]
    """Notes that sound at a moment."""
    held: tuple[float, float]
    """Share of the notes that sound at the next moment too."""
    pitches: tuple[float, float]
    """Different notes of a piece."""

    @classmethod
    def of(cls, pieces: list[np.ndarray]) -> Texture:
        sums = [(p.sum(), len(p), (p[1:] & p[:-1]).sum(), p[:-1].sum(), p.any(0).sum()) for p in pieces]
        sounding, moments, on, before, pitches = np.array(sums, dtype=np.float64).T
        held = ratio(on, before) if before.any() else (0.0, 0.0)
        return cls(ratio(sounding, moments), held, ratio(pitches, np.ones(len(pieces))))


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
    figures = {"rolls": rollsblank(real[:_SHOWN], drawn[:_SHOWN])}
    curve = training_curve(model.metrics, "nats a moment", -1 / model.notes)
    if curve is not None:
        figures["training"] = curve
    numbers = {"textures": {name: asdict(texture) for name, texture in textures.items()}}
    facts, checks = _facts(model, textures), judge_rolls(model, textures)
    return Report(checks, _TOPICS, figures, numbers, facts, f"{__package__}/report.html.j2")


def judge_rolls(model: RollModel, textures: dict[str, Texture]) -> tuple[Check, ...]:
    """What the page says of the model, with the rules that it goes by."""
    scores = model.record.get("scores") or {}
    checks = [*few("density", len(model.rows["held_out.lengths"]), "pieces")]
    if scores.get("held_out"):
        better, error = scores["held_out"]["per_step"] - scores["independent"], scores["held_out"]["standard_error"]
        z = z_score(better, 0.0, error or 0.0)
        said = f"A held-out moment is {abs(better):.2f} nats {'likelier' if better > 0 else 'less likely'} than by "
        said += f"independent notes{f' (± {error:.2f}, z {z:+.1f})' if error else ', of one piece alone'}."
        level = "pass" if error and z > SIGMAS else "fail" if z < -SIGMAS else "warn"
        rule = f"pass if likelier by {SIGMAS:g} standard errors; fails if less likely by as many"
        checks.append(Check("density", level, said, rule, "underfitted"))
    real, drawn = textures["held out"], textures["drawn"]
    for (a, of_a), (b, of_b), what in (
        (real.notes, drawn.notes, "notes sound at a moment"),
        (real.held, drawn.held, "of the notes sound at the next moment too"),
        (real.pitches, drawn.pitches, "different notes sound in a piece"),
    ):
        error = math.hypot(of_a, of_b)
        z = z_score(b, a, error)
        level = "warn" if math.isnan(error) else graded(z, abs(b - a) / max(a, 1e-9), _FAR)
        said = f"In drawn pieces {b:.2f} {what}, in held-out ones {a:.2f} ({b - a:+.2f} ± {error:.2f}, z {z:+.1f})."
        checks.append(Check("sampling", level, said, f"{BEYOND}; fail above a third of it too", "misfit"))
    return tuple(checks)


def rollsblank(real: list[np.ndarray], drawn: list[np.ndarray]) -> Figure:
    """Held-out pieces above, drawn ones below."""
    n = max(len(real), len(drawn))
    figure, axes = blank(2.6 * n + 0.5, 5.0, 2, n)
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
    finish(figure, "Held-out pieces, and pieces that the model drew")
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
