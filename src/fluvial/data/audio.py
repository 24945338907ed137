"""Recordings: sound files, folders of them, and .npz archives -> samples at one rate, with labels."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.data.labels import folder_labels
from fluvial.data.words import noted

SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
)
"""Names of files that are sound."""
_KEYS = ("audio", "length", "sample_rate")
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
    if path.is_dir():
        return any(p.suffix.lower() in SUFFIXES for p in path.rglob("*"))
    if path.suffix.lower() in SUFFIXES:
        return True
    return path.suffix == ".npz" and path.is_file() and set(_KEYS) <= set(_names_in(path))


def read_sound(source: object, rate: int | None = None, pattern: str | None = None) -> Sound:
    """Read recordings, mix them down to one channel and bring them to one sampling rate.

    Args:
        source: a sound file, a folder (read with all its sub-folders, whose names become labels: ``label``, or
            ``label1``, ``label2``, ... where they are nested), a list of those, or an .npz archive with ``audio``
            (all recordings end to end, 16-bit integers or floats), ``length``, ``sample_rate`` and labels.
        rate: samples per second; None for the rate of most files.
        pattern: how file names (without their ending) tell labels, such as ``{digit}_{speaker}_{take}``.

    Raises:
        DataError: there is nothing to read, or a file is no sound, as a sentence that names it.
        UsageError: soundfile or soxr is not installed, or ``pattern`` or ``rate`` does not fit.
    """
    if isinstance(source, Sound):
        return _at_rate(source, rate)
    if rate is not None and rate < 1:
        raise UsageError(f"rate: expected a positive number of samples per second, got {rate}")
    sources: list[Any] = list(source) if isinstance(source, list | tuple) else [source]  # pyright: ignore
    if len(sources) == 1 and Path(sources[0]).suffix == ".npz":
        return _at_rate(_archive(Path(sources[0])), rate)
    files = [found for s in sources for found in _files(Path(s))]
    if not files:
        raise DataError(f"{', '.join(map(str, sources))}: there is no sound file here ({', '.join(sorted(SUFFIXES))})")
    return _joined(files, rate, pattern)


def write_sound(path: Path | BinaryIO, samples: np.ndarray, rate: int) -> None:
    """Write amplitudes (T,) as a 16-bit WAV file.

    Raises:
        RunError: it cannot be written. UsageError: soundfile is not installed.
    """
    integers = np.clip(np.rint(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    try:
        _soundfile().write(path, integers, rate, subtype="PCM_16", format="WAV")
    except (OSError, RuntimeError) as error:
        raise RunError(f"{path} could not be written: {error}") from None


def _soundfile() -> ModuleType:
    try:
        import soundfile  # pyright: ignore[reportMissingTypeStubs]
    except (ImportError, OSError) as error:
        raise UsageError(f'sound needs soundfile: pip install "fluvial[audio]" ({error})') from None
    return soundfile


def _files(path: Path) -> Iterable[tuple[Path, tuple[str, ...]]]:
    """Sound files with the names of the sub-folders they lie in."""
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        return [(p, p.relative_to(path).parts[:-1]) for p in found]
    if not path.exists():
        raise DataError(f"there is no file {path}")
    return [(path, ())]


def _joined(files: Sequence[tuple[Path, tuple[str, ...]]], rate: int | None, pattern: str | None) -> Sound:
    """Read all files; those that are empty are left out and named."""
    read = [(path, folders, *_read(path)) for path, folders in files]
    kept = [r for r in read if len(r[2])]
    notes = noted("empty, left out", [str(r[0]) for r in read if not len(r[2])])
    if not kept:
        raise DataError(f"{', '.join(str(r[0]) for r in read[:_SHOWN])}: no file has any samples in it")
    rate = rate or Counter(r[3] for r in kept).most_common(1)[0][0]
    notes += noted("mixed down to one channel", [str(r[0]) for r in kept if r[4] > 1])
    notes += noted("silent throughout", [str(r[0]) for r in kept if not np.any(r[2])])
    other = Counter(r[3] for r in kept if r[3] != rate)
    if other:
        rates = ", ".join(f"{n} at {r:,} Hz" for r, n in sorted(other.items()))
        notes += (f"resampled to {rate:,} Hz: {rates}",)
    waves = [_resampled(wave, old, rate) for _, _, wave, old, _ in kept]
    lengths = np.array([len(w) for w in waves])
    labels = _labels([(r[0], r[1]) for r in kept], pattern)
    return Sound(np.concatenate(waves), lengths, tuple(str(r[0]) for r in kept), labels, rate, notes)


def _read(path: Path) -> tuple[np.ndarray, int, int]:
    """One file: (T,) float32 with its channels averaged, its rate, and how many channels there were."""
    try:
        data, rate = _soundfile().read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, TypeError) as error:
        raise DataError(f"{path} cannot be read as sound: {error}") from None
    if not np.isfinite(data).all():
        raise DataError(f"{path} holds samples that are not finite numbers")
    return np.ascontiguousarray(data.mean(1)), int(rate), data.shape[1]


def _resampled(wave: np.ndarray, old: int, new: int) -> np.ndarray:
    if old == new:
        return wave
    try:
        import soxr
    except ImportError as error:
        raise UsageError(f'resampling needs soxr: pip install "fluvial[audio]" ({error})') from None
    changed = soxr.resample(wave, old, new)
    return changed if len(changed) else wave[:1]


def _at_rate(sound: Sound, rate: int | None) -> Sound:
    if rate is None or rate == sound.rate:
        return sound
    waves = [_resampled(w, sound.rate, rate) for w in sound.recordings]
    note = f"resampled to {rate:,} Hz: {len(waves)} at {sound.rate:,} Hz"
    lengths = np.array([len(w) for w in waves])
    return replace(sound, samples=np.concatenate(waves), lengths=lengths, rate=rate, notes=(*sound.notes, note))


def _labels(files: Sequence[tuple[Path, tuple[str, ...]]], pattern: str | None) -> dict[str, np.ndarray]:
    """From the pattern of file names, if there is one, else from the folders, where all files lie equally deep."""
    if pattern is not None:
        expression = _expression(pattern)
        rows: list[dict[str, str]] = []
        for path, _ in files:
            match = expression.fullmatch(path.stem)
            if match is None:
                raise DataError(f"{path}: the name {path.stem!r} does not fit the pattern {pattern!r}")
            rows.append(match.groupdict())
        return {name: np.array([r[name] for r in rows]) for name in expression.groupindex}
    return folder_labels([folders for _, folders in files])


def _expression(pattern: str) -> re.Pattern[str]:
    """``{name}`` stands for any text.

    >>> _expression("{digit}_{speaker}").fullmatch("7_theo").groupdict()
    {'digit': '7', 'speaker': 'theo'}
    """
    parts = re.split(r"\{(\w+)\}", pattern)
    names = parts[1::2]
    if not names or len(set(names)) != len(names) or not all(n.isidentifier() for n in names):
        raise UsageError(f"labels: expected names in braces, such as {{digit}}_{{speaker}}, got {pattern!r}")
    return re.compile("".join(f"(?P<{p}>.+?)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _names_in(path: Path) -> list[str]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return list(archive.files)
    except (OSError, ValueError):
        return []


def _archive(path: Path) -> Sound:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    missing = [k for k in _KEYS if k not in arrays]
    if missing:
        raise DataError(f"{path} has no {missing[0]!r}; recordings need {', '.join(_KEYS)}")
    audio, lengths, rate = arrays["audio"], arrays["length"].astype(np.int64), int(arrays["sample_rate"])
    if audio.ndim != 1 or lengths.ndim != 1 or not len(lengths) or lengths.min() < 1 or lengths.sum() != len(audio):
        raise DataError(f"{path}: the {len(audio)} samples of 'audio' are not the sum of the lengths in 'length'")
    if rate < 1:
        raise DataError(f"{path}: 'sample_rate' should be a positive number, got {rate}")
    if audio.dtype.kind == "i":
        audio = audio / -float(np.iinfo(audio.dtype).min)
    elif audio.dtype.kind != "f" or not np.isfinite(audio).all():
        raise DataError(f"{path}: 'audio' should hold signed integers or finite floats, not {audio.dtype}")
    labels = {k: v.astype(str) for k, v in arrays.items() if k not in _KEYS and v.shape == lengths.shape}
    names = tuple(f"{path}#{i}" for i in range(len(lengths)))
    return Sound(audio.astype(np.float32), lengths, names, labels, rate)
