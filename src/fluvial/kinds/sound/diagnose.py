"""How far a model of sound can be trusted: calibration of its predictions, and its recordings beside real ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from fluvial.core.errors import RunError
from fluvial.core.randomness import Source, drawing_from, uniform
from fluvial.examine.verdict import p_of, z_of
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.sound.read import Sound
from fluvial.training import Continuation

BINS = 20
_SAMPLES = 80_000  # held-out samples whose predictions are looked at, at most
_DRAWN = 4  # recordings that are drawn
_SECONDS = 2.0  # length of each, at most
_RESAMPLED = 400  # resamplings of recordings behind the band of the histogram
_BANDS = 48  # of the mean spectra
_CHOICES = 20  # of recordings, to see how far mean spectra differ by chance


@dataclass(frozen=True)
class SoundDiagnosis:
    """What the report of a model of sound shows.

    Args:
        real: held-out recordings; ``bits`` are the bits per sample of each, (M,).
        drawn: recordings that the model drew given the labels of the first held-out ones, (n, T).
        labels: of those, in words.
        pit: histogram of the randomised probability integral transform of held-out samples, (BINS,), mean 1, which
            is 1 throughout where the model is right; ``band`` is what resampling recordings leaves uncertain (2, BINS).
        distance: largest distance of its distribution from the uniform's.
        off: how many standard errors the worst bar of that histogram is off, at the level of all bars; None where one
            recording does not tell.
        spectra_by_chance: how far the mean spectra of a few held-out recordings are from those of the others, dB, and
            the spread of that; None where there are too few.
        frequencies, spectra: mean power in dB of real and drawn recordings in bands of equal width, Hz and (2, bands).
    """

    real: Sound
    bits: np.ndarray
    drawn: np.ndarray
    labels: tuple[str, ...]
    pit: np.ndarray
    band: np.ndarray
    distance: float
    off: float | None
    spectra_by_chance: tuple[float, float] | None
    frequencies: np.ndarray
    spectra: np.ndarray


def diagnose_sound(model: SoundModel, seed: int = 0) -> SoundDiagnosis:
    """Examine ``model`` with the held-out recordings that its run kept.

    Raises:
        RunError: it has kept none.
    """
    values, lengths = model.rows.get("held_out.values"), model.rows.get("held_out.lengths")
    if values is None or lengths is None or not len(lengths):
        raise RunError("the run has kept no held-out recordings to examine the model with")
    context = model.rows.get("held_out.context")
    words = [{}] * len(lengths) if context is None else [model.schema.words(row) for row in context]
    labels = {name: np.array([w[name] for w in words]) for name in model.schema.context}
    samples = model.schema.coding.decode(values)
    real = Sound(samples, lengths, tuple(f"held out {i}" for i in range(len(lengths))), labels, model.rate)
    u, which = _transforms(model, real, seed)
    counts = np.stack([np.histogram(u[which == i], BINS, (0, 1))[0] for i in np.unique(which)])
    n = min(_DRAWN, len(real))
    drawn = model.sample(
        n,
        min(model.schema.seconds, _SECONDS),
        context={name: values[:n].tolist() for name, values in labels.items()} or None,
        seed=seed,
    )
    waves = real.recordings
    frequencies, first = mean_spectrum(waves, model.rate)
    band = _band(counts, seed)
    pit = counts.sum(0) * BINS / counts.sum()
    return SoundDiagnosis(
        real=real,
        bits=model.score(real).values,
        drawn=drawn,
        labels=tuple(", ".join(f"{k} {v}" for k, v in w.items()) for w in words[:n]),
        pit=pit,
        band=band,
        off=None if len(counts) < 2 else _worst_bar(pit, band),
        spectra_by_chance=_spectra_by_chance(waves, model.rate, n, seed),
        distance=float(np.abs(np.sort(u) - (np.arange(len(u)) + 0.5) / len(u)).max()),
        frequencies=frequencies,
        spectra=np.stack((first, mean_spectrum(list(drawn), model.rate)[1])),
    )


def spectrogram(wave: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power in dB over Hann windows of 25 ms every 5 ms: seconds (K,), Hz (F,), dB (F, K)."""
    size, hop = max(16, round(0.025 * rate)), max(1, round(0.005 * rate))
    wave = np.pad(wave.astype(np.float64), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames)) ** 2
    return np.arange(len(frames)) * hop / rate, np.fft.rfftfreq(size, 1 / rate), 10 * np.log10(power.T + 1e-9)


def mean_spectrum(waves: list[np.ndarray], rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean power of all moments in bands of equal width: Hz (bands,), dB (bands,)."""
    power = [10 ** (spectrogram(w, rate)[2] / 10) for w in waves]
    mean = np.concatenate(power, 1).mean(1)
    parts = np.array_split(mean, min(_BANDS, len(mean)))
    centres = [p.mean() for p in np.array_split(np.linspace(0, rate / 2, len(mean)), len(parts))]
    return np.array(centres), 10 * np.log10([p.mean() for p in parts])


@torch.no_grad()
def _transforms(model: SoundModel, real: Sound, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """u = P(X < x) + v P(X = x) with v uniform, of held-out samples, and the recording that each is from."""
    density, windows = Continuation(model.density), model.windows(real)
    source = Source(seed)
    us, which, seen = list[np.ndarray](), list[np.ndarray](), 0
    density.eval()
    for row in torch.arange(len(windows)).split(1):
        if seen >= _SAMPLES:
            break
        x, context = windows.rows(row, torch.device("cpu"))
        z, log_p = density.noise(x, context)
        with drawing_from(source):
            u = z + (uniform(z.shape, torch.float64) - 0.5) * log_p.double().exp()
        us.append(u.numpy())
        which.append(np.full(len(u), int(windows.table[row, 0])))
        seen += len(u)
    return np.concatenate(us), np.concatenate(which)


def _band(counts: np.ndarray, seed: int) -> np.ndarray:
    """Where 95 % of the bars would lie if the recordings had been others: (2, BINS) around 1.

    Samples of one recording depend on each other, so recordings are what is resampled.
    """
    rng = np.random.default_rng(seed)
    picked = counts[rng.integers(len(counts), size=(_RESAMPLED, len(counts)))].sum(1)
    bars = picked * BINS / picked.sum(1, keepdims=True)
    spread = 1.96 * bars.std(0)
    return np.stack((1 - spread, 1 + spread))


def _worst_bar(pit: np.ndarray, band: np.ndarray) -> float:
    """Of the bar that is most standard errors off, the z-score of the same probability after Bonferroni."""
    error = np.maximum((band[1] - 1) / 1.96, 1e-12)
    return z_of(p_of(float((np.abs(pit - 1) / error).max())), len(pit))


def _spectra_by_chance(waves: list[np.ndarray], rate: int, n: int, seed: int) -> tuple[float, float] | None:
    """Mean and standard deviation of the distance, dB, between n recordings and the others, over random choices."""
    if len(waves) < n + 2:
        return None
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(waves)) for _ in range(_CHOICES)]
    spectra = [
        [mean_spectrum([waves[i] for i in part], rate)[1] for part in (order[:n], order[n:])] for order in orders
    ]
    apart = [_apart(np.stack(pair)) for pair in spectra]
    return float(np.mean(apart)), float(np.std(apart, ddof=1))


def _apart(spectra: np.ndarray) -> float:
    return math.sqrt(float(np.square(spectra[0] - spectra[1]).mean()))


def separation(d: SoundDiagnosis) -> float:
    """Root mean square distance of the two mean spectra, dB."""
    return _apart(d.spectra)
