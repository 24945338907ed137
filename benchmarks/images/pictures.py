"""The images that benchmarks use, uint8 (N, C, H, W), with fixed splits; see :mod:`benchmarks.common`.

Of CIFAR-10, whatever training files lie in the folder are used, and their number is recorded.
"""

from __future__ import annotations

import gzip
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import data_folder


@dataclass(frozen=True)
class Pictures:
    """Images to fit, to select by, and to be scored once."""

    train: Tensor
    valid: Tensor
    test: Tensor

    def cropped(self, size: int) -> Pictures:
        """The middle ``size`` x ``size`` pixels of each."""
        top = (self.train.shape[-1] - size) // 2
        return Pictures(*(x[..., top : top + size, top : top + size].contiguous() for x in self.splits))

    def padded(self, size: int) -> Pictures:
        """``size`` x ``size`` pixels, zeros around each image."""
        edge = (size - self.train.shape[-1]) // 2
        return Pictures(*(torch.nn.functional.pad(x, [edge] * 4) for x in self.splits))

    def flat(self) -> Pictures:
        """Rows of pixels, (N, C H W)."""
        return Pictures(*(x.flatten(1) for x in self.splits))

    @property
    def splits(self) -> tuple[Tensor, Tensor, Tensor]:
        """Train, valid, test."""
        return self.train, self.valid, self.test


def load(name: str) -> Pictures:
    """``mnist``, ``mnist32`` (padded to 32 x 32), ``cifar10``, or ``cifar10-S`` for its middle S x S pixels."""
    name, _, size = name.partition("-")
    if name.startswith("mnist"):
        return mnist().padded(32) if name == "mnist32" else mnist()
    return cifar10().cropped(int(size)) if size else cifar10()


def mnist() -> Pictures:
    """50,000 / 10,000 / 10,000 digits, (1, 28, 28), as the MAF paper splits them."""
    train, test = (_idx(data_folder() / "mnist" / f"{name}-images-idx3-ubyte.gz") for name in ("train", "t10k"))
    return Pictures(train[:50_000], train[50_000:], test)


def cifar10() -> Pictures:
    """The last tenth of each training file for validation; 10,000 for the test; (3, 32, 32)."""
    folder = data_folder() / "cifar10"
    parts = [_differences(path) for path in sorted(folder.glob("train_*.u8.xz"))]
    if not parts:
        raise FileNotFoundError(f"no file train_*.u8.xz of CIFAR-10 in {folder}; FLUVIAL_DATA names its parent")
    train, valid = (torch.cat([p[cut] for p in parts]) for cut in (slice(9_000), slice(9_000, None)))
    return Pictures(train, valid, _differences(folder / "test.u8.xz"))


def _idx(path: Path) -> Tensor:
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy())


def _differences(path: Path) -> Tensor:
    """Planes of differences to the pixel above and to the left, red and blue minus green, all modulo 256."""
    with lzma.open(path) as file:
        planes = np.frombuffer(file.read(), np.uint8).reshape(3, -1, 32, 32)
    planes = np.cumsum(np.cumsum(planes, 2, dtype=np.uint8), 3, dtype=np.uint8)
    planes[[0, 2]] += planes[1]
    return torch.from_numpy(np.ascontiguousarray(planes.transpose(1, 0, 2, 3)))
