# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (matplotlib and scipy are not typed strictly)
"""The figures of a report on a table: each says its finding in its title."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fluvial.examine.calibration import BINS, Calibration, Latent
from fluvial.examine.drawing import BASE, DATA, INK, RULE, SAMPLES, blank, finish
from fluvial.kinds.tables.diagnose import Diagnosis
from fluvial.kinds.tables.drawn import Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAIRED, _PANELS, _POINTS = 8, 48, 1200
_IMAGED, _NAMED = 120, 24  # rows shown as an image; columns up to which it names them
_SPELLED = 8  # labels that an axis spells out


def pairs(d: Drawn, labels: Sequence[str], numbers: Sequence[int]) -> Figure | None:
    """Held-out rows and samples, two columns at a time; correlations above the diagonal. None for one column.

    Args:
        numbers: the columns to choose from.
    """
    worst_first = np.array(numbers, int)[np.argsort(-d.marginals.statistic[list(numbers)], kind="stable")]
    order = np.sort(worst_first[:_PAIRED])
    k = len(order)
    if k < 2:
        return None
    figure, axes = blank(1.35 * k + 0.6, 1.35 * k + 0.6, k, k)
    grid = np.array(axes).reshape(k, k)
    n = min(_POINTS, len(d.x))
    points = np.vstack([d.x[:n], d.samples[:n]])
    colours = np.repeat([DATA, SAMPLES], n)
    mixed = np.random.default_rng(0).permutation(2 * n)  # neither lies on top of the other
    correlations = [np.nan_to_num(_correlation(rows[:, order])) for rows in (d.x, d.samples)]
    limits = [_range(points[:, j]) for j in order]
    for a in range(k):
        for b in range(k):
            ax, i, j = grid[a, b], order[a], order[b]
            if a > b:
                ax.scatter(points[mixed, j], points[mixed, i], s=3, c=colours[mixed], alpha=0.35, lw=0)
                ax.set_xlim(limits[b])
                ax.set_ylim(limits[a])
            elif a == b:
                _compare(ax, d.x[:, i], d.samples[:, i])
                ax.set_xlim(limits[a])
            else:
                ax.set_axis_off()
                for y, colour, r in zip((0.62, 0.38), (DATA, SAMPLES), correlations):
                    ax.text(0.5, y, f"{r[a, b]:+.2f}", color=colour, ha="center", va="center", transform=ax.transAxes)
            ax.tick_params(labelsize=6.5, length=2)
            ax.locator_params(nbins=3)
            _outer(ax, a == k - 1, b == 0 and a > 0, _plain(labels[j], 24), _plain(labels[i], 24))
    gap = float(np.abs(correlations[0] - correlations[1]).max())
    which = "" if k == len(numbers) else f" (the {k} of {len(numbers)} columns that differ most)"
    finish(figure, f"Pairs of columns: correlations differ by {gap:.2f} at most{which}")
    _legend(figure)
    return figure


def marginals(d: Drawn, labels: Sequence[str], categories: Sequence[Sequence[object]] = ()) -> Figure:
    """Every column's histogram, held-out rows and samples overlaid.

    Args:
        categories: of each column, the labels that its codes stand for; () for numbers.
    """
    order = _worst_first(d.marginals.statistic)
    figure, axes = _panels(len(order), 2.0)
    for ax, j in zip(axes, order):
        _compare(ax, d.x[:, j], d.samples[:, j])
        ax.set_xlabel(_plain(labels[j]), fontsize=8.5)
        ax.set_title(f"{100 * d.marginals.statistic[j]:.1f} % apart{_absent(d, j)}", fontsize=8.5, color=INK)
        if j < len(categories) and 0 < len(categories[j]) <= _SPELLED:
            ax.set_xticks(
                range(len(categories[j])), [_plain(str(c), 9) for c in categories[j]], rotation=35, ha="right"
            )
            ax.tick_params(axis="x", labelsize=6.5)
        else:
            ax.locator_params(axis="x", nbins=4)
    worst = d.marginals.worst
    title = f"Columns one by one: {_plain(labels[worst])} differs most, by {100 * d.marginals.statistic[worst]:.1f} %"
    finish(figure, title + " (Kolmogorov-Smirnov)")
    _legend(figure)
    return figure


def _absent(d: Drawn, j: int) -> str:
    """The shares of missing cells in rows and samples, where there are any."""
    shares = [100 * float(np.isnan(rows[:, j]).mean()) for rows in (d.x, d.samples)]
    return f"; missing {shares[0]:.0f} and {shares[1]:.0f} %" if any(shares) else ""


def calibration(c: Calibration) -> Figure:
    """Histograms of the PIT with the band that 95 % of the bars keep to where the model is right."""
    order = _worst_first(c.statistic)
    figure, axes = _panels(len(order), 1.7)
    n = c.u.shape[0]
    for ax, j in zip(axes, order):
        ax.axhspan(*(b * BINS / n for b in c.band), color=BASE, alpha=0.25, lw=0)
        ax.axhline(1, color=BASE, lw=1)
        ax.stairs(c.counts[j] * BINS / n, np.linspace(0, 1, BINS + 1), color=DATA, lw=1.4)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, max(2.0, 1.1 * c.counts[j].max() * BINS / n))
        ax.set_xticks([0, 0.5, 1])
        ax.set_title(f"{_plain(c.labels[j], 24)}: {100 * c.statistic[j]:.1f} %", fontsize=8.5, color=INK)
    inside = float(((c.counts >= c.band[0]) & (c.counts <= c.band[1])).mean())
    finish(figure, f"Calibration: {100 * inside:.0f} % of the bars lie in the band that should hold 95 %")
    figure.supxlabel("probability integral transform of held-out rows (uniform where the model is right)", fontsize=9)
    return figure


def rows(d: Diagnosis, labels: Sequence[str]) -> Figure:
    """Held-out rows and samples of discrete columns as two images: a column of pixels is a row, as in a piano roll."""
    figure, axes = blank(8.2, float(np.clip(0.08 * d.x.shape[1], 2.4, 7.0)), 1, 2)
    low = np.minimum(d.x.min(0), d.samples.min(0))
    span = np.maximum(d.x.max(0), d.samples.max(0)) - low
    for ax, values, name in zip(axes, (d.x, d.samples), ("held-out rows", "samples")):
        shares = (values[:_IMAGED] - low) / np.where(span > 0, span, 1)
        ax.imshow(shares.T, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest", origin="lower")
        ax.set_xlabel(name)
        ax.set_xticks([])
        ax.set_yticks(range(len(labels)) if len(labels) <= _NAMED and ax is axes[0] else [])
    if len(labels) <= _NAMED:
        axes[0].set_yticklabels([_plain(name, 18) for name in labels], fontsize=7)
    else:
        axes[0].set_ylabel(f"{len(labels)} columns")
    shown = min(_IMAGED, len(d.x))
    finish(figure, f"{shown} held-out rows and {shown} samples")
    return figure


def dependence(d: Diagnosis) -> Figure | None:
    """Correlations of the columns in samples against those in held-out rows; None for one column."""
    if d.x.shape[1] < 2:
        return None
    figure, axes = blank(5.2, 4.6)
    ax = axes[0]
    upper = np.triu_indices(d.x.shape[1], 1)
    of_data, of_samples = (np.nan_to_num(_correlation(v)[upper]) for v in (d.x, d.samples))
    ax.plot([-1, 1], [-1, 1], color=RULE, lw=1, zorder=0)
    ax.plot(of_data, of_samples, ".", color=DATA, ms=4, alpha=0.5, rasterized=True)
    low, high = min(of_data.min(), of_samples.min(), 0), max(of_data.max(), of_samples.max(), 0.1)
    ax.set_xlim(low - 0.05, high + 0.05)
    ax.set_ylim(low - 0.05, high + 0.05)
    ax.set_xlabel("correlation in held-out rows")
    ax.set_ylabel("correlation in samples")
    worst = float(np.abs(of_data - of_samples).max())
    finish(figure, f"Correlations differ by {worst:.2f} at most")
    return figure


def noise(v: Latent) -> Figure:
    """Noise of held-out rows against the base: histograms, quantiles, radius."""
    from scipy import stats

    figure, axes = blank(10.4, 3.3, 1, 3)
    n, features = v.scores.shape
    order = _worst_first(np.abs(v.mean) + np.abs(v.sd - 1))
    grid, base = np.linspace(-4, 4, 200), stats.norm.isf((np.arange(n) + 0.5) / n)[::-1]
    thin = np.unique(np.linspace(0, n - 1, 200).astype(int))
    for j in order:
        axes[0].hist(v.scores[:, j], np.linspace(-4, 4, 25), density=True, histtype="step", color=DATA, alpha=0.5)
        axes[1].plot(base[thin], np.sort(v.scores[:, j])[thin], color=DATA, lw=1.1, alpha=0.55)
    axes[0].plot(grid, stats.norm.pdf(grid), color=SAMPLES, lw=1.8)
    axes[1].plot([-4, 4], [-4, 4], color=SAMPLES, lw=1.4)
    axes[1].set_xlim(-4, 4)
    axes[1].set_ylim(-5, 5)
    radius = (v.scores**2).sum(1)
    top = float(np.quantile(radius, 0.995))
    axes[2].hist(radius, np.linspace(0, top, 41), density=True, histtype="stepfilled", color=DATA, alpha=0.35)
    at = np.linspace(1e-3 * top, top, 300)
    axes[2].plot(at, stats.chi2(features).pdf(at), color=SAMPLES, lw=1.8)
    if features == 1:  # infinite at zero
        axes[2].set_ylim(0, 2)
    for ax, x, y in zip(
        axes, ("noise z", "base quantile", "squared radius |z|²"), ("density", "z quantile", "density")
    ):
        ax.set_xlabel(x)
        ax.set_ylabel(y)
    mean, sd = float(np.abs(v.mean).max()), float(v.sd[np.abs(v.sd - 1).argmax()])
    finish(figure, f"Noise against the base: means within {mean:.2f} of 0, the farthest standard deviation is {sd:.2f}")
    _legend(figure, ("held-out rows", "base"))
    return figure


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """n small axes, four to a row, without scales on their densities."""
    columns = min(4, n)
    rows = -(-n // columns)
    figure, axes = blank(max(5.2, 2.6 * columns), height * rows + 0.7, rows, columns)
    for ax in axes[n:]:
        ax.set_visible(False)
    for ax in axes[:n]:
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    return figure, axes[:n]


def _legend(figure: Figure, labels: Sequence[str] = ("held-out rows", "samples")) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=c, lw=4, alpha=0.8, label=label) for c, label in zip((DATA, SAMPLES), labels)]
    figure.legend(handles=handles, loc="outside lower right", ncols=2, frameon=False, fontsize=9)


def _compare(ax: Axes, x: np.ndarray, samples: np.ndarray) -> None:
    x, samples = x[~np.isnan(x)], samples[~np.isnan(samples)]
    edges = _edges(np.concatenate([x, samples]))
    ax.hist(x, edges, density=True, histtype="stepfilled", color=DATA, alpha=0.35)
    ax.hist(samples, edges, density=True, histtype="step", color=SAMPLES, lw=1.5)
    ax.set_yticks([])


def _edges(values: np.ndarray) -> np.ndarray:
    """Bins of equal width; where the values lie on a grid, a whole number of its steps each."""
    low, high = _range(values)
    bins = int(np.clip(2.5 * len(values) ** (1 / 3), 10, 50))
    kept = np.unique(values[(values >= low) & (values <= high)])
    gaps = np.diff(kept)
    if len(kept) < 2 or len(kept) > 0.5 * len(values):
        return np.linspace(low, high, bins + 1)
    step = float(gaps.min())
    if not np.allclose(gaps / step, np.round(gaps / step), atol=1e-3):
        return np.linspace(low, high, bins + 1)
    width = step * max(1, math.ceil((kept[-1] - kept[0]) / step / bins))
    return np.arange(kept[0] - 0.5 * step, kept[-1] + 0.5 * step + width, width)


def _range(values: np.ndarray) -> tuple[float, float]:
    """Where all but the outermost values lie, with a margin; missing ones aside."""
    values = values[~np.isnan(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values, [0.002, 0.998])
    margin = 0.04 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _correlation(rows: np.ndarray) -> np.ndarray:
    """Of the rows in which neither column is missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if not np.isnan(rows).any():
            return np.corrcoef(rows.T)
        return np.ma.filled(np.ma.corrcoef(np.ma.masked_invalid(rows), rowvar=False), np.nan)


def _outer(ax: Axes, bottom: bool, left: bool, x: str, y: str) -> None:
    """Labels and ticks at the outside of a grid only."""
    if bottom:
        ax.set_xlabel(x, fontsize=7)
    else:
        ax.tick_params(labelbottom=False)
    if left:
        ax.set_ylabel(y, fontsize=7)
    else:
        ax.tick_params(labelleft=False)


def _worst_first(statistic: np.ndarray) -> np.ndarray:
    """All positions in their order, or the most deviant where there are too many to show."""
    if len(statistic) <= _PANELS:
        return np.arange(len(statistic))
    return np.argsort(-statistic, kind="stable")[:_PANELS]


def _plain(name: str, length: int = 28) -> str:
    """A name as it is, not as mathematics, and not longer than fits."""
    name = " ".join(name.split())
    if len(name) > length:  # names that share a beginning differ at their ends
        name = name[: length // 2] + "…" + name[-(length - length // 2 - 1) :]
    return name.replace("$", r"\$")
