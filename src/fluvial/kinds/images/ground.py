"""What models of one set of images are judged by when they are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from fluvial.conditioners import ImageEncoder
from fluvial.core import randomness
from fluvial.core.errors import DataError
from fluvial.examine.rivals import Rival
from fluvial.examine.two_sample import ClassifierTest, Memorisation, classifier_tests, memorisation, spread
from fluvial.kinds.ground import Ground, parts
from fluvial.kinds.images.drawn import flat, floats, nearest
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.read import read_images
from fluvial.kinds.images.schema import ImageSchema

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BITS = 8
_TEST = 2000  # images that judge, at most
_HELD_OUT = 1000  # that stop a fit, and as many that judge its own report
_SEARCHED = 1 << 28  # bytes of training images among which copies are looked for, at most
_CHANNELS, _FEATURES = (16, 32, 64), 64  # of the random network
_PIXELS = 136  # chosen at random, that classifiers read beside the features
_CHUNK = 500
_SHOWN = 10  # draws whose nearest training images are shown


@dataclass(frozen=True)
class ImageGround(Ground):
    """Pixels of 8 bits, (N, C, H, W): ``train`` is as many of the ``lessons`` as are searched for copies."""

    schema: ImageSchema

    item: ClassVar[str] = "image"
    about: ClassVar[str] = (
        f"Distances are in standard deviations of {_FEATURES} features, those of a convolutional network with random "
        "weights (Naeem et al. 2020, arXiv 2002.09797), so nobody's photographs decide what counts. Classifiers read "
        f"these features and {_PIXELS} pixels at most, chosen at random. Copies are looked for, and nearness counted, "
        "pixel by pixel."
    )

    @property
    def models(self) -> tuple[str, ...]:
        return "multiscale", "vae_iaf", "gan"

    @property
    def holdout(self) -> float:
        return min(0.1, _HELD_OUT / len(self.lessons))

    @property
    def unit(self) -> tuple[str, float]:
        return "bits per dimension", -1 / (self.schema.numbers * math.log(2))

    @cached_property
    def network(self) -> ImageEncoder:
        """The random network, the same for all images of this shape."""
        with randomness.drawing_from(0, lend=True):
            return ImageEncoder(self.schema.shape, _CHANNELS, _FEATURES, hidden=False)

    @cached_property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each feature of training images."""
        known = self._features(self.train[: 10 * _CHUNK])
        return known.mean(0), spread(known)

    def points(self, x: np.ndarray) -> np.ndarray:
        """Features of a random network, in standard deviations."""
        center, scale = self.scale
        return (self._features(x) - center) / scale

    def encoded(self, drawn: object) -> np.ndarray:
        images = read_images(drawn)
        if images.shape != self.schema.shape:
            raise DataError(f"{images.names[0]} has shape {images.shape}, the images have {self.schema.shape}")
        return images.take(np.arange(min(len(images), _TEST))).read()

    def log_prob(self, model: ImageModel) -> np.ndarray:
        if model.schema.bits != _BITS:
            raise DataError(f"its images have {model.schema.bits} bits, those it is judged by {_BITS}")
        return model.log_prob(self.schema.decode(self.test))

    def classified(self, drawn: np.ndarray, test: np.ndarray) -> tuple[ClassifierTest, ...]:
        chosen = np.random.default_rng(self.seed).permutation(self.schema.numbers)[:_PIXELS]
        seen = (np.hstack([self.points(x), flat(x)[:, chosen]]) for x in (drawn, test))
        return classifier_tests(*seen, seed=self.seed)

    def copied(self, drawn: np.ndarray, test: np.ndarray) -> Memorisation:
        draws, images, trained = (x.reshape(len(x), -1) for x in (drawn, test, self.train))
        return memorisation(draws, images, trained, self.seed, unit=2.0**_BITS)

    def figures(self, rival: Rival) -> dict[str, Figure]:
        """Sheets of draws and test images, and the training images that are nearest to some draws."""
        from fluvial.kinds.images import figures

        some = rival.drawn[:_SHOWN]
        panels = {"test images": self.test, rival.name: rival.drawn}
        return {
            "sheet": figures.sheets(self.schema, panels, rival.auc.auc),
            "nearest": figures.nearest(self.schema, some, nearest(some, self.train), rival.copies),
        }

    def _features(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.cat([self.network(part) for part in floats(x).split(_CHUNK)]).double().numpy()


def ground(data: object, seed: int = 0) -> ImageGround:
    """Images in two parts, without their labels; 2,000 of the second judge, at most."""
    images = replace(read_images(data), labels={}, rule=None)
    first, second = parts(len(images), seed)
    schema, rng = ImageSchema.of(images, _BITS), np.random.default_rng(seed)
    train, test = images.take(first), images.take(rng.permutation(second)[:_TEST])
    searched = rng.permutation(len(train))[: max(_TEST, _SEARCHED // schema.numbers)]
    return ImageGround(train, train.take(searched).read(), test.read(), seed, schema)
