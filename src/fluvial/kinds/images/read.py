"""Images: files, folders of them, and arrays -> pixels of 8 bits that are read as they are needed, with labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch

from fluvial.core.errors import DataError, UsageError
from fluvial.data.arrays import as_words, read_npy, read_npz
from fluvial.data.folders import find, holds
from fluvial.data.labels import folder_labels
from fluvial.data.tables import as_array
from fluvial.kinds.images.arrays import (
    ArrayPixels,
    check_pixels,
    image_names,
    is_idx,
    is_pixels,
    read_idx,
)
from fluvial.kinds.images.files import SUFFIXES, Size, open_images

FOLDER, LABELS = "folder", "labels"
"""Where labels come from: the folders of files, and what else a data set has under that name."""
_HELD = 1 << 29  # bytes of pixels up to which files are decoded once and held in memory
_CHUNK = 256


class Pixels(Protocol):
    """Images of one shape, wherever they lie."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: np.ndarray) -> np.ndarray:
        """These images, (B, C, H, W) uint8."""
        ...


@dataclass(frozen=True)
class Images:
    """Images of one shape and what they are called.

    Args:
        pixels: where they are read from.
        index: which of those, (N,).
        names: their files, or the array and their place in it, (N,).
        labels: by name, one string for each image, (N,).
        notes: sentences on what was done to the files.
        rule: how labels are found, None where there are none or none that other images have too.
        resized: whether they were brought to their size, as others should be then.
        depth: bits of the values in grey files of 16 bits.
    """

    pixels: Pixels
    index: np.ndarray
    names: tuple[str, ...]
    labels: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    rule: str | None = None
    resized: bool = False
    depth: int = 16

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each."""
        return self.pixels.shape

    def read(self, index: np.ndarray | None = None) -> np.ndarray:
        """These images, or all, (B, C, H, W) uint8."""
        return self.pixels.read(self.index if index is None else self.index[index])

    def take(self, which: np.ndarray) -> Images:
        """Some of the images."""
        return replace(
            self,
            index=self.index[which],
            names=tuple(self.names[i] for i in which),
            labels={k: v[which] for k, v in self.labels.items()},
        )


def is_images(source: object) -> bool:
    """Whether ``source`` is images, not a table: files or a folder of them, idx, or arrays of uint8 with 3 or 4 axes.

    >>> is_images("cat.png"), is_images(np.zeros((5, 28, 28), dtype=np.uint8)), is_images(np.zeros((5, 28)))
    (True, True, False)
    """
    if isinstance(source, Images):
        return True
    if isinstance(source, np.ndarray | torch.Tensor):
        return is_pixels(as_array(source) if isinstance(source, torch.Tensor) else source)
    if isinstance(source, list | tuple):
        items = cast("Sequence[object]", source)
        return bool(items) and all(isinstance(s, str | os.PathLike) and is_images(s) for s in items)
    if not isinstance(source, str | os.PathLike):
        return False
    path, pick = _picked(cast("str | os.PathLike[str]", source))
    if os.path.isdir(path):
        return holds(path, SUFFIXES)
    if path.suffix.lower() == ".npz":
        names = image_names(path)
        return pick in names if pick else bool(names)
    if path.suffix.lower() == ".npy":
        return _holds_pixels(path)
    return path.suffix.lower() in SUFFIXES or is_idx(path)


def read_images(
    source: object,
    size: Size | None = None,
    labels: object = None,
    channels: int | None = None,
    depth: int | None = None,
) -> Images:
    """Images of one size, with labels.

    Files are decoded once where they fill at most half a GiB, else whenever they are read; .npy and bare idx files are
    memory-mapped.

    Args:
        source: an image file, a folder (read with all its sub-folders), a list of those, an idx file (.gz too), an
            .npy or .npz file (``file.npz:name`` picks one of several arrays), or an array: uint8, (N, H, W),
            (N, H, W, C) or (N, C, H, W); or images that have been read, which stay as they are.
        size: (width, height) to crop to at the centre, and to resize to.
        labels: None; "folder" for the names of the folders that the files lie in; the name of an array in the .npz
            file, or "labels" for the idx file that belongs to one of images; another file; or an array, one a image.
        channels: 1 for grey and 3 for colour; None for what they are, colour as soon as one image is.
        depth: bits of the values in grey files of 16 bits, of which the highest 8 are kept; None for 8, 10, 12, 14 or
            16, as few as these files fill.

    Raises:
        DataError: there is nothing to read, or a file is not an image, as a sentence that names it.
        UsageError: pillow is not installed, or ``size`` or ``labels`` does not fit.
    """
    if size is not None and not all(1 <= n <= 1 << 15 for n in size):
        raise UsageError(f"size: expected width and height of at least 1 and at most {1 << 15}, got {size}")
    if isinstance(source, Images):
        return source
    images = replace(_read(source, size, channels, depth), resized=size is not None)
    if isinstance(labels, str) and labels == FOLDER:
        return images if images.labels else _no_folders(source)
    values = None if labels is None else _values(source, labels)
    if values is None:
        return replace(images, labels={})
    if values.shape != (len(images),):
        raise DataError(f"labels: expected one for each of {len(images):,} images, got shape {values.shape}")
    rule = labels if isinstance(labels, str) and not os.path.exists(labels) else None
    return replace(images, labels={"label": as_words(values, "labels")}, rule=rule)


def _read(source: object, size: Size | None, channels: int | None, depth: int | None) -> Images:
    """The images, with the folders of files as their labels."""
    if isinstance(source, np.ndarray | torch.Tensor):
        return _in_array(np.asarray(source), "images", size, channels)
    items = cast("Sequence[str]", source if isinstance(source, list | tuple) else [source])
    paths = [_picked(s) for s in items]
    if len(paths) == 1 and (array := _array(*paths[0])) is not None:
        return _in_array(*array, size, channels)
    found = [find(path, SUFFIXES, "an image") for path, _ in paths]
    files = [file for each in found for file in each.files]
    if not files:
        raise DataError(f"{', '.join(map(str, items))}: there is no image file here ({', '.join(sorted(SUFFIXES))})")
    pixels, notes = open_images([path for path, _ in files], size, channels, depth)
    everything = np.arange(len(files))
    held: Pixels = pixels
    if len(files) * int(np.prod(pixels.shape)) <= _HELD:
        parts = np.array_split(everything, -(-len(files) // _CHUNK))
        held = ArrayPixels(np.concatenate([pixels.read(part) for part in parts]).transpose(0, 2, 3, 1))
    named = folder_labels([folders for _, folders in files])
    notes = (*(note for each in found for note in each.notes), *notes)
    return Images(held, everything, tuple(str(path) for path, _ in files), named, notes, FOLDER, depth=pixels.depth)


def _in_array(array: np.ndarray, name: str, size: Size | None, channels: int | None) -> Images:
    pixels = ArrayPixels(check_pixels(array, name), size, channels)
    notes: tuple[str, ...] = ()
    before, now = pixels.own, pixels.shape
    if before[1:] != now[1:]:
        notes += (f"cropped at the centre and resized to {now[2]} x {now[1]}: all {len(array):,}",)
    if before[0] != now[0]:
        notes += ("grey, taken as colour" if now[0] == 3 else "colour, taken as grey",)
    return Images(pixels, np.arange(len(array)), tuple(f"{name}#{i}" for i in range(len(array))), {}, notes)


def _array(path: Path, pick: str) -> tuple[np.ndarray, str] | None:
    """The array in a file and what to call it; None for an image file or a folder."""
    if path.suffix.lower() == ".npz":
        names = image_names(path)
        if len(names) != 1 and not pick:
            what = f"holds several arrays of images, {', '.join(names)}" if names else "holds no images"
            raise DataError(f"{path} {what}" + (f": pick one as {path.name}:{names[0]}" if names else ""))
        pick = pick or names[0]
        return read_npz(path, [pick])[pick], f"{path}:{pick}"
    if path.suffix.lower() != ".npy" and not is_idx(path):
        return None
    if not os.path.lexists(path):
        raise DataError(f"there is no file {path}")
    return (read_npy(path, mapped=True) if path.suffix.lower() == ".npy" else read_idx(path)), str(path)


def _values(source: object, labels: object) -> np.ndarray:
    """Labels from elsewhere than folders, (N,)."""
    if not isinstance(labels, str):
        return np.asarray(labels)
    path, _ = _picked(cast("str", source)) if isinstance(source, str | os.PathLike) else (Path(), "")
    if path.suffix.lower() == ".npz":
        try:
            return read_npz(path, [labels])[labels]
        except DataError as error:
            raise UsageError(f"labels: {error}") from None
    named = Path(os.path.expanduser(labels))
    if labels == LABELS and is_idx(path):
        named = path.with_name(path.name.replace("images", LABELS).replace("idx3", "idx1"))
    if not os.path.isfile(named) or not (is_idx(named) or named.suffix.lower() == ".npy"):
        raise UsageError(
            f"labels: expected 'folder', the name of an array in an .npz of images, or an idx or .npy file with one "
            f"label for each image, got {labels!r}"
        )
    return read_idx(named) if is_idx(named) else read_npy(named)


def _no_folders(source: object) -> Images:
    raise DataError(f"labels: the images of {source} do not lie in folders, equally deep, that could name them")


def _holds_pixels(path: Path) -> bool:
    try:
        return is_pixels(read_npy(path, mapped=True))
    except DataError:
        return False


def _picked(source: str | os.PathLike[str]) -> tuple[Path, str]:
    """``file.npz:name`` as the file and the name."""
    path = Path(os.path.expanduser(source))
    stem, colon, name = str(path).rpartition(".npz:")
    return (Path(stem + ".npz"), name) if colon and not os.path.exists(path) else (path, "")
