"""Piano rolls: pieces of music as moments of notes that sound or do not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.core.typed import typed

KIND = "piano rolls"
SPLITS = ("train", "valid", "test")
_CELLS = {"traindata": "train", "validdata": "valid", "testdata": "test"}
_KEYS = ("rolls", "length")
_MOST_NOTES = 1 << 16
_WHAT = "the schema of the piano rolls"


@dataclass(frozen=True)
class RollSchema:
    """Notes of a moment, and moments of a new piece: the median of the training pieces."""

    notes: int
    steps: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RollSchema:
        """The schema again; a RunError, a sentence, for what :meth:`to_json` does not write."""
        plain = {name: value for name, value in data.items() if name != "kind"}
        schema = typed(plain, cls, _WHAT, exact=True)
        if not (1 <= schema.notes <= _MOST_NOTES and schema.steps >= 1):
            raise RunError(f"{_WHAT} is damaged: its notes or its steps make no sense")
        return schema


@dataclass(frozen=True)
class Rolls:
    """Pieces end to end: 0 or 1 for each note at each moment (steps, notes), and steps of each piece (M,).

    Args:
        split: of each piece, one of ``SPLITS`` or "" where the file does not tell, (M,).
    """

    values: np.ndarray
    lengths: np.ndarray
    names: tuple[str, ...]
    split: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not self.values.size or self.lengths.sum() != len(self.values):
            shape = self.values.shape
            raise DataError(f"rolls: expected (steps, notes) for {self.lengths.sum()} steps, got shape {shape}")
        if len(self.lengths) and self.lengths.min() < 1:
            raise DataError(f"rolls: piece {self.names[int(self.lengths.argmin())]} has no steps")
        if not np.isin(self.values, (0, 1)).all():
            raise DataError("rolls: expected 0 and 1, whether a note sounds")

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def notes(self) -> int:
        """Notes of a moment."""
        return self.values.shape[1]

    @property
    def pieces(self) -> list[np.ndarray]:
        """Each piece (steps, notes)."""
        return np.split(self.values, np.cumsum(self.lengths)[:-1])

    def take(self, which: np.ndarray) -> Rolls:
        """Some of the pieces."""
        pieces = self.pieces
        return replace(
            self,
            values=np.concatenate([pieces[i] for i in which]) if len(which) else self.values[:0],
            lengths=self.lengths[which],
            names=tuple(self.names[i] for i in which),
            split=self.split[which],
        )

    def part(self, split: str) -> np.ndarray:
        """Which pieces are of this split."""
        return np.flatnonzero(self.split == split)


def is_rolls(source: object) -> bool:
    """Whether ``source`` is a file of piano rolls: .mat, or .npz with ``rolls`` and ``length``.

    >>> is_rolls("chorales.mat"), is_rolls("table.csv")
    (True, False)
    """
    if isinstance(source, Rolls):
        return True
    if not isinstance(source, str | os.PathLike):
        return False
    path = Path(source)  # pyright: ignore[reportUnknownArgumentType]
    if path.suffix == ".npz" and path.is_file():
        try:
            with np.load(path, allow_pickle=False) as archive:
                return set(_KEYS) <= set(archive.files)
        except (OSError, ValueError):
            return False
    return path.suffix == ".mat"


def read_rolls(source: object) -> Rolls:
    """Read pieces.

    Args:
        source: a .mat file with cells ``traindata``, ``validdata`` and ``testdata`` of (steps, notes) matrices, as of
            Boulanger-Lewandowski et al. 2012; or an .npz archive with ``rolls`` (all pieces end to end), ``length``
            of each piece, and perhaps ``split``, "train", "valid" or "test" for each.

    Raises:
        DataError: the file holds no such thing. UsageError: scipy, which reads .mat, is not installed.
    """
    if isinstance(source, Rolls):
        return source
    if not isinstance(source, str | os.PathLike):
        raise DataError(f"rolls: expected a .mat or .npz file, got {type(source).__name__}")
    path = Path(source)  # pyright: ignore[reportUnknownArgumentType]
    try:
        return _archive(path) if path.suffix == ".npz" else _cells(path)
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror or error}") from None


def write_rolls(path: Path, pieces: np.ndarray) -> None:
    """Pieces of one length, (n, steps, notes), as an .npz archive that :func:`read_rolls` reads."""
    n, steps, notes = pieces.shape
    with path.open("wb") as file:
        np.savez_compressed(file, rolls=pieces.reshape(n * steps, notes), length=np.full(n, steps))


def _archive(path: Path) -> Rolls:
    with np.load(path, allow_pickle=False) as archive:
        if not set(_KEYS) <= set(archive.files):
            raise DataError(f"{path}: expected arrays {' and '.join(_KEYS)}, got {', '.join(archive.files)}")
        values, lengths = archive["rolls"], archive["length"].astype(int)
        split = archive["split"].astype(str) if "split" in archive.files else np.full(len(lengths), "")
    names = tuple(f"{part or 'piece'}-{i}" for i, part in enumerate(split.tolist()))
    return Rolls(values, lengths, names, split)


def _cells(path: Path) -> Rolls:
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError:
        raise UsageError("reading .mat files needs scipy: pip install scipy") from None
    try:
        found: dict[str, Any] = loadmat(path)
    except (MatReadError, ValueError, TypeError, NotImplementedError, IndexError) as error:
        raise DataError(f"{path} is no .mat file that can be read: {error}") from None
    pieces: list[np.ndarray] = []
    split: list[str] = []
    for cell, part in _CELLS.items():
        matrices: Sequence[np.ndarray] = found[cell].ravel() if cell in found else []
        pieces += [np.asarray(m, dtype=np.uint8) for m in matrices]
        split += [part] * len(matrices)
    if not pieces or any(p.ndim != 2 or p.shape[1] != pieces[0].shape[1] for p in pieces):
        raise DataError(f"{path}: expected cells {', '.join(_CELLS)} of (steps, notes) matrices of one width")
    names = tuple(f"{part}-{split[:i].count(part)}" for i, part in enumerate(split))
    return Rolls(np.concatenate(pieces), np.array([len(p) for p in pieces]), names, np.array(split))
