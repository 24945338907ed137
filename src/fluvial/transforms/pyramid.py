"""Images from coarse to fine: the multi-scale structure whose finer pixels are given the coarser ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from fluvial.conditioners.predictor import PixelPredictor
from fluvial.core.initialization import initializing
from fluvial.core.transform import EventShape, Shape, Transform, sum_event
from fluvial.transforms.image import OrderedSqueeze, image_shape
from fluvial.univariate.discrete import Staircase
from fluvial.univariate.univariate import Univariate

_INITIAL = 256  # images that data-dependent initialisation reads; more would cost more than they give


class Pyramid(Transform):
    r"""Each channel of the squeezed image is mapped given those before it; the first quarter goes through ``coarse``.

    An ordered squeeze of (C, H, W) gives 4 C channels of (H/2, W/2): the image at half the size, then its three
    neighbours of each pixel. z (C H W,) is flat: first what ``coarse`` gives, then channel by channel. Every pixel
    is mapped once and its theta reads pixels only, no noise, so staircases are at home here: with them log_det is
    log P(x) exactly. Inverting takes 3 C network passes for each scale.

    The order is that of Reed et al. 2017, arXiv 1703.03664, with channels of colour one after the other.

    Args:
        event_shape: (C, H, W), H and W even.
        conditioners: 3 C modules (x[:, :i], context) -> theta (B, size, 1, H/2, W/2), i = C, ..., 4 C - 1.
        univariate: the map.
        coarse: a transform of (C, H/2, W/2) that ends flat.

    Raises:
        ValueError: a wrong number of conditioners, or a shape that does not fit.
    """

    def __init__(
        self, event_shape: Shape, conditioners: Sequence[nn.Module], univariate: Univariate, coarse: Transform
    ) -> None:
        super().__init__()
        self.channels, height, width = image_shape(event_shape)
        self.squeeze = OrderedSqueeze()
        self.small = (self.channels, height // 2, width // 2)
        self.squeeze.output_shape(event_shape)
        if len(conditioners) != 3 * self.channels:
            raise ValueError(f"expected {3 * self.channels} conditioners, 3 for each channel, got {len(conditioners)}")
        if len(coarse.output_shape(self.small)) != 1:
            raise ValueError(f"the coarse transform must end flat, got {coarse.output_shape(self.small)}")
        self.conditioners, self.univariate, self.coarse = nn.ModuleList(conditioners), univariate, coarse
        self.bijective, self.exact = univariate.bijective and coarse.bijective, coarse.exact

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        squares = self._squeezed(x)
        z, log_det = self.coarse(squares[:, : self.channels], context)
        parts = [z]
        for i, theta in self._thetas(squares, context):
            z, more = self.univariate.forward(squares[:, i : i + 1], theta)
            parts.append(z.flatten(1))
            log_det = log_det + sum_event(more)
        return torch.cat(parts, 1), log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        size = torch.Size(self.small).numel()
        squares, log_det = self.coarse.inverse(z[:, :size], context)
        noise = z[:, size:].unflatten(1, (-1, *self.small[1:])).unsqueeze(2)
        for i, conditioner in enumerate(self.conditioners):
            x, more = self.univariate.inverse(noise[:, i], conditioner(squares, context))
            squares, log_det = torch.cat((squares, x), 1), log_det + sum_event(more)
        return self.squeeze.inverse(squares)[0], log_det

    def log_mass(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        if not isinstance(self.univariate, Staircase):
            return None
        squares = self._squeezed(x)
        total = self.coarse.log_mass(squares[:, : self.channels], context)
        if total is None:
            return None
        for i, theta in self._thetas(squares, context):
            total = total + sum_event(self.univariate.log_prob(squares[:, i : i + 1], theta))
        return total

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x, context = x[:_INITIAL], None if context is None else context[:_INITIAL]
        squares = self._squeezed(x)
        for i, conditioner in enumerate(self.conditioners, self.channels):
            if isinstance(conditioner, PixelPredictor):
                conditioner.fit(squares[:, :i], squares[:, i : i + 1])
        self.coarse.initialize(squares[:, : self.channels], context)
        with initializing(self):
            return self(x, context)[0]

    def output_shape(self, event_shape: EventShape) -> EventShape:
        expected = (self.small[0], 2 * self.small[1], 2 * self.small[2])
        if tuple(event_shape) != expected:
            raise ValueError(f"expected events of shape {expected}, got {tuple(event_shape)}")
        return (torch.Size(expected).numel(),)

    def _squeezed(self, x: Tensor) -> Tensor:
        return self.squeeze(x if x.is_floating_point() else x.float())[0]

    def _thetas(self, squares: Tensor, context: Tensor | None) -> Iterator[tuple[int, Tensor]]:
        for i, conditioner in enumerate(self.conditioners, self.channels):
            yield i, conditioner(squares[:, :i], context)
