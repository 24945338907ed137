# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (matplotlib is not typed strictly)
"""What the figures of all reports share. matplotlib's object API only, so nothing global moves."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.examine.round_trip import RoundTrip
from fluvial.examine.two_sample import Memorisation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DATA, SAMPLES, BASE = "#0072B2", "#D55E00", "#8a8f98"
"""Of data, of samples, and of what they stand beside: Okabe and Ito's blue and vermilion are safe for the
colour-blind."""
INK, RULE = "#2b2f36", "#d5d9e0"
_TITLE = 11.5
_LETTERS = 10.4  # of a title in an inch
_LEAST, _MOST = 1e-17, 1e2  # an error of zero has no logarithm
_WORST = 0.03  # of the epochs, whose scores may lie outside the picture


def blank(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure, inches, and its axes, row by row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(BASE)
        ax.tick_params(colors=INK, labelsize=8)
    return figure, axes


def finish(figure: Figure, title: str) -> None:
    """The finding, as the title, in as many lines as the width asks for."""
    title = textwrap.fill(title, int(figure.get_figwidth() * _LETTERS))
    figure.suptitle(title, fontsize=_TITLE, fontweight="bold", color=INK, x=0.01, ha="left")


def training_curve(
    metrics: Sequence[Mapping[str, Any]], unit: str, nats: float, references: Mapping[str, float] | None = None
) -> Figure | None:
    """Scores by epoch, with lines where yardsticks are; None before the second epoch.

    Args:
        metrics: records of the training, whose scores are nats with the sign turned.
        unit: of the scores, in words; ``nats`` is what one of it comes to, negative for log-likelihoods.
    """
    from matplotlib.ticker import MaxNLocator

    epochs = [m for m in metrics if m["ended"]]
    if len(epochs) < 2:
        return None
    figure, axes = blank(8.2, 3.4)
    ax, numbers = axes[0], [m["epoch"] for m in epochs]
    curves = {key: np.array([math.nan if m[key] is None else m[key] / nats for m in epochs]) for key in _CURVES}
    for key, (colour, label) in _CURVES.items():
        if np.isfinite(curves[key]).any():
            ax.plot(numbers, curves[key], color=colour, lw=1.8, label=label)
    low, high = _window(np.concatenate(list(curves.values())), worst_is_low=nats < 0)
    for i, (name, value) in enumerate((references or {}).items()):
        if low - 0.3 * (high - low) < value < high + 0.3 * (high - low):  # farther off, the curve would be squeezed
            low, high = min(low, value), max(high, value)
            ax.axhline(value, color=SAMPLES, lw=1.2, ls="--")
            at, side = ((numbers[-1], "right"), (numbers[0], "left"))[i % 2]  # two that are alike stay apart
            ax.text(at, value, f"{name} {value:.2f}", ha=side, va="bottom", fontsize=8.5)
    margin = 0.06 * (high - low or 1)
    ax.set_ylim(low - margin, high + margin)
    judged = curves["held_out" if np.isfinite(curves["held_out"]).any() else "train"]
    finish(figure, _kept(ax, dict(zip(numbers, judged)), epochs[-1]["best_epoch"], unit))
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel(unit)
    ax.legend(frameon=False)
    return figure


_CURVES = {"train": (BASE, "training"), "held_out": (DATA, "validation")}


def _window(scores: np.ndarray, worst_is_low: bool) -> tuple[float, float]:
    """Where scores lie, but for the worst of them."""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return 0.0, 1.0
    low, high = (_WORST, 1.0) if worst_is_low else (0.0, 1 - _WORST)
    return float(np.quantile(known, low)), float(np.quantile(known, high))


def _kept(ax: Axes, scores: Mapping[int, float], best: int, unit: str) -> str:
    """Mark the epoch whose weights were kept; the title that says so."""
    score = scores.get(best, math.nan)
    if not math.isfinite(score):
        return "Training"
    ax.plot([best], [score], "o", color=SAMPLES, ms=7, label="kept", zorder=3)
    return f"Best after {best} of {max(scores)} epochs, at {score:.3f} {unit}"


def memorisation(m: Memorisation, thing: str, unit: str) -> Figure:
    """Cumulative distances, in ``unit``, to the nearest training ``thing``."""
    figure, axes = blank(8.2, 3.2)
    ax = axes[0]
    for label, colour, distances in (("held out", DATA, m.held_out), ("samples", SAMPLES, m.samples)):
        ax.step(distances, (np.arange(len(distances)) + 1) / len(distances), color=colour, lw=1.8, label=label)
    ax.set_xlim(0, float(np.quantile(np.concatenate([m.held_out, m.samples]), 0.98)) or 1.0)
    ax.axhline(0.5, color=RULE, lw=1, zorder=0)
    ax.set_xlabel(f"distance to the nearest training {thing} ({unit})")
    ax.set_ylabel(f"share of {thing}s")
    ax.legend(frameon=False, loc="best")
    finish(figure, f"Memorisation: {100 * m.closer:.0f} % of samples lie nearer than the median held-out {thing}")
    return figure


def round_trip(held_out: RoundTrip, samples: RoundTrip, tolerance: float, thing: str, unit: str) -> Figure:
    """Errors of data -> noise -> data, in ``unit``."""
    trips = ((f"held-out {thing}s", DATA, held_out), ("samples", SAMPLES, samples))
    figure, axes = blank(8.2, 2.9)
    ax = axes[0]
    errors = [np.clip(trip.errors, _LEAST, _MOST) for _, _, trip in trips]
    low, high = min(float(e.min()) for e in errors) / 3, max(10 * tolerance, *(3 * float(e.max()) for e in errors))
    for (label, colour, _), e in zip(trips, errors):
        ax.hist(e, np.geomspace(low, high, 61), histtype="stepfilled", color=colour, alpha=0.45, label=label)
    ax.axvline(tolerance, color=INK, lw=1.2, ls="--")
    ax.text(tolerance * 1.5, 0.93, "failed", transform=ax.get_xaxis_transform(), fontsize=8.5, va="top")
    ax.set_xscale("log")
    ax.set_xlabel(f"largest error of a {thing}, data → noise → data ({unit})")
    ax.set_ylabel(f"{thing}s")
    ax.legend(frameon=False, loc="upper left")
    failed = sum(trip.failed for _, _, trip in trips)
    finish(figure, "Round trip: " + (f"{failed} {thing}s do not come back" if failed else f"every {thing} comes back"))
    return figure
