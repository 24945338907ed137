"""Arrays of images: idx files (MNIST's own), .npy and .npz files, memory-mapped where they lie on disk as they are."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.arrays import npz_heads
from fluvial.data.limits import check_size, open_regular, unpacked
from fluvial.kinds.images.files import Size, resize

_KINDS = {8: np.uint8, 9: np.int8, 11: np.dtype(">i2"), 12: np.dtype(">i4"), 13: np.dtype(">f4"), 14: np.dtype(">f8")}
_TYPES = ("uint8", "bool")
_AXES = 4  # of an idx file at most


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
        DataError: it is not an idx file, or is cut short, or it unpacks to more than the limit.
    """
    if path.suffix == ".gz":
        with unpacked(path) as file:
            kind, shape = _idx_head(path, file)
            need = math.prod(shape) * np.dtype(kind).itemsize
            check_size(path, need)
            content = file.read(need + 1)
        _check_idx(path, kind, shape, len(content))
        return np.frombuffer(content, kind).reshape(shape)
    with open_regular(path) as file:
        kind, shape = _idx_head(path, file)
        start = file.tell()
        _check_idx(path, kind, shape, os.fstat(file.fileno()).st_size - start)
        return np.memmap(file, kind, "r", start, shape) if math.prod(shape) else np.empty(shape, kind)


def image_names(path: Path) -> list[str]:
    """The arrays of an .npz file that are images, by their headers alone; none for any other file."""
    try:
        heads = npz_heads(path)
    except DataError:
        return []
    return [name for name, (shape, kind) in heads.items() if kind.name in _TYPES and len(shape) in (3, 4)]


def _idx_head(path: Path, file: BinaryIO) -> tuple[Any, tuple[int, ...]]:
    """The type of the numbers and the shape of the array; the file stands where they begin."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _KINDS:
        raise DataError(f"{path} is not a whole idx file")
    axes = head[3]
    if not 1 <= axes <= _AXES:
        raise DataError(f"{path} says that it has {axes} axes: images have 3 or 4, labels have 1")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DataError(f"{path} is not a whole idx file")
    return _KINDS[head[2]], tuple(int(n) for n in np.frombuffer(sizes, ">u4"))


def _check_idx(path: Path, kind: Any, shape: tuple[int, ...], size: int) -> None:  # noqa: ANN401  (as numpy's own)
    """DataError unless so many bytes are the array that the head of a file claims."""
    if size != math.prod(shape) * np.dtype(kind).itemsize:
        held = f"{size // np.dtype(kind).itemsize:,} numbers"
        raise DataError(f"{path} is damaged: its head says {shape}, but it holds {held}")


def _in_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Grey as colour, and colour as grey by the weights of ITU-R 601, as pillow has them."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.repeat(3, 1)
    weighted = images.astype(np.uint32) * np.array([19595, 38470, 7471], dtype=np.uint32)[:, None, None]
    return ((weighted.sum(1, keepdims=True) + 0x8000) >> 16).astype(np.uint8)
