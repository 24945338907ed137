"""Arrays of images: idx files (MNIST's own), .npy and .npz files, memory-mapped where they lie on disk as they are."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.image_files import Size, resize

_KINDS = {8: np.uint8, 9: np.int8, 11: np.dtype(">i2"), 12: np.dtype(">i4"), 13: np.dtype(">f4"), 14: np.dtype(">f8")}
_TYPES = ("uint8", "bool")
_DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, SyntaxError, KeyError)


@dataclass(frozen=True)
class ArrayPixels:
    """An array of images with its axes as they come, perhaps on disk.

    Args:
        array: uint8 or bool, (N, H, W), (N, H, W, C) or (N, C, H, W).
        size: to crop and resize each image to; None to leave them.
        channels: 1 or 3, None for as many as there are.
    """

    array: np.ndarray
    size: Size | None = None
    channels: int | None = None

    def __len__(self) -> int:
        return len(self.array)

    @property
    def own(self) -> tuple[int, int, int]:
        """(C, H, W) of the array."""
        if self.array.ndim == 3:
            return 1, self.array.shape[1], self.array.shape[2]
        first, second, third = self.array.shape[1:]
        return (third, first, second) if self._last else (first, second, third)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what is read."""
        channels, height, width = self.own
        if self.size is not None:
            width, height = self.size
        return self.channels or channels, height, width

    @property
    def _last(self) -> bool:
        return self.array.shape[-1] in (1, 3)

    def read(self, index: np.ndarray) -> np.ndarray:
        """These images, (B, C, H, W) uint8."""
        images = np.asarray(self.array[index])
        if images.dtype == bool:
            images = images * np.uint8(255)
        if images.ndim == 3:
            images = images[:, None]
        elif self._last:
            images = images.transpose(0, 3, 1, 2)
        if self.size is not None:
            images = np.stack([resize(image, self.size) for image in images])
        return _in_channels(images, self.shape[0])


def is_pixels(array: np.ndarray) -> bool:
    """Whether an array is one of images: uint8 or bool, with three or four axes."""
    return array.dtype.name in _TYPES and array.ndim in (3, 4)


def check_pixels(array: np.ndarray, name: str) -> np.ndarray:
    """The array, if it is one of images.

    Raises:
        DataError: another type, or another number of channels or axes.
    """
    if not is_pixels(array):
        raise DataError(
            f"{name} is an array of {array.dtype} of shape {array.shape}: images are uint8, (N, H, W), (N, H, W, C) or "
            "(N, C, H, W)"
        )
    if not array.size:
        raise DataError(f"{name} is empty: its shape is {array.shape}")
    if array.ndim == 4 and array.shape[-1] not in (1, 3) and array.shape[1] not in (1, 3):
        raise DataError(
            f"{name} has shape {array.shape}: images have 1 channel or 3, as the second axis or as the last; lay "
            "transparent ones on a ground first"
        )
    return array


def is_idx(path: Path) -> bool:
    """Whether a file is idx, MNIST's format, perhaps gzipped."""
    names = path.name.removesuffix(".gz")
    return names.endswith(("-ubyte", ".idx", ".idx1", ".idx3", ".idx4"))


def read_idx(path: Path) -> np.ndarray:
    """The array in an idx file; memory-mapped if it is not compressed.

    Raises:
        DataError: it is no idx file, or not a whole one.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                content = file.read()
            kind, shape, start = _idx_head(content, path)
            array = np.frombuffer(content, kind, offset=start) if len(content) > start else np.empty(0, kind)
            size = array.size
        else:
            with open(path, "rb") as file:
                kind, shape, start = _idx_head(file.read(4 + 4 * 255), path)
            size = (path.stat().st_size - start) // np.dtype(kind).itemsize
            array = np.memmap(path, kind, "r", start) if size > 0 else np.empty(0, kind)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if size != math.prod(shape):
        raise DataError(f"{path} is damaged: its head says {shape}, but it holds {size:,} numbers")
    return array.reshape(shape)


def read_npy(path: Path) -> np.ndarray:
    """The array in an .npy file, memory-mapped."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise DataError(f"{path} is not a whole file of numpy arrays: {error}") from None


def read_npz(path: Path, name: str) -> np.ndarray:
    """One array of an .npz file."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return archive[name]
    except _DAMAGED as error:
        raise DataError(f"{path}: {name} cannot be read: {error}") from None


def image_names(path: Path) -> list[str]:
    """The arrays of an .npz file that are images, told by their heads alone; none for what is no .npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            heads = {name.removesuffix(".npy"): _npy_head(archive, name) for name in archive.namelist()}
    except _DAMAGED:
        return []
    return [name for name, (shape, kind) in heads.items() if kind.name in _TYPES and len(shape) in (3, 4)]


def _npy_head(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], Any]:
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        return shape, kind


def _idx_head(content: bytes, path: Path) -> tuple[Any, tuple[int, ...], int]:
    """The type of the numbers, the shape of the array, and where it begins."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _KINDS or len(content) < 4 + 4 * content[3]:
        raise DataError(f"{path} is not a whole idx file")
    axes = content[3]
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", axes, 4))
    return _KINDS[content[2]], shape, 4 + 4 * axes


def _in_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Grey as colour, and colour as grey by the weights of ITU-R 601, as pillow has them."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.repeat(3, 1)
    weighted = images.astype(np.uint32) * np.array([19595, 38470, 7471], dtype=np.uint32)[:, None, None]
    return ((weighted.sum(1, keepdims=True) + 0x8000) >> 16).astype(np.uint8)
