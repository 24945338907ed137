"""Draws of a model of images beside held-out ones: what every model can be judged by, a likelihood or none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core import batched
from fluvial.core.errors import RunError
from fluvial.examine.two_sample import ClassifierTest, Memorisation, classifier_tests, memorisation
from fluvial.kinds.images.model import ImageModel

_DRAWN = 128  # images drawn, and held-out images that they are compared with
_NEAREST = 10  # samples whose nearest training images are shown


@dataclass(frozen=True)
class ImageDraws:
    """Samples beside held-out images, and how far apart they are. Pixels are the model's integers, (N, C, H, W).

    Args:
        samples: drawn with the contexts of the first held-out images; of ``drawn``, ``bad_samples`` were not finite.
        neighbours: the training images nearest to the first samples.
    """

    held_out: np.ndarray
    samples: np.ndarray
    drawn: int
    bad_samples: int
    neighbours: np.ndarray
    memorisation: Memorisation
    classifiers: tuple[ClassifierTest, ...]


@dataclass(frozen=True)
class Kept:
    """Images that a run has kept, and the labels of as many held-out ones as are drawn."""

    train: np.ndarray
    held_out: np.ndarray
    context: Tensor | None

    @property
    def some(self) -> np.ndarray:
        """The held-out images that samples are compared with."""
        return self.held_out[:_DRAWN]


def kept(model: ImageModel) -> Kept:
    """The images that the run of a model has kept.

    Raises:
        RunError: they are too few.
    """
    train, held_out = model.rows.get("train.pixels"), model.rows.get("held_out.pixels")
    if train is None or held_out is None or min(len(train), len(held_out)) < 10:
        raise RunError("the run has kept fewer than 10 held-out images to examine the model with: hold out more")
    given = model.rows.get("held_out.context")
    return Kept(train, held_out, None if given is None else torch.from_numpy(given).float()[:_DRAWN])


def compare_images(model: ImageModel, images: Kept, seed: int = 0) -> tuple[ImageDraws, Tensor, Tensor]:
    """Draw as many images as there are held-out ones, 128 at most, and compare.

    Returns:
        The comparison, the draws that are finite, and which they are, (drawn,).

    Raises:
        RunError: hardly any draw is finite.
    """
    n = len(images.some)
    drawn = batched.draw(model.density, n, images.context, seed)
    finite = drawn.flatten(1).isfinite().all(1)
    if finite.sum() < 10:
        raise RunError(f"only {int(finite.sum())} of {n} draws are finite: fit the model again")
    samples, unit = pixels(drawn[finite]), 2**model.schema.bits
    one, other, known = (flat(x) for x in (samples, images.some, images.train))
    found = ImageDraws(
        held_out=images.held_out,
        samples=samples,
        drawn=n,
        bad_samples=int((~finite).sum()),
        neighbours=nearest(samples[:_NEAREST], images.train),
        memorisation=memorisation(one, other, known, seed, unit=unit),
        classifiers=classifier_tests(one, other, seed=seed),
    )
    return found, drawn[finite], finite


def pixels(x: Tensor) -> np.ndarray:
    """Draws as the integers that they stand for."""
    return x.nan_to_num(0.0).byte().numpy()


def flat(x: np.ndarray) -> np.ndarray:
    """Images as rows of numbers."""
    return x.reshape(len(x), -1).astype(np.float64)


def floats(x: np.ndarray) -> Tensor:
    """Images as a model reads them."""
    return torch.from_numpy(x.astype(np.float32))


def nearest(samples: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The training image nearest to each sample, pixel by pixel."""
    distance = torch.cdist(floats(samples).flatten(1), floats(train).flatten(1))
    return train[distance.argmin(1).numpy()]
