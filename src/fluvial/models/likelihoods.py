"""Likelihoods p(x | z) of latent variables: cells of a table by their laws, bits and grey levels of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fluvial.conditioners import MLP
from fluvial.conditioners.mlp import activation_named, layer_sizes, run_hidden
from fluvial.core import Density, Flow, Uniform, randomness
from fluvial.core.doors import Contextual
from fluvial.core.precision import cast
from fluvial.core.transform import Shape
from fluvial.transforms import Elementwise
from fluvial.transforms.laws import Laws
from fluvial.univariate import Bernoulli, DiscretizedLogistics


class Features(Contextual):
    """An encoder: (x, context) -> the last hidden layer of a network, (B, ``hidden[-1]``).

    Args:
        shape: of x.
        laws: of the columns of a table, whose features the network reads in place of x; None for numbers as they are.
        context: features of the context.
    """

    def __init__(
        self,
        shape: Shape,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
        activation: str = "relu",
        laws: Laws | None = None,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("hidden: an encoder needs at least one layer, got none")
        self.laws, self.activation, self.context_features = laws, activation_named(activation), context
        first = sum(laws.features) if laws is not None else torch.Size(shape).numel()
        self.layers: nn.ModuleList = nn.ModuleList(
            nn.Linear(a, b) for a, b in layer_sizes(first + context, hidden, False)
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        dtype: torch.dtype = self.layers[0].weight.dtype  # pyright: ignore
        h = x.flatten(1) if self.laws is None else self.laws.describe(self.laws.read(x))
        h = cast(h, dtype)
        if context is not None:
            h = torch.cat((h, context.to(dtype)), 1)
        return run_hidden(self.layers, h, self.activation, False)


class CellLikelihood(Density):
    r"""p(x | z) = \prod_i p(x_i | z): the cells of a table's rows (B, D), each by the :class:`Law` of its column.

    Args:
        laws: of the columns.
        latent: how many numbers its context has.
    """

    static = False
    gaps = True

    def __init__(self, laws: Laws, latent: int, hidden: Sequence[int] = (128, 128), activation: str = "relu") -> None:
        super().__init__()
        self.laws = laws
        self.net: MLP = MLP((latent,), (1, sum(laws.sizes)), hidden, activation=activation)
        self.event_shape, self.context_shape = (len(laws.laws),), (latent,)

    def theta(self, z: Tensor) -> Tensor:
        """theta (B, ``sum(laws.sizes)``) of the latent variables."""
        return self.net(z).squeeze(1)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.parts(x, context).sum(1)

    def parts(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.laws.log_prob(self.laws.read(x), self.theta(_known(context)))

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        theta = self.theta(_known(context))
        return self.laws.draw(theta, randomness.uniform((n, *self.event_shape), torch.float64, theta.device))  # pyright: ignore

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.sample(n, context)
        return x, self.log_prob(x, context)

    @torch.no_grad()
    def middle(self, context: Tensor) -> Tensor:
        """The most likely label, and the median of each number, (B, D)."""
        theta = self.theta(context)
        x = self.laws.quantile(theta, torch.full((len(theta), *self.event_shape), 0.5, dtype=torch.float64))  # pyright: ignore
        likely = self.laws.shares(theta).argmax(2)
        for i, law in enumerate(self.laws.laws):
            if law.labels:
                values = torch.tensor([*law.atoms, *[torch.nan] * law.missing], dtype=torch.float64, device=x.device)
                x[:, i] = values[likely[:, i]]
        return x

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Start at the columns' own shares, whatever the latent variables."""
        with torch.no_grad():
            self.net.last.bias.copy_(self.laws.resting(self.laws.read(x)))


def bits(event_shape: Shape, latent: int, hidden: Sequence[int] = (200, 200), activation: str = "relu") -> Flow:
    """p(x | z) of zeros and ones, of any shape, each a Bernoulli of its own."""
    net = MLP((latent,), (1, *event_shape), hidden, activation=activation)
    return Flow(Elementwise(Bernoulli(), event_shape, net), Uniform(event_shape), event_shape, (latent,))


def grey_levels(
    event_shape: Shape,
    latent: int,
    hidden: Sequence[int] = (200, 200),
    activation: str = "relu",
    levels: int = 256,
    components: int = 1,
) -> Flow:
    """p(x | z) of whole numbers 0, ..., levels - 1, of any shape, each a discretised mixture of logistics."""
    univariate = DiscretizedLogistics(levels, components)
    net = MLP((latent,), (univariate.size, *event_shape), hidden, activation=activation)
    return Flow(Elementwise(univariate, event_shape, net), Uniform(event_shape), event_shape, (latent,))


def _known(context: Tensor | None) -> Tensor:
    """The latent variables, which the door has checked."""
    if context is None:
        raise ValueError("context: this likelihood is given latent variables, got none")
    return context
