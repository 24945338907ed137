"""Training on images that are read, batch by batch, from where they lie."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fluvial.core import Density, randomness
from fluvial.core.batched import chunk_rows, evaluate
from fluvial.kinds.images.read import Images
from fluvial.kinds.images.schema import ImageSchema
from fluvial.training.rows import Single

_INITIAL = 256
_MEASURED = 1 << 21  # pixels
_FREE = 0.5  # of a device's memory that images may fill


@dataclass(frozen=True)
class ImageRows(Single):
    """Images as integers (C, H, W), with their labels.

    Args:
        images: where they are read from.
        schema: the bits of a pixel, and whether half of the images, drawn anew each time, are turned left for right.
        context: (N, C) labels as numbers, or None.
        batch: images a step, where the settings leave it open and there are twenty times as many.
        held: all of them (N, C, H, W) uint8 on the device, where they fit.
    """

    images: Images
    schema: ImageSchema
    context: Tensor | None = None
    batch: int = 64
    held: Tensor | None = None

    initial = _INITIAL
    """Images that data-dependent initialisation reads."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of places and of values in each, which decide on the weight decay: networks see every place alike."""
        channels, height, width = self.schema.shape
        return len(self) * height * width, channels

    @property
    def batch_size(self) -> int:
        """``batch``, or a twentieth of all."""
        return max(2, min(self.batch, len(self) // 20))

    @property
    def measured(self) -> int:
        """So many images at once that a layer of a hundred channels fills about a GiB; each counts its every pixel."""
        return min(len(self), max(256, _MEASURED // math.prod(self.schema.shape[1:])))

    def batches(self, order: Tensor, size: int) -> list[Tensor]:
        """Parts of ``order``."""
        return list(order.split(size))

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Images with these numbers (B, C, H, W) and their labels, on ``device``; turned ones at random."""
        x = self._values(index, device)
        if self.schema.flipped:
            turned = randomness.uniform((len(index),)).lt(0.5).to(device)
            x = torch.where(turned[:, None, None, None], x.flip(-1), x)
        return x, None if self.context is None else self.context[index].to(device)

    def score(self, density: Density, seed: int) -> float:
        """Mean of log p over all images as they are, nats."""
        total, device = 0.0, torch.device("cpu") if self.held is None else self.held.device
        for index in torch.arange(len(self)).split(chunk_rows(self.schema.shape)):
            context = None if self.context is None else self.context[index]
            x = self._values(index, device)
            own = randomness.shifted(seed, int(index[0]))
            total += evaluate(density, density.log_prob, x, context, own).double().sum().item()
        return total / len(self)

    def digest(self) -> str:
        """A fingerprint of all that decides on the rows."""
        hashed = hashlib.blake2b(repr(self.schema.to_json()).encode(), digest_size=16)
        for index in np.array_split(np.arange(len(self)), -(-len(self) // 1024)):
            hashed.update(np.ascontiguousarray(self.images.read(index)).data)
        if self.context is not None:
            hashed.update(self.context.numpy().data)
        return hashed.hexdigest()

    def to(self, device: torch.device) -> ImageRows:
        """The same images on ``device``, or where they are: main memory or a disk."""
        if (
            device.type != "cuda"
            or len(self) * math.prod(self.schema.shape) > _FREE * torch.cuda.mem_get_info(device)[0]
        ):
            return self
        values = self.schema.encode(self.images.read())
        return replace(self, held=torch.from_numpy(values).to(device))

    def _values(self, index: Tensor, device: torch.device) -> Tensor:
        if self.held is not None:
            return self.held[index.to(self.held.device)].to(device, torch.get_default_dtype())
        values = torch.from_numpy(self.schema.encode(self.images.read(index.numpy())))
        return values.to(device, non_blocking=True).to(torch.get_default_dtype())
