# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (matplotlib is not typed strictly)
"""The figures of a report on sound: each says its finding in its title."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluvial.examine.drawing import BASE, DATA, SAMPLES, blank, finish
from fluvial.kinds.sound.diagnose import BINS, SoundDiagnosis, separation, spectrogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RANGE = 70  # dB between the loudest point of a spectrogram and white


def spectrograms(d: SoundDiagnosis) -> Figure:
    """Held-out recordings above, recordings drawn below, for the same labels if there are any."""
    n = len(d.drawn)
    figure, axes = blank(2.6 * n + 0.5, 4.6, 2, n)
    real = d.real.recordings[:n]
    loudest = max(float(spectrogram(w, d.real.rate)[2].max()) for w in [*real, *d.drawn])
    longest = max(len(w) for w in [*real, *d.drawn]) / d.real.rate
    for i, waves in enumerate((real, d.drawn)):
        for j, wave in enumerate(waves):
            ax = axes[i * n + j]
            seconds, hertz, power = spectrogram(wave, d.real.rate)
            ax.pcolormesh(
                seconds, hertz / 1000, power, vmin=loudest - _RANGE, vmax=loudest, cmap="magma_r", rasterized=True
            )
            ax.set_xlim(0, longest)
            if i == 0 and d.labels[j]:
                ax.set_title(d.labels[j], fontsize=8.5)
            if i == 1:
                ax.set_xlabel("seconds", fontsize=8)
            if j == 0:
                ax.set_ylabel(("held out", "drawn")[i] + "\nkHz", fontsize=8.5)
    same = " for the same labels" if d.real.labels else ""
    finish(figure, f"Spectrograms: held-out recordings above, what the model draws{same} below")
    return figure


def spectrum(d: SoundDiagnosis) -> Figure:
    """Mean spectra of real and drawn recordings."""
    figure, axes = blank(8.2, 3.2)
    for values, colour, label in zip(d.spectra, (DATA, SAMPLES), ("held out", "drawn")):
        axes[0].plot(d.frequencies / 1000, values, color=colour, lw=1.8, label=label)
    axes[0].set_xlabel("kHz")
    axes[0].set_ylabel("mean power (dB)")
    axes[0].legend(frameon=False)
    finish(figure, f"Mean spectra: {separation(d):.1f} dB apart (root mean square)")
    return figure


def calibration(d: SoundDiagnosis) -> Figure:
    """The randomised PIT of all samples with its band."""
    figure, axes = blank(8.2, 3.0)
    ax, edges = axes[0], np.linspace(0, 1, BINS + 1)
    ax.stairs(d.band[1], edges, baseline=d.band[0], fill=True, color=BASE, alpha=0.3, lw=0)
    ax.axhline(1, color=BASE, lw=1)
    ax.stairs(d.pit, edges, color=DATA, lw=1.8)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, max(1.6, 1.1 * d.pit.max()))
    ax.set_xlabel("randomised probability integral transform of held-out samples (uniform where the model is right)")
    ax.set_ylabel("density")
    inside = float(((d.pit >= d.band[0]) & (d.pit <= d.band[1])).mean())
    finish(
        figure, f"Calibration: {100 * d.distance:.1f} % from uniform, {100 * inside:.0f} % of the bars in the 95 % band"
    )
    return figure


def recordings(d: SoundDiagnosis) -> Figure:
    """Bits per sample of each held-out recording, by the first label."""
    figure, axes = blank(8.2, 3.0)
    ax = axes[0]
    name = next(iter(d.real.labels), None)
    groups = (
        {"": d.bits} if name is None else {v: d.bits[d.real.labels[name] == v] for v in np.unique(d.real.labels[name])}
    )
    for i, values in enumerate(groups.values()):
        ax.plot(np.full(len(values), i), values, "o", color=DATA, alpha=0.6, ms=5)
        ax.plot([i - 0.25, i + 0.25], [np.median(values)] * 2, color=SAMPLES, lw=2)
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set_xlim(-0.6, len(groups) - 0.4)
    ax.set_xlabel(name or "")
    ax.set_ylabel("bits per sample")
    finish(figure, f"Held-out recordings: {d.bits.min():.2f} to {d.bits.max():.2f} bits per sample, median marked")
    return figure
