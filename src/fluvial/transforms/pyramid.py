"""Images from coarse to fine: the multi-scale structure whose finer pixels are given the coarser ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from fluvial.conditioners.predictor import PixelPredictor
from fluvial.core import doors
from fluvial.core.doors import Contextual
from fluvial.core.initialization import initializing
from fluvial.core.supports import Constraint
from fluvial.core.transform import EventShape, Shape, Transform, sum_event
from fluvial.transforms.image import OrderedSqueeze, image_shape
from fluvial.univariate.discrete import Staircase, elements_of
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
        conditioners: one for each neighbour j = 1, 2, 3, (known, own, context, channel) -> theta: from the channels
            x[:, : j C] and, each from those before it, the C that follow, (B, size, C, H/2, W/2), or that of one
            ``channel`` alone; such as :class:`~fluvial.conditioners.PixelPredictor`.
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
        self.squeeze: OrderedSqueeze = OrderedSqueeze()
        self.small: tuple[int, int, int] = (self.channels, height // 2, width // 2)
        self.squeeze.output_shape(event_shape)
        if len(conditioners) != 3:
            raise ValueError(f"expected 3 conditioners, one for each neighbour of a pixel, got {len(conditioners)}")
        if len(coarse.output_shape(self.small)) != 1:
            raise ValueError(f"the coarse transform must end flat, got {coarse.output_shape(self.small)}")
        self.conditioners, self.univariate, self.coarse = nn.ModuleList(conditioners), univariate, coarse
        features = {c.context_features for c in conditioners if isinstance(c, Contextual)}
        self.context_features: int | None = features.pop() if len(features) == 1 else None
        self.bijective, self.exact = univariate.bijective and coarse.bijective, coarse.exact

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return elements_of(self.univariate, noise)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        squares = self._squeezed(x)
        z, log_det = self.coarse(squares[:, : self.channels], context)
        parts = [z]
        for own, theta in self._thetas(squares, context):
            z, more = self.univariate.forward(own, theta)
            parts.append(z.flatten(1))
            log_det = log_det + sum_event(more)
        return torch.cat(parts, 1), log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        size = torch.Size(self.small).numel()
        squares, log_det = self.coarse.inverse(z[:, :size], context)
        noise = z[:, size:].unflatten(1, (-1, *self.small[1:]))
        for conditioner, u in zip(self.conditioners, noise.split(self.channels, 1)):
            own = torch.zeros_like(u, dtype=squares.dtype)
            for c in range(self.channels):
                x, more = self.univariate.inverse(u[:, c : c + 1], conditioner(squares, own, context, c))
                own, log_det = torch.cat((own[:, :c], x, own[:, c + 1 :]), 1), log_det + sum_event(more)
            squares = torch.cat((squares, own), 1)
        return self.squeeze.inverse(squares)[0], log_det

    def log_mass(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        if not isinstance(self.univariate, Staircase):
            return None
        squares = self._squeezed(x)
        total = self.coarse.log_mass(squares[:, : self.channels], context)
        if total is None:
            return None
        for own, theta in self._thetas(squares, context):
            total = total + sum_event(self.univariate.log_prob(own, theta))
        return total

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        some, given = x[:_INITIAL], None if context is None else context[:_INITIAL]
        squares = self._squeezed(some)
        for conditioner, known, own in self._neighbours(squares):
            if isinstance(conditioner, PixelPredictor):
                conditioner.fit(known, own)
        self.coarse.initialize(squares[:, : self.channels], given)
        with initializing(self):
            self(some, given)
        return self._in_parts(x, context)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        expected = (self.small[0], 2 * self.small[1], 2 * self.small[2])
        if tuple(event_shape) != expected:
            raise ValueError(f"expected events of shape {expected}, got {tuple(event_shape)}")
        return (torch.Size(expected).numel(),)

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        doors.over(noise_shape, (4 * torch.Size(self.small).numel(),))
        return self.small[0], 2 * self.small[1], 2 * self.small[2]

    def _squeezed(self, x: Tensor) -> Tensor:
        return self.squeeze(x if x.is_floating_point() else x.float())[0]

    def _thetas(self, squares: Tensor, context: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        for conditioner, known, own in self._neighbours(squares):
            yield own, conditioner(known, own, context)

    def _neighbours(self, squares: Tensor) -> Iterator[tuple[nn.Module, Tensor, Tensor]]:
        """Each conditioner, the channels that it is given and those that it is about."""
        for j, conditioner in enumerate(self.conditioners, 1):
            start, end = j * self.channels, (j + 1) * self.channels
            yield conditioner, squares[:, :start], squares[:, start:end]
