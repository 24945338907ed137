"""The Gaussian: every report's yardstick."""

from __future__ import annotations

from fluvial.core import Density, Flow, Normal
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe
from fluvial.models.shapes import context_of, features_of
from fluvial.transforms import Whiten


def gaussian(event_shape: Shape, *, context_shape: Shape | None = None) -> Density:
    """A Gaussian with full covariance and a mean linear in the context: every report's yardstick.

    Its maximum-likelihood parameters have a closed form; ``initialize`` with the whole training set sets them.

    >>> import torch
    >>> x = torch.tensor([[0.0], [2.0]])
    >>> density = gaussian((1,)); density.initialize(x)
    >>> round(density.log_prob(x).mean().item(), 4)  # mean 1, variance 1
    -1.4189
    """
    features = features_of(event_shape)
    return Flow(Whiten(features, context_of(context_shape)), Normal(event_shape), event_shape, context_shape)


RECIPES = (
    Recipe(
        gaussian,
        closed_form=True,
        says="a Gaussian with full covariance, in closed form: the baseline",
        score="one product",
        draw="one product",
        steps="Whiten (full covariance, mean linear in the context)",
        base="Normal",
    ),
)
