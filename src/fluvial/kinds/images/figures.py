# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (matplotlib is not typed strictly)
"""The figures of a report on images: each says its finding in its title."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from fluvial.core import Density, Flow
from fluvial.core.density import sized
from fluvial.examine.drawing import BASE, DATA, SAMPLES, blank, finish
from fluvial.examine.two_sample import Memorisation
from fluvial.kinds.images.diagnose import COOL, ImageDiagnosis
from fluvial.kinds.images.drawn import ImageDraws
from fluvial.kinds.images.files import grid
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.schema import ImageSchema

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE = 8  # images along each side of a grid
_EXTREMES = 10
_FOREIGN = ("#CC79A7", "#009E73", "#E69F00", "#56B4E9")  # Okabe and Ito


def samples(model: ImageModel, d: ImageDraws) -> Figure:
    """Held-out images beside samples, at two temperatures if the model has one, and a VAE's reconstructions."""
    panels = {"held out": d.held_out, "samples, T = 1" if isinstance(model.density, Flow) else "samples": d.samples}
    if isinstance(d, ImageDiagnosis):
        more = {f"samples, T = {COOL}": d.cool, "held out, reconstructed": d.reconstructed}
        panels |= {name: pixels for name, pixels in more.items() if pixels is not None}
    return sheets(model.schema, panels, max(c.auc for c in d.classifiers))


def sheets(schema: ImageSchema, panels: Mapping[str, np.ndarray], auc: float) -> Figure:
    """Images of each name as a square, held-out ones first."""
    figure, axes = blank(3.47 * len(panels), 3.9, 1, len(panels))
    fewest = min(_SIDE**2, *map(len, panels.values()))
    n = fewest // _SIDE * _SIDE or fewest
    for ax, (name, pixels) in zip(axes, panels.items()):
        _show(ax, grid(schema.decode(pixels[:n]), _SIDE), name)
    finish(figure, f"Samples beside held-out images: a classifier's AUC is {auc:.2f}")
    return figure


def nearest(schema: ImageSchema, some: np.ndarray, training: np.ndarray, distances: Memorisation) -> Figure:
    """Samples above, the training images nearest to them below."""
    figure, axes = blank(10.4, 2.7, 2, 1)
    for ax, pixels, name in zip(axes, (some, training), ("samples", "nearest\nin training")):
        _show(ax, grid(schema.decode(pixels), len(training)), name, left=True)
    closer = 100 * distances.closer
    finish(figure, f"Nearest training images: {closer:.0f} % of samples lie nearer than the median held-out image")
    return figure


def interpolations(model: ImageModel, d: ImageDiagnosis) -> Figure:
    """From one held-out image to another, through the noise."""
    figure, axes = blank(10.4, 1.35 * len(d.ways) + 0.6, len(d.ways), 1)
    for ax, way in zip(axes, d.ways):
        _show(ax, grid(model.schema.decode(way), len(way)), "", left=True)
    ends = "the outermost" if d.reconstructed is None else "the outermost, reconstructed"
    finish(figure, f"Interpolations between held-out images ({ends}), along great circles of the noise")
    return figure


def likelihoods(d: ImageDiagnosis) -> Figure:
    """Held-out bits per dimension, with training images and foreign ones."""
    figure, axes = blank(8.2, 3.6)
    ax = axes[0]
    marks = [float(np.median(f.bits)) for f in d.foreign]
    finite = d.bits[np.isfinite(d.bits)]
    near = [m for m in marks if np.isfinite(m) and m < 3 * finite.max()]
    top = max([float(np.quantile(finite, 0.995)), *near])
    edges = np.linspace(min([finite.min(), d.train_bits.min(), *near]) * 0.98, 1.03 * top, 61)
    ax.hist(finite, edges, density=True, color=DATA, alpha=0.5, label="held out")
    ax.hist(d.train_bits, edges, density=True, histtype="step", color=BASE, lw=1.5, label="training")
    height = ax.get_ylim()[1]
    for i, (f, at, colour) in enumerate(zip(d.foreign, marks, _FOREIGN)):
        beyond = at > edges[-1]
        ax.axvline(min(at, edges[-1]), color=colour, lw=2, ls=":" if beyond else "-")
        word = f"{f.name} ({at:.2f})" if beyond else f.name
        ax.text(
            min(at, edges[-1]),
            height * (0.96 - 0.09 * i),
            f" {word} ",
            color=colour,
            fontsize=8.5,
            ha=_side(at, edges),
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
        )
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel("bits per dimension (foreign images: the median of each kind)")
    ax.set_yticks([])
    ax.legend(frameon=False, loc="center right")
    fooled = [f.name for f in d.foreign if f.likelier > 0.5]
    said = (
        f"{', '.join(fooled)} more likely than real images"
        if fooled
        else "no foreign kind is likelier than real images"
    )
    finish(figure, f"Likelihood: {said}")
    return figure


def extremes(model: ImageModel, d: ImageDiagnosis) -> Figure:
    """Held-out images that the model finds most and least likely."""
    known = d.bits[: len(d.held_out)]
    order = np.argsort(known, kind="stable")
    n = min(_EXTREMES, len(order) // 2)
    figure, axes = blank(10.4, 2.7, 2, 1)
    for ax, index, name in zip(axes, (order[:n], order[::-1][:n]), ("most\nlikely", "least\nlikely")):
        _show(ax, grid(model.schema.decode(d.held_out[index]), n), name, left=True)
    ends = f"{known[order[0]]:.2f} to {known[order[-1]]:.2f}"
    finish(figure, f"Most and least likely held-out images: {ends} bits per dimension")
    return figure


def noise(d: ImageDiagnosis, base: Density) -> Figure:
    """z of held-out images against the base, scale by scale."""
    n = len(d.scales)
    figure, axes = blank(max(7.4, 3.2 * n), 3.0, 1, n)
    points = np.linspace(-4.5, 4.5, 300)
    shape = sized(base.event_shape)
    with torch.no_grad():  # all numbers of an event alike, so the log-density of each is their mean
        events = torch.from_numpy(points).view(-1, *[1] * len(shape)).expand(-1, *shape)
        curve = (base.log_prob(events) / shape.numel()).exp().numpy()
    for i, (ax, scale) in enumerate(zip(axes, d.scales)):
        ax.hist(scale.z, np.linspace(-4.5, 4.5, 61), density=True, color=DATA, alpha=0.45)
        ax.plot(points, curve, color=SAMPLES, lw=1.6)
        name = f"scale {i + 1} of {n}: " if n > 1 else ""
        ax.set_title(f"{name}{scale.numbers:,} numbers, {100 * scale.distance:.1f} % off", fontsize=8.5)
        ax.set_xlabel("z")
        ax.set_yticks([])
    worst = max(s.distance for s in d.scales)
    finish(figure, f"Noise of held-out images: at most {100 * worst:.1f} % off the base (Kolmogorov-Smirnov)")
    return figure


def _show(ax: Axes, image: np.ndarray, name: str, left: bool = False) -> None:
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if left:
        ax.set_ylabel(name, fontsize=8.5, rotation=0, ha="right", va="center")
    else:
        ax.set_title(name, fontsize=9)


def _side(at: float, edges: np.ndarray) -> str:
    """On which side of its line a word has room."""
    return "left" if at < 0.5 * (edges[0] + edges[-1]) else "right"
