"""PixelCNN: pictures of classes, pixel after pixel."""

from __future__ import annotations

from fluvial.conditioners import PixelCNN
from fluvial.core import Density, Flow, Uniform
from fluvial.core.transform import Shape
from fluvial.models.recipe import OF_LABELS, Recipe, Training
from fluvial.models.shapes import context_of, features_of
from fluvial.transforms import Autoregressive
from fluvial.univariate import Bernoulli, Categorical


def pixelcnn(
    event_shape: Shape,
    *,
    height: int = 1,
    classes: int = 2,
    channels: int = 32,
    layers: int = 5,
    reach: int = 5,
    dropout: float = 0.0,
    context_shape: Shape | None = None,
) -> Density:
    """PixelCNN: exact probabilities of pictures, flattened row by row (van den Oord et al. 2016, arXiv 1606.05328).

    Args:
        height: rows of the picture.
        classes: values 0..K-1 of a pixel; with 2 each is a Bernoulli, else a softmax.
        channels, layers, reach, dropout: of :class:`PixelCNN`.

    >>> pixelcnn((784,), height=28, channels=8, layers=2).event_shape
    (784,)
    """
    pixels, context = features_of(event_shape), context_of(context_shape)
    if height < 1 or pixels % height:
        raise ValueError(f"height: {pixels} pixels do not make {height} rows of one length")
    univariate = Bernoulli() if classes == 2 else Categorical(classes)
    net = PixelCNN(height, pixels // height, univariate.size, channels, layers, reach, context, classes, dropout)
    return Flow(Autoregressive(net, univariate), Uniform(event_shape), event_shape, context_shape)


RECIPES = (
    Recipe(
        pixelcnn,
        values="whole",
        training=Training(decay=OF_LABELS),
        says="pictures of classes, flattened; exact probabilities",
        paper="van den Oord et al. 2016, arXiv 1606.05328",
        score="one pass",
        draw="D passes",
        steps="Autoregressive(PixelCNN, Bernoulli or Categorical) over rows of pixels",
        base="Uniform",
    ),
)
