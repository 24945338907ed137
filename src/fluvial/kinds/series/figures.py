# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (matplotlib is not typed strictly)
"""The figures of a report on series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluvial.examine.drawing import BASE, DATA, RULE, SAMPLES, blank, finish
from fluvial.kinds.series.backtest import Backtest, Window
from fluvial.kinds.series.model import SeriesModel
from fluvial.kinds.series.read import stamps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TARGETS, _WINDOWS = 2, 2  # that a fan chart shows
_BINS = 10


def fan(model: SeriesModel, found: Backtest) -> Figure:
    """What came beside the quantiles of what was forecast."""
    targets = min(_TARGETS, len(model.targets))
    which = np.linspace(0, len(found.windows) - 1, min(_WINDOWS, len(found.windows))).round().astype(int)
    figure, axes = blank(8.6, 2.5 * targets + 0.5, targets, len(which))
    for row in range(targets):
        for column, i in enumerate(which.tolist()):
            ax = axes[row * len(which) + column]
            _one_fan(ax, model, found.windows[i], row)
            if column == 0:
                ax.set_ylabel(model.targets[row], fontsize=9)
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    finish(figure, f"Held-out windows: forecasts of {found.crps.shape[1]} steps, and what came")
    return figure


def _one_fan(ax: Axes, model: SeriesModel, window: Window, target: int) -> None:
    horizon = len(window.came)
    before = window.past[-3 * horizon :, target]
    first = model.past.start[model.past.names.index(window.name)] + window.start
    steps = np.arange(first - len(before), first + horizon)
    at = model.schema.steps.time(steps)
    at = at.astype("datetime64[us]") if model.schema.time.clock else at
    ahead = at[len(before) :]
    low, near_low, middle, near_high, high = np.quantile(window.draws[..., target], (0.1, 0.25, 0.5, 0.75, 0.9), axis=0)
    ax.plot(at, np.concatenate((before, window.came[:, target])), color=DATA, lw=1.2, label="what came")
    ax.fill_between(ahead, low, high, color=SAMPLES, alpha=0.22, lw=0, label="80 % interval")
    ax.fill_between(ahead, near_low, near_high, color=SAMPLES, alpha=0.3, lw=0, label="50 % interval")
    ax.plot(ahead, middle, color=SAMPLES, lw=1.4, label="median")
    ax.axvline(ahead[0], color=RULE, lw=1, zorder=0)
    when = str(stamps(model.schema, model.schema.steps.time(steps[len(before) : len(before) + 1]))[0])
    when = when.replace("T", " ").removesuffix(".000000").removesuffix(" 00:00:00")
    ax.set_title(f"{window.name + ', ' if window.name else ''}from {when}", fontsize=8.5, loc="left")
    ax.tick_params(axis="x", labelrotation=20)


def by_step(found: Backtest) -> Figure:
    """CRPS at each step ahead beside seasonal naive, and the share of values inside the 80 % interval."""
    figure, axes = blank(8.6, 3.0, 1, 2)
    table = found.columns
    axes[0].plot(table["step"], table["crps naive"], color=BASE, lw=1.8, label="seasonal naive")
    axes[0].plot(table["step"], table["crps"], color=DATA, lw=1.8, label="model")
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("CRPS, in naive errors")
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].axhline(0.8, color=RULE, lw=1.5, zorder=0)
    axes[1].plot(table["step"], table["coverage 80 %"], color=DATA, lw=1.8)
    axes[1].set_ylim(0, 1)
    axes[1].set_ylabel("share inside the 80 % interval")
    for ax in axes:
        ax.set_xlabel("steps ahead")
    skill = 100 * found.skill()[0]
    finish(
        figure,
        f"{len(found.crps)} forecasts: CRPS {abs(skill):.0f} % {'below' if skill > 0 else 'above'} seasonal naive",
    )
    return figure


def calibration(noise: np.ndarray, found: Backtest) -> Figure:
    """Where values fall in their distributions: of the next step, of steps far ahead, of sums over all steps."""
    steps = found.crps.shape[1]
    near, far = found.pit[:, : (steps + 1) // 2], found.pit[:, (steps + 1) // 2 :]
    parts = {
        "the next step": noise,
        f"1 to {(steps + 1) // 2} ahead": near,
        f"{(steps + 1) // 2 + 1} to {steps} ahead": far,
        f"sum over {steps}": found.paths[:, 0],
    }
    figure, axes = blank(8.6, 2.6, 1, len(parts))
    for ax, (name, values) in zip(axes, parts.items()):
        values = values[np.isfinite(values)]
        counts = np.histogram(values, _BINS, (0, 1))[0] / max(1, len(values))
        ax.bar((np.arange(_BINS) + 0.5) / _BINS, counts, 0.9 / _BINS, color=DATA, alpha=0.8)
        ax.axhline(1 / _BINS, color=SAMPLES, lw=1.2)
        ax.set_title(name, fontsize=9, loc="left")
        ax.set_yticks([])
        ax.set_xlabel("share of the distribution below", fontsize=8)
    finish(figure, "Where values fall in their distributions: flat if the probabilities hold")
    return figure
