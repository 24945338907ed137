"""Image files: PNG, JPEG and what else pillow reads, as pixels of 8 bits, and pixels as PNG files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.core.files import write_output
from fluvial.data.limits import check_regular, check_size, decoding
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
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM")
_WHOLE = "an image that can be read"
_ORIENTATION = 0x0112  # EXIF's tag of how a camera was held
_TURNED, _SIDEWAYS = range(2, 9), range(5, 9)
_BYTES = 4  # of a pixel while it is decoded
_DEPTHS = (8, 10, 12, 14, 16)  # bits that sensors have, and that files of 16 bits are filled with
_DEEP = 16
_HALF = 128  # of the values of 8 bits


@dataclass(frozen=True)
class FilePixels:
    """Files of one size, decoded when they are read.

    Args:
        shape: (C, H, W) that every file becomes.
        size: to crop and resize to; None where all files have the size already.
        depth: bits of the values in grey files of 16 bits, of which the highest 8 are kept.
    """

    paths: tuple[Path, ...]
    shape: tuple[int, int, int]
    size: Size | None = None
    depth: int = _DEEP

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: np.ndarray) -> np.ndarray:
        """These images, (B, C, H, W) uint8."""
        images = np.empty((len(index), *self.shape), dtype=np.uint8)
        for row, i in zip(images, index):
            row[:] = _decoded(self.paths[i], self.shape, self.size, self.depth)
        return images


def open_images(
    paths: Sequence[Path], size: Size | None, channels: int | None, depth: int | None = None
) -> tuple[FilePixels, tuple[str, ...]]:
    """The files, after a look at the head of each: their common shape, and sentences on what is done to them.

    Args:
        size: to crop at the centre and resize to.
        channels: 1 or 3, None for 3 as soon as one file is in colour.
        depth: bits of the values in grey files of 16 bits; None for as few as these files fill.

    Raises:
        DataError: a file is not an image, is too large, or has another size than the first, and ``size`` is not given.
    """
    heads = [_head(path) for path in paths]
    first = heads[0]
    for path, head in zip(paths, heads):
        if size is None and head.size != first.size:
            raise DataError(
                f"{paths[0]} is {_by(first.size)} pixels (width x height), but {path} is {_by(head.size)}: a model has "
                f"images of one size; --size {_by(first.size, '')} crops all at the centre and resizes them"
            )
    channels = channels or (1 if all(head.grey for head in heads) else 3)
    width, height = size or first.size
    top = max(head.top if head.grey else 0 for head in heads)
    depth = depth or next(bits for bits in _DEPTHS if top >> bits == 0 and (top or bits == _DEEP))
    notes = _notes(paths, heads, channels, (width, height), depth)
    return FilePixels(tuple(paths), (channels, height, width), size, depth), notes


def _notes(paths: Sequence[Path], heads: Sequence[_Head], channels: int, size: Size, depth: int) -> tuple[str, ...]:
    """What is done to the files on the way to pixels of 8 bits, and to which."""

    def noted_where(what: str, holds: Callable[[_Head], bool]) -> tuple[str, ...]:
        return noted(what, [str(path) for path, head in zip(paths, heads) if holds(head)])

    notes = noted_where("transparent, laid on white", lambda h: h.clear)
    notes += noted_where("animated, its first frame taken", lambda h: h.animated)
    notes += noted_where("turned as the camera was held (EXIF)", lambda h: h.turned)
    notes += noted_where("16 bits a pixel, brought down to 8", lambda h: h.deep)
    if depth < _DEEP:
        last = max(head.top for head in heads if head.grey)
        notes += (
            f"grey values of 16 bits end at {last:,}, so they are read as of {depth} bits: 0 to {(1 << depth) - 1:,}",
        )
    faint = [head.top for head in heads if head.deep and not head.grey]
    if faint and 0 < max(faint) < _HALF:
        notes += (
            f"pixels of 16 bits in colour end at {max(faint)} of 255 once they are brought down to 8: stretch them to "
            "the whole range first to keep more",
        )
    if channels == 3:
        notes += noted_where("grey, taken as colour", lambda h: h.grey)
    else:
        notes += noted_where("colour, taken as grey", lambda h: not h.grey)
    return notes + noted_where(f"cropped at the centre and resized to {_by(size)}", lambda h: h.size != size)


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
    write_output(path, png(image))


@dataclass(frozen=True)
class _Head:
    """What the head of a file says; ``top`` is the largest value of one with 16 bits (in colour, once they are 8), else
    0."""

    size: Size
    grey: bool
    clear: bool
    deep: bool
    animated: bool
    turned: bool
    top: int


def _head(path: Path) -> _Head:
    with _opened(path) as image, decoding(path, _WHOLE):
        if image.mode not in _KNOWN:
            raise DataError(f"{path} has pixels of the kind {image.mode!r}: expected 8 or 16 bits, grey or colour")
        width, height = image.size
        orientation = _orientation(path, image)
        if orientation in _SIDEWAYS:
            width, height = height, width
        tiles: Any = getattr(image, "tile", [])
        deep = any("16" in str(tile[3]) for tile in tiles)
        return _Head(
            (width, height),
            image.mode in _GREY,
            image.mode in _CLEAR or "transparency" in image.info,
            deep,
            bool(getattr(image, "is_animated", False)),
            orientation in _TURNED,
            int(np.asarray(image).max()) if deep or image.mode.startswith("I;16") else 0,
        )


def _orientation(path: Path, image: Image.Image) -> object:
    """How the camera was held, as EXIF counts it."""
    if image.format == "PNG" and b"eXIf" not in path.read_bytes():
        # pillow would decode all pixels to look for EXIF behind them
        return _pillow().Image.getexif(image).get(_ORIENTATION)
    return image.getexif().get(_ORIENTATION)


def _decoded(path: Path, shape: tuple[int, int, int], size: Size | None, depth: int) -> np.ndarray:
    """One file as (C, H, W) uint8."""
    from PIL import ImageOps

    with _opened(path) as image, decoding(path, _WHOLE):
        image.load()
        ImageOps.exif_transpose(image, in_place=True)  # first, as EXIF is lost on the way to other pixels
        plain = _opaque(path, image, depth)
        wanted = plain.convert("L" if shape[0] == 1 else "RGB")
        planes = _planes(wanted if size is None else _cropped(wanted, size))
    if planes.shape != shape:
        raise DataError(f"{path} is {_by(plain.size)} pixels now, not {_by((shape[2], shape[1]))} as it was before")
    return planes


def _opaque(path: Path, image: Image.Image, depth: int) -> Image.Image:
    """Eight bits, nothing transparent: what shines through is white, the paper that pictures lie on."""
    pillow = _pillow()
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.max() >> depth:
            raise DataError(
                f"{path} holds the grey value {values.max():,}, and the model's images have {depth} bits, 0 to "
                f"{(1 << depth) - 1:,}: bring it to that range"
            )
        return pillow.fromarray((values >> (depth - 8)).astype(np.uint8))
    if image.mode in _CLEAR or "transparency" in image.info:
        clear = image.convert("RGBA")
        flat = pillow.alpha_composite(pillow.new("RGBA", clear.size, "white"), clear)
        return flat.convert("L" if image.mode in _GREY else "RGB")
    return image.convert("L" if image.mode in _GREY else "RGB")


def _opened(path: Path) -> Image.Image:
    pillow = _pillow()
    check_regular(path)
    check_size(path, path.stat().st_size)
    with warnings.catch_warnings(), decoding(path, _WHOLE):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        try:
            image = pillow.open(path, formats=_FORMATS)
        except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
            raise DataError(
                f"{path} says that it has more than {pillow.MAX_IMAGE_PIXELS:,} pixels, which is refused unread, as "
                "such files are made to fill a memory: make it smaller first"
            ) from None
        except pillow.UnidentifiedImageError:
            raise DataError(f"{path} is not an image, or is damaged") from None
    check_size(path, image.width * image.height * _BYTES)
    return image


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
