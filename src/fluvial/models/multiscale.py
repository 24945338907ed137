"""Images from coarse to fine, exactly: composition, no mechanics."""

from __future__ import annotations

import torch

from fluvial.conditioners import PixelMLP, PixelPredictor
from fluvial.core import Chain, Density, Flow, Logistic, Transform
from fluvial.core.transform import Shape
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import Image, context_features
from fluvial.transforms import Autoregressive, Flatten, Logit, Pyramid
from fluvial.transforms.image import image_shape
from fluvial.univariate import DiscretizedLogistics

_EDGE = 1e-12  # keeps the noise of all but impossible pixels finite
_SMALLEST = 16  # pixels of an image that is not halved further
_LARGEST = 4096  # numbers of an image that a masked network goes through one by one


def multiscale(
    event_shape: Shape,
    *,
    width: int = 32,
    blocks: int = 2,
    components: int = 5,
    hidden: int = 256,
    bits: int = 8,
    context_shape: Shape | None = None,
) -> Density:
    """Pixels given coarser ones: exact probabilities of images, without dequantisation (arXiv 1703.03664).

    Reed et al. 2017, section 3: an image of half the size first, then the three neighbours of each of its pixels,
    scale by scale. Each channel is a discretised mixture of logistics (Salimans et al. 2017, arXiv 1701.05517)
    given all before it; training starts at the linear prediction by least squares. The smallest image, the one
    whose sides cannot be halved or that has 16 pixels, goes pixel by pixel through a masked network.

    Args:
        width, blocks: hidden channels and residual blocks of every convolutional network.
        components: logistics of a mixture.
        hidden: units in each of the masked network's two layers.
    """
    shape, context = image_shape(event_shape), context_features(context_shape)
    levels = 2**bits
    univariate = DiscretizedLogistics(levels, components)

    def scale(shape: Image) -> Transform:
        channels, height, breadth = shape
        if height % 2 or breadth % 2 or height * breadth <= _SMALLEST:
            numbers = torch.Size(shape).numel()
            if numbers > _LARGEST:
                raise ValueError(
                    f"multiscale halves images until they are small, but height and width of {height} x {breadth} "
                    f"cannot be halved, and {numbers:,} numbers are too many to go one by one: crop or resize them"
                )
            net = PixelMLP(numbers, components, (hidden, hidden), context, levels)
            return Chain(Flatten(shape), Autoregressive(net, univariate))
        nets = [PixelPredictor(j * channels, channels, components, width, blocks, context, levels) for j in (1, 2, 3)]
        return Pyramid(shape, nets, univariate, scale((channels, height // 2, breadth // 2)))

    return Flow(scale(shape), _uniform(shape), event_shape, context_shape)


def _uniform(shape: Image) -> Density:
    """Uniform noise, read as the logistic noise that becomes it: encodings are centred at 0, as with other models."""
    size = (torch.Size(shape).numel(),)
    noise = Flow(Logit(alpha=_EDGE), Logistic(size), size)
    noise.flat = True
    return noise


RECIPES = (
    Recipe(
        multiscale,
        kind="images",
        values="whole",
        default=True,  # chosen by measurement (benchmarks/images/likelihood.py)
        training=Training(learning_rate=6e-3),
        says="each pixel by a mixture of logistics given coarser ones; exact probabilities",
        paper="Reed et al. 2017, arXiv 1703.03664",
        score="one pass per scale",
        draw="three passes per scale and colour channel",
        steps="Pyramid(PixelPredictor, DiscretizedLogistics) scale by scale, then Autoregressive(PixelMLP); exact, no "
        "dequantisation",
        base="Uniform, read as Logistic",
    ),
)
