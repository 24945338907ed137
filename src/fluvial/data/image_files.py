"""Image files: PNG, JPEG and what else pillow reads, as pixels of 8 bits, and pixels as PNG files."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.data.words import noted

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
"""Names of files that are images."""

Size = tuple[int, int]
"""Width and height, as image files have them."""

_GREY = frozenset({"1", "L", "LA", "I;16", "I;16B", "I;16L"})
_CLEAR = frozenset({"LA", "PA", "RGBA", "RGBa", "La"})
_KNOWN = _GREY | _CLEAR | {"P", "RGB", "CMYK", "YCbCr", "HSV", "LAB"}
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, TypeError)
_TURNED = frozenset({"JPEG", "MPO", "TIFF", "WEBP"})  # whose heads say, as EXIF, how a camera was held
_ORIENTATION, _SIDEWAYS = 0x0112, 5
_SHARE = 256  # 16-bit values to one 8-bit value


@dataclass(frozen=True)
class FilePixels:
    """Files of one size, decoded when they are read.

    Args:
        shape: (C, H, W) that every file becomes.
        size: to crop and resize to; None where all files have the size already.
    """

    paths: tuple[Path, ...]
    shape: tuple[int, int, int]
    size: Size | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: np.ndarray) -> np.ndarray:
        """These images, (B, C, H, W) uint8."""
        images = np.empty((len(index), *self.shape), dtype=np.uint8)
        for row, i in zip(images, index):
            row[:] = _decoded(self.paths[i], self.shape, self.size)
        return images


def find_images(source: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """Image files, each with the names of the sub-folders it lies in."""
    if not source.is_dir():
        if not source.exists():
            raise DataError(f"there is no file {source}")
        return [(source, ())]
    return [(p, p.relative_to(source).parts[:-1]) for p in sorted(image_files(source))]


def image_files(folder: Path) -> Iterable[Path]:
    """The image files in a folder and its sub-folders, in no order; hidden ones are left out."""
    paths = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return (p for p in paths if p.is_file())


def open_images(paths: Sequence[Path], size: Size | None, channels: int | None) -> tuple[FilePixels, tuple[str, ...]]:
    """The files, after a look at the head of each: their common shape, and sentences on what is done to them.

    Args:
        size: to crop at the centre and resize to.
        channels: 1 or 3, None for 3 as soon as one file is in colour.

    Raises:
        DataError: a file is no image, is too large, or has another size than the first, and ``size`` is not given.
    """
    heads = [_head(path) for path in paths]
    first = heads[0]
    for path, head in zip(paths, heads):
        if size is None and head.size != first.size:
            raise DataError(
                f"{paths[0]} is {_by(first.size)} pixels (width x height), but {path} is {_by(head.size)}: a model has "
                f"images of one size; --size {_by(first.size, '')} crops all at the centre and resizes them"
            )
    grey = [str(p) for p, h in zip(paths, heads) if h.grey]
    colour = [str(p) for p, h in zip(paths, heads) if not h.grey]
    channels = channels or (3 if colour else 1)
    notes = noted("transparent, laid on white", [str(p) for p, h in zip(paths, heads) if h.clear])
    notes += noted("animated, its first frame taken", [str(p) for p, h in zip(paths, heads) if h.frames > 1])
    notes += noted("16 bits a pixel, brought down to 8", [str(p) for p, h in zip(paths, heads) if h.deep])
    if channels == 3:
        notes += noted("grey, taken as colour", grey)
    else:
        notes += noted("colour, taken as grey", colour)
    changed = [str(p) for p, h in zip(paths, heads) if size is not None and h.size != size]
    if size is not None:
        notes += noted(f"cropped at the centre and resized to {_by(size)}", changed)
    width, height = size or first.size
    return FilePixels(tuple(paths), (channels, height, width), size), notes


def resize(image: np.ndarray, size: Size) -> np.ndarray:
    """One image (C, H, W) uint8, cropped at the centre to the proportions of ``size`` and resized to it."""
    height_width = image.shape[1:]
    if height_width == size[::-1]:
        return image
    pillow, plane = _pillow(), image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    return _planes(_cropped(pillow.fromarray(np.ascontiguousarray(plane)), size))


def png(image: np.ndarray) -> bytes:
    """One image, (H, W) or (H, W, 3) uint8, as a PNG file."""
    file = io.BytesIO()
    _pillow().fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2, scale: int | None = None) -> np.ndarray:
    """Images (N, H, W) or (N, H, W, 3) uint8 side by side on white, as near a square as goes.

    Args:
        columns: images in a row.
        gap: pixels between them.
        scale: screen pixels of a pixel's side; None for so many that an image is about 64 wide.

    >>> grid(np.zeros((4, 28, 28), dtype=np.uint8), gap=0, scale=1).shape
    (56, 56)
    """
    n, height, width = images.shape[:3]
    across = columns or max(1, round((n * height / width) ** 0.5))
    down = -(-n // across)
    scale = scale or max(1, round(64 / max(height, width)))
    tall, wide = scale * height + gap, scale * width + gap
    sheet = np.full((down * tall - gap, across * wide - gap, *images.shape[3:]), 255, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = i // across * tall, i % across * wide
        sheet[top : top + tall - gap, left : left + wide - gap] = image.repeat(scale, 0).repeat(scale, 1)
    return sheet


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image, (H, W) or (H, W, 3) uint8; an older file stays whole until the new one is.

    Raises:
        RunError: it cannot be written. UsageError: pillow is not installed.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(png(image))
        part.replace(path)
    except OSError as error:
        raise RunError(f"{path} could not be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Head:
    """What the head of a file says."""

    size: Size
    grey: bool
    clear: bool
    deep: bool
    frames: int


def _head(path: Path) -> _Head:
    with _opened(path) as image:
        if image.mode not in _KNOWN:
            raise DataError(f"{path} has pixels of the kind {image.mode!r}: expected 8 or 16 bits, grey or colour")
        width, height = image.size
        tiles: Any = getattr(image, "tile", [])
        try:
            if image.format in _TURNED and image.getexif().get(_ORIENTATION, 1) >= _SIDEWAYS:
                width, height = height, width
            frames = int(getattr(image, "n_frames", 1))
        except _DAMAGED as error:
            raise DataError(f"{path} is damaged: {error}") from None
        clear = image.mode in _CLEAR or "transparency" in image.info
        deep = any("16" in str(tile[3]) for tile in tiles)
        return _Head((width, height), image.mode in _GREY, clear, deep, frames)


def _decoded(path: Path, shape: tuple[int, int, int], size: Size | None) -> np.ndarray:
    """One file as (C, H, W) uint8."""
    from PIL import ImageOps

    with _opened(path) as image:
        try:
            plain = _opaque(image)
            if image.format in _TURNED:
                plain = ImageOps.exif_transpose(plain)
        except _DAMAGED as error:
            raise DataError(f"{path} is damaged: {error}") from None
    wanted = plain.convert("L" if shape[0] == 1 else "RGB")
    planes = _planes(wanted if size is None else _cropped(wanted, size))
    if planes.shape != shape:
        raise DataError(f"{path} is {_by(plain.size)} pixels now, not {_by((shape[2], shape[1]))} as it was before")
    return planes


def _opaque(image: Image.Image) -> Image.Image:
    """Eight bits, nothing transparent: what shines through is white, the paper that pictures lie on."""
    pillow = _pillow()
    if image.mode.startswith("I;16"):
        return pillow.fromarray((np.asarray(image) // _SHARE).astype(np.uint8))
    if image.mode in _CLEAR or "transparency" in image.info:
        clear = image.convert("RGBA")
        flat = pillow.alpha_composite(pillow.new("RGBA", clear.size, "white"), clear)
        return flat.convert("L" if image.mode in _GREY else "RGB")
    return image.convert("L" if image.mode in _GREY else "RGB")


def _opened(path: Path) -> Image.Image:
    pillow = _pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        try:
            return pillow.open(path)
        except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
            raise DataError(
                f"{path} says that it has more than {pillow.MAX_IMAGE_PIXELS:,} pixels, which is refused unread, as "
                "such files are made to fill a memory: make it smaller first"
            ) from None
        except pillow.UnidentifiedImageError:
            raise DataError(f"{path} is no image, or a damaged one") from None
        except _DAMAGED as error:
            raise DataError(f"{path} cannot be read as an image: {error}") from None


def _cropped(image: Image.Image, size: Size) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.fit(image, size, _pillow().Resampling.LANCZOS)


def _planes(image: Image.Image) -> np.ndarray:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _by(size: Size, space: str = " ") -> str:
    return f"{size[0]}{space}x{space}{size[1]}"


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError(f'image files need pillow: pip install "fluvial[image]" ({error})') from None
    return Image
