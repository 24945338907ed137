"""Are generated digits the digits asked for? A small classifier of real ones says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from fluvial.kinds.sound.coding import MuLaw
from fluvial.kinds.sound.diagnose import spectrogram
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.sound.read import Sound

TAKES = 10  # recordings of each digit by each speaker
TEMPERATURES = (1.0, 0.9, 0.8)
"""1 is the fitted density; the others are sharper ones."""
FRAMES, BANDS = 20, 24
SHOWN = "theo"  # whose digits are written beside the documentation


def judge(model: SoundModel, learn: Sound, test: Sound, out: Path) -> dict[str, object]:
    """Draw digits, write them, and classify them; the classifier learns from the real training recordings alone."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    coding, rate = MuLaw(), learn.rate
    heard = [np.stack([features(coding.decode(coding.encode(w)), rate) for w in s.recordings]) for s in (learn, test)]
    classifier = make_pipeline(StandardScaler(), SVC(C=10.0))
    classifier.fit(heard[0], learn.labels["digit"])
    shares: dict[str, object] = {}
    for temperature in TEMPERATURES:
        drawn = draw(model, learn, out / f"temperature-{temperature}", temperature)
        asked = np.array([digit for digit, _, _ in drawn])
        said = classifier.predict(np.stack([features(wave, rate) for _, _, wave in drawn]))
        shares[f"{temperature}"] = {
            "the digit asked for": float(np.mean(said == asked)),
            "by digit": {d: float(np.mean(said[asked == d] == d)) for d in np.unique(asked).tolist()},
        }
        if temperature == 1.0:
            _show([wave for _, speaker, wave in drawn if speaker == SHOWN][::TAKES], rate, out / "shown.wav")
    return {
        "classifier": f"RBF support vector machine on {FRAMES} x {BANDS} log-powers",
        "accuracy on real test digits": float(np.mean(classifier.predict(heard[1]) == test.labels["digit"])),
        "generated": len(model.schema.context["digit"]) * len(model.schema.context["speaker"]) * TAKES,
        "temperatures": shares,
    }


def _show(waves: list[np.ndarray], rate: int, path: Path) -> None:
    """All in one file, with pauses."""
    pause = np.zeros(rate // 5, dtype=np.float32)
    _write(path, np.concatenate([part for wave in waves for part in (wave, pause)]), rate)


def draw(model: SoundModel, learn: Sound, out: Path, temperature: float) -> list[tuple[str, str, np.ndarray]]:
    """``TAKES`` recordings of each digit by each speaker, as long as their median; written to ``out``."""
    lengths = learn.lengths
    pairs = [(d, s) for d in model.schema.context["digit"] for s in model.schema.context["speaker"]]
    medians = [int(np.median(lengths[(learn.labels["digit"] == d) & (learn.labels["speaker"] == s)])) for d, s in pairs]
    each = [(*pair, n, take) for pair, n in zip(pairs, medians) for take in range(TAKES)]
    context = {"digit": [d for d, *_ in each], "speaker": [s for _, s, *_ in each]}
    waves = model.sample(len(each), max(medians) / model.rate, context=context, temperature=temperature, seed=0)
    out.mkdir(parents=True, exist_ok=True)
    drawn = [(digit, speaker, wave[:n]) for (digit, speaker, n, _), wave in zip(each, waves)]
    for (digit, speaker, _, take), (_, _, wave) in zip(each, drawn):
        _write(out / f"{digit}_{speaker}_{take}.wav", wave, model.rate)
    return drawn


def _write(path: Path, wave: np.ndarray, rate: int) -> None:
    """A WAV file, by what machines without the sound extra have too."""
    from scipy.io import wavfile

    wavfile.write(path, rate, np.clip(np.rint(wave * 32768), -32768, 32767).astype(np.int16))


def features(wave: np.ndarray, rate: int) -> np.ndarray:
    """Log-powers in bands that widen with frequency, at so many moments of the recording: (FRAMES * BANDS,)."""
    _, hertz, power = spectrogram(wave, rate)
    edges = 700 * (np.exp(np.linspace(0, np.log1p(rate / 2 / 700), BANDS + 1)) - 1)
    linear = 10 ** (power / 10)
    bands = np.stack([linear[(hertz >= a) & (hertz <= max(b, a + hertz[1]))].mean(0) for a, b in pairwise(edges)])
    decibels = 10 * np.log10(bands + 1e-6)
    at = np.linspace(0, decibels.shape[1] - 1, FRAMES)
    return np.stack([np.interp(at, np.arange(decibels.shape[1]), band) for band in decibels]).ravel()
