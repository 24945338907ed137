"""Recordings: sound files, folders of them, and .npz archives -> samples at one rate, with labels."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.core.files import written
from fluvial.data.arrays import are_lengths, array_names, as_words, read_npz
from fluvial.data.folders import find, holds
from fluvial.data.labels import file_labels
from fluvial.data.limits import check_regular, check_size, decoding
from fluvial.data.words import noted

SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
)
"""Names of files that are sound."""
_KEYS = ("audio", "length", "sample_rate")
RATES = (1, 10_000_000)
"""Samples per second that there are."""
_BYTES = 4  # of a sample in memory
_SHOWN = 3  # files named in a note


@dataclass(frozen=True)
class Sound:
    """Recordings of one sampling rate.

    Args:
        samples: all recordings end to end, float32, amplitudes in [-1, 1].
        lengths: samples of each, (M,).
        names: of the recordings, (M,): their files.
        labels: by name, one string for each recording, (M,).
        rate: samples per second.
        notes: sentences on what was done to the files.
    """

    samples: np.ndarray
    lengths: np.ndarray
    names: tuple[str, ...]
    labels: dict[str, np.ndarray]
    rate: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def recordings(self) -> list[np.ndarray]:
        """The recordings one by one."""
        return np.split(self.samples, np.cumsum(self.lengths)[:-1])

    def take(self, which: np.ndarray) -> Sound:
        """Some of the recordings."""
        parts = self.recordings
        return replace(
            self,
            samples=np.concatenate([parts[i] for i in which]) if len(which) else self.samples[:0],
            lengths=self.lengths[which],
            names=tuple(self.names[i] for i in which),
            labels={k: v[which] for k, v in self.labels.items()},
        )


def is_sound(source: object) -> bool:
    """Whether ``source`` is sound, not a table: a sound file, a folder, a list of files, or an .npz of recordings.

    >>> is_sound("voice.wav"), is_sound("table.csv"), is_sound([1.0, 2.0])
    (True, False, False)
    """
    if isinstance(source, Sound):
        return True
    if isinstance(source, list | tuple):
        items: Sequence[Any] = source  # pyright: ignore[reportUnknownVariableType]
        return bool(items) and all(isinstance(s, str | os.PathLike) and is_sound(s) for s in items)
    if not isinstance(source, str | os.PathLike):
        return False
    path = Path(source)  # pyright: ignore[reportUnknownArgumentType]
    if os.path.isdir(path):
        return holds(path, SUFFIXES)
    if path.suffix.lower() in SUFFIXES:
        return True
    return path.suffix.lower() == ".npz" and set(_KEYS) <= set(array_names(path))


def read_sound(source: object, rate: int | None = None, pattern: str | None = None) -> Sound:
    """Read recordings, mix them down to one channel and bring them to one sampling rate.

    A recording of floats that goes beyond full scale, -1 to 1, is divided by its own peak, and a note names it.

    Args:
        source: a sound file, a folder (read with all its sub-folders, whose names become labels: ``label``, or
            ``label1``, ``label2``, ... where they are nested), a list of those, or an .npz archive with ``audio``
            (all recordings end to end, 16-bit integers or floats), ``length``, ``sample_rate`` and labels.
        rate: samples per second; None for the rate of most files.
        pattern: how file names (without their ending) tell labels, such as ``{digit}_{speaker}_{take}``.

    Raises:
        DataError: there is nothing to read, or a file is not sound, as a sentence that names it.
        UsageError: soundfile or soxr is not installed, or ``pattern`` or ``rate`` does not fit.
    """
    if isinstance(source, Sound):
        return _at_rate(source, rate)
    if rate is not None and rate < 1:
        raise UsageError(f"rate: expected a positive number of samples per second, got {rate}")
    sources: list[Any] = list(source) if isinstance(source, list | tuple) else [source]  # pyright: ignore
    if len(sources) == 1 and Path(sources[0]).suffix.lower() == ".npz":
        return _at_rate(_archive(Path(sources[0])), rate)
    found = [find(Path(s), SUFFIXES, "sound") for s in sources]
    files = [file for each in found for file in each.files]
    if not files:
        raise DataError(f"{', '.join(map(str, sources))}: there is no sound file here ({', '.join(sorted(SUFFIXES))})")
    return _joined(files, rate, pattern, tuple(note for each in found for note in each.notes))


def write_sound(path: Path | BinaryIO, samples: np.ndarray, rate: int) -> None:
    """Write amplitudes (T,) as a 16-bit WAV file.

    Raises:
        RunError: it cannot be written. UsageError: soundfile is not installed.
    """
    integers = np.clip(np.rint(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    _soundfile().write(buffer, integers, rate, subtype="PCM_16", format="WAV")
    with contextlib.nullcontext(path) if not isinstance(path, Path) else written(path) as file:
        file.write(buffer.getvalue())


def _soundfile() -> ModuleType:
    try:
        import soundfile  # pyright: ignore[reportMissingTypeStubs]
    except (ImportError, OSError) as error:
        raise UsageError(f'sound needs soundfile: pip install "fluvial[audio]" ({error})') from None
    return soundfile


@dataclass(frozen=True)
class _Wave:
    """One file: (T,) float32 with its channels averaged."""

    path: Path
    folders: tuple[str, ...]
    samples: np.ndarray
    rate: int
    channels: int


def _joined(
    files: Sequence[tuple[Path, tuple[str, ...]]], rate: int | None, pattern: str | None, notes: tuple[str, ...]
) -> Sound:
    """Read all files; those that are empty are left out and named."""
    read: list[_Wave] = []
    total = 0
    for path, folders in files:
        read.append(_read(path, folders))
        total = _added(total, read[-1].samples, path)
    kept = [w for w in read if len(w.samples)]
    notes += noted("empty, left out", [str(w.path) for w in read if not len(w.samples)])
    if not kept:
        raise DataError(f"{', '.join(str(w.path) for w in read[:_SHOWN])}: no file has any samples in it")
    rate = rate or Counter(w.rate for w in kept).most_common(1)[0][0]
    notes += noted("mixed down to one channel", [str(w.path) for w in kept if w.channels > 1])
    notes += noted("silent throughout", [str(w.path) for w in kept if not np.any(w.samples)])
    notes += noted(f"resampled to {rate:,} Hz", [f"{w.path} ({w.rate:,} Hz)" for w in kept if w.rate != rate])
    names, labels = tuple(str(w.path) for w in kept), file_labels([(w.path, w.folders) for w in kept], pattern)
    return _finished([w.samples for w in kept], [w.rate for w in kept], rate, names, labels, notes)


def _finished(
    waves: Sequence[np.ndarray],
    rates: Sequence[int],
    rate: int,
    names: tuple[str, ...],
    labels: dict[str, np.ndarray],
    notes: tuple[str, ...],
) -> Sound:
    """Recordings at one rate, none of them beyond full scale."""
    done: list[np.ndarray] = []
    loud: list[str] = []
    total = 0
    for name, wave, old in zip(names, waves, rates):
        done.append(_resampled(name, wave, old, rate))
        total = _added(total, done[-1], name)
        peak = np.abs(done[-1]).max()
        if peak > 1:
            done[-1] = done[-1] / peak
            loud.append(name)
    notes += noted("louder than full scale (-1 to 1), divided by its own peak", loud)
    return Sound(np.concatenate(done), np.array([len(w) for w in done]), names, labels, rate, notes)


def _read(path: Path, folders: tuple[str, ...]) -> _Wave:
    check_regular(path)
    soundfile = _soundfile()
    with decoding(path, "sound that can be read"), soundfile.SoundFile(path) as file:
        rate, channels = int(file.samplerate), int(file.channels)
        _check_rate(path, rate)
        check_size(path, file.frames * channels * _BYTES)
        data = file.read(dtype="float32", always_2d=True)
    if not np.isfinite(data).all():
        raise DataError(f"{path} holds samples that are not finite numbers")
    # in float64, since two channels of 3e38 have no sum in float32
    wave = data[:, 0] if channels == 1 else data.mean(1, dtype=np.float64).astype(np.float32)
    return _Wave(path, folders, np.ascontiguousarray(wave), rate, channels)


def _check_rate(path: Path, rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"{path} says that it has {rate:,} samples per second: expected {RATES[0]} to {RATES[1]:,}")


def _added(total: int, wave: np.ndarray, name: object) -> int:
    """The samples of all recordings so far, if the limit holds them."""
    check_size(f"{name}, with the recordings before it," if total else name, (total + len(wave)) * _BYTES)
    return total + len(wave)


def _resampled(name: str, wave: np.ndarray, old: int, new: int) -> np.ndarray:
    if old == new:
        return wave
    try:
        import soxr
    except ImportError as error:
        raise UsageError(f'resampling needs soxr: pip install "fluvial[audio]" ({error})') from None
    check_size(f"{name}, resampled from {old:,} to {new:,} Hz,", len(wave) * new // old * _BYTES)
    changed = soxr.resample(wave, old, new)
    return changed if len(changed) else wave[:1]


def _at_rate(sound: Sound, rate: int | None) -> Sound:
    if rate is None or rate == sound.rate:
        return sound
    notes = (*sound.notes, *noted(f"resampled to {rate:,} Hz", [f"{n} ({sound.rate:,} Hz)" for n in sound.names]))
    return _finished(sound.recordings, [sound.rate] * len(sound), rate, sound.names, sound.labels, notes)


def _archive(path: Path) -> Sound:
    arrays = read_npz(path)
    missing = [k for k in _KEYS if k not in arrays]
    if missing:
        raise DataError(f"{path} has no {missing[0]!r}; recordings need {', '.join(_KEYS)}")
    audio, lengths, given = (arrays[k] for k in _KEYS)
    if audio.ndim != 1 or not are_lengths(lengths, len(audio)):
        shapes = f"{audio.shape} and {lengths.shape} of {lengths.dtype}"
        raise DataError(f"{path}: the samples in 'audio' are not the sum of the lengths in 'length' (shapes {shapes})")
    if given.size != 1 or given.dtype.kind not in "iuf" or not float(given.item()).is_integer():
        raise DataError(f"{path}: 'sample_rate' should be one whole number, got {given.tolist()!r:.80}")
    rate = int(given.item())
    _check_rate(path, rate)
    check_size(path, audio.size * _BYTES)
    if audio.dtype.kind == "i":
        audio = audio.astype(np.float32) / np.float32(-float(np.iinfo(audio.dtype).min))
    elif audio.dtype.kind == "f":
        with np.errstate(over="ignore"):
            audio = audio.astype(np.float32)
    if audio.dtype != np.float32 or not np.isfinite(audio).all():
        raise DataError(f"{path}: 'audio' should hold signed integers or finite floats, not {arrays['audio'].dtype}")
    labels = {k: as_words(v, f"{path}: {k}") for k, v in arrays.items() if k not in _KEYS and v.shape == lengths.shape}
    names = tuple(f"{path}#{i}" for i in range(len(lengths)))
    waves = np.split(audio, np.cumsum(lengths)[:-1])
    return _finished(waves, [rate] * len(waves), rate, names, labels, ())
