"""Rearrangements of images and the multi-scale structure; images are (B, C, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core import doors
from fluvial.core.transform import EventShape, Shape, Transform
from fluvial.transforms.linear import zero_log_det


class Squeeze(Transform):
    """(C, H, W) -> (4C, H/2, W/2): each 2x2 square of a channel becomes four channels, row by row; log_det 0.

    Dinh et al. 2016, arXiv 1605.08803, section 3.6. Channel 4c + 2i + j holds the pixels (2h + i, 2w + j) of c.
    """

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), zero_log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return F.pixel_shuffle(z, 2), zero_log_det(z)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        channels, height, width = image_shape(event_shape)
        if height % 2 or width % 2:
            raise ValueError(f"height and width must be even, got {height} x {width}")
        return 4 * channels, height // 2, width // 2

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        channels, height, width = image_shape(noise_shape)
        if channels % 4:
            raise ValueError(f"expected a multiple of 4 channels, got {channels}")
        return channels // 4, 2 * height, 2 * width


class OrderedSqueeze(Squeeze):
    """A squeeze whose first half of the channels is a checkerboard: RealNVP's, before it factors out a half.

    Channels are ordered by position first, (0, 0), (1, 1), (0, 1), (1, 0), so that the 2C that go on are all the
    pixels with row + column even (the authors' released code; the paper leaves the order open).
    """

    _positions = (0, 3, 1, 2)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        squares = F.pixel_unshuffle(x, 2).unflatten(1, (-1, 4))
        return torch.cat([squares[:, :, i] for i in self._positions], 1), zero_log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        parts = z.chunk(4, 1)
        squares = torch.stack([parts[self._positions.index(i)] for i in range(4)], 2)
        return F.pixel_shuffle(squares.flatten(1, 2), 2), zero_log_det(z)


class Checkerboard(Transform):
    """(C, H, W) -> (2C, H, W/2): first the pixels with row + column even, then the others; log_det 0.

    A coupling over the two halves of the channels is then one over a checkerboard, at half the work of a masked
    one (Ho et al. 2019, arXiv 1902.00275, section 3.2).
    """

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return torch.cat(self._swap(*x.unflatten(-1, (-1, 2)).unbind(-1)), 1), zero_log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return torch.stack(self._swap(*z.chunk(2, 1)), -1).flatten(-2), zero_log_det(z)

    @staticmethod
    def _swap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Exchange the two in odd rows."""
        odd = (torch.arange(a.shape[2], device=a.device) % 2 == 1).unsqueeze(1)
        return torch.where(odd, b, a), torch.where(odd, a, b)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        channels, height, width = image_shape(event_shape)
        if width % 2:
            raise ValueError(f"the width must be even, got {height} x {width}")
        return 2 * channels, height, width // 2

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        channels, height, width = image_shape(noise_shape)
        if channels % 2:
            raise ValueError(f"expected an even number of channels, got {channels}")
        return channels // 2, height, 2 * width


class Flatten(Transform):
    """(C, H, W) -> (C H W,); log_det 0.

    Args:
        event_shape: (C, H, W).
    """

    def __init__(self, event_shape: Shape) -> None:
        super().__init__()
        self.event_shape: tuple[int, int, int] = image_shape(event_shape)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.flatten(1), zero_log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.unflatten(1, self.event_shape), zero_log_det(z)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if tuple(event_shape) != self.event_shape:
            raise ValueError(f"expected events of shape {self.event_shape}, got {tuple(event_shape)}")
        return (torch.Size(self.event_shape).numel(),)

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        doors.over(noise_shape, (torch.Size(self.event_shape).numel(),))
        return self.event_shape


class FactorOut(Transform):
    r"""The multi-scale structure: half of the channels is finished, the other half goes through ``inner``.

    z (D,) is flat: first what is finished here, then what ``inner`` gives, so nothing downstream knows of scales
    and no latent can get lost. A learned prior of the finished half given the other (Glow's) is one more affine
    coupling right before this.

    Dinh et al. 2016, arXiv 1605.08803, section 3.6.

    Args:
        event_shape: (C, H, W); the first ceil(C/2) channels go on, the last floor(C/2) are finished.
        inner: what those that go on pass through; its output must be flat.
    """

    def __init__(self, event_shape: Shape, inner: Transform) -> None:
        super().__init__()
        channels, height, width = image_shape(event_shape)
        if channels < 2:
            raise ValueError(f"at least 2 channels are needed to factor out half of them, got {channels}")
        self.event_shape, self.inner = (channels, height, width), inner
        self.finished: int = channels // 2
        going_on = (channels - self.finished, height, width)
        if len(inner.output_shape(going_on)) != 1:
            raise ValueError(f"the inner transform must end flat, got {inner.output_shape(going_on)}")
        self.bijective, self.exact = inner.bijective, inner.exact

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        rest, finished = self._split(x)
        z, log_det = self.inner(rest, context)
        return torch.cat((finished.flatten(1), z), 1), log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        _, height, width = self.event_shape
        cut = self.finished * height * width
        rest, log_det = self.inner.inverse(z[:, cut:], context)
        return torch.cat((rest, z[:, :cut].unflatten(1, (self.finished, height, width))), 1), log_det

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        rest, finished = self._split(x)
        return torch.cat((finished.flatten(1), self.inner.initialize(rest, context)), 1)

    def measure(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        rest, finished = self._split(x)
        return torch.cat((finished.flatten(1), self.inner.measure(rest, context)), 1)

    def _split(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.split_with_sizes((self.event_shape[0] - self.finished, self.finished), 1)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if tuple(event_shape) != self.event_shape:
            raise ValueError(f"expected events of shape {self.event_shape}, got {tuple(event_shape)}")
        return (torch.Size(self.event_shape).numel(),)

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        doors.over(noise_shape, (torch.Size(self.event_shape).numel(),))
        return self.event_shape


def image_shape(event_shape: EventShape) -> tuple[int, int, int]:
    """(C, H, W), or a sentence if ``event_shape`` is not an image's."""
    sizes = [n for n in event_shape if n is not None]
    if len(event_shape) != 3 or len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"expected an image's shape (C, H, W), each at least 1, got {tuple(event_shape)}")
    channels, height, width = sizes
    return channels, height, width
