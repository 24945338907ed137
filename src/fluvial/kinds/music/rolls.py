"""Piano rolls: pieces of music as moments of notes that sound or do not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, RunError
from fluvial.core.files import written
from fluvial.core.typed import typed
from fluvial.data.arrays import are_lengths, array_names, as_words, read_npz
from fluvial.data.matlab import read_cells

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
        _check_notes(self.values, "rolls")

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
    if path.suffix.lower() == ".npz":
        return set(_KEYS) <= set(array_names(path))
    return path.suffix.lower() == ".mat"


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
    return _archive(path) if path.suffix.lower() == ".npz" else _mat(path)


def write_rolls(path: Path, pieces: np.ndarray) -> None:
    """Pieces of one length, (n, steps, notes), as an .npz archive that :func:`read_rolls` reads."""
    n, steps, notes = pieces.shape
    with written(path) as file:
        np.savez_compressed(file, rolls=pieces.reshape(n * steps, notes), length=np.full(n, steps))


def _archive(path: Path) -> Rolls:
    arrays = read_npz(path)
    if not set(_KEYS) <= set(arrays):
        raise DataError(f"{path}: expected arrays {' and '.join(_KEYS)}, got {', '.join(arrays) or 'none'}")
    values, lengths = arrays["rolls"], arrays["length"]
    if values.ndim != 2 or not are_lengths(lengths, len(values)):
        raise DataError(
            f"{path}: expected 'rolls' of shape (steps, notes), and in 'length' whole numbers of at least 1 that "
            f"add up to its steps; got shapes {values.shape} and {lengths.shape}, of {lengths.dtype}"
        )
    split = as_words(arrays.get("split", np.full(len(lengths), "")), f"{path}: 'split'")
    if split.shape != lengths.shape or not set(split.tolist()) <= {*SPLITS, ""}:
        raise DataError(f"{path}: 'split' should hold one of {', '.join(SPLITS)} for each of {len(lengths):,} pieces")
    _check_notes(values, f"{path}: 'rolls'")
    names = tuple(f"{part or 'piece'}-{i}" for i, part in enumerate(split.tolist()))
    return Rolls(values.astype(np.uint8), lengths.astype(np.int64), names, split)


def _mat(path: Path) -> Rolls:
    names: list[str] = []
    pieces: list[np.ndarray] = []
    split: list[str] = []
    for cell, matrices in read_cells(path, list(_CELLS)).items():
        part = _CELLS[cell]
        for i, matrix in enumerate(matrices):
            name = f"{path}: piece {i + 1} of {cell}"
            if matrix.ndim != 2 or not matrix.size or (pieces and matrix.shape[1] != pieces[0].shape[1]):
                like = f" as wide as those before it, {pieces[0].shape[1]}" if pieces else ""
                raise DataError(f"{name}: expected (steps, notes){like}, got shape {matrix.shape}")
            _check_notes(matrix, name)
            pieces.append(matrix.astype(np.uint8))
            names.append(f"{part}-{i}")
            split.append(part)
    if not pieces:
        raise DataError(f"{path}: expected cells {', '.join(_CELLS)} of (steps, notes) matrices")
    return Rolls(np.concatenate(pieces), np.array([len(p) for p in pieces]), tuple(names), np.array(split))


def _check_notes(values: np.ndarray, name: str) -> None:
    """DataError unless every value is 0 or 1, before any cast: 257 and 0.9 are neither."""
    if values.dtype.kind not in "biuf":
        raise DataError(f"{name}: expected 0 and 1, whether a note sounds, got {values.dtype}")
    wrong = ~((values == 0) | (values == 1))
    if wrong.any():
        raise DataError(f"{name}: expected 0 and 1, whether a note sounds, got {values[wrong][0]!s}")
