"""What a model of images knows about them: their shape, their bits, and the labels it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, RunError
from fluvial.core.typed import typed
from fluvial.data.labels import check_known
from fluvial.kinds.images.read import Images
from fluvial.kinds.labelled import LabelledSchema

KIND = "images"
_WHOLE = 8
_MOST_NUMBERS = 1 << 26
_WHAT = "the schema of the images"


@dataclass(frozen=True)
class ImageSchema(LabelledSchema):
    """Images like those that a model was fitted to.

    Args:
        shape: channels (1 grey, 3 colour), height and width.
        bits: of a pixel's numbers, 1 to 8; the lowest ones of 8 are left out.
        context: the labels that the model is given, in order, each with its values.
        labels: how labels are found, as in ``kinds.images.read.read_images``; None where each call must give them.
        resized: whether images were cropped and resized to this shape.
        flipped: whether the model was fitted to the images and to their mirror images, left for right, which is
            another density than that of the images alone.
        depth: bits of the values in grey files of 16 bits, of which the highest 8 are kept.
    """

    shape: tuple[int, int, int]
    bits: int
    context: dict[str, tuple[str, ...]]
    labels: str | None = None
    resized: bool = False
    flipped: bool = False
    depth: int = 16

    @classmethod
    def of(cls, images: Images, bits: int, flipped: bool = False) -> ImageSchema:
        """The schema of these images, all of whose labels the model is given."""
        values = {name: tuple(sorted(set(words.tolist()))) for name, words in images.labels.items()}
        return cls(images.shape, bits, values, images.rule if values else None, images.resized, flipped, images.depth)

    @property
    def numbers(self) -> int:
        """Of each image: C H W."""
        return math.prod(self.shape)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.shape[2], self.shape[1]

    @property
    def augmentation(self) -> tuple[str, ...]:
        """What was done to training images, in words."""
        return ("horizontal flip",) if self.flipped else ()

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels of 8 bits (B, C, H, W) as the integers that the model reads, uint8."""
        return pixels >> (_WHOLE - self.bits)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """The model's integers (B, C, H, W) as pictures of 8 bits, (B, H, W) or (B, H, W, 3); ``encode`` undoes it."""
        whole = np.rint(values * (255 / (2**self.bits - 1))).astype(np.uint8)
        return whole[:, 0] if self.shape[0] == 1 else whole.transpose(0, 2, 3, 1)

    def check(self, images: Images) -> None:
        """DataError, a sentence, unless the images have this shape."""
        if images.shape != self.shape:
            width, height = self.size
            raise DataError(
                f"{images.names[0]} is {images.shape[2]} x {images.shape[1]} pixels (width x height), the model's "
                f"images are {width} x {height}: bring them to that size, or fit with --size, which the model then does"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImageSchema:
        """The schema again.

        Raises:
            RunError: ``data`` is not what :meth:`to_json` writes.
        """
        plain = {name: value for name, value in data.items() if name != "kind"}
        schema = typed(plain, cls, _WHAT, exact=True)
        if (
            schema.shape[0] not in (1, 3)
            or min(schema.shape) < 1
            or schema.numbers > _MOST_NUMBERS
            or not 1 <= schema.bits <= _WHOLE
            or not _WHOLE <= schema.depth <= 2 * _WHOLE
        ):
            raise RunError(f"{_WHAT} is damaged: its shape or its bits make no sense")
        check_known(schema.context, _WHAT)
        return schema
