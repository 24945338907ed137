"""Is an image of the kind that a model of images was fitted to? What ``score`` says beside the likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fluvial.core.errors import RunError, UsageError
from fluvial.examine.typicality import Reference, bits, compressed_bits, excess
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.scores import Scores


@dataclass(frozen=True)
class Yardstick:
    """Bits beyond a yardstick's for each image (N,), and how often a held-out image needs as many, (N,)."""

    excess_bits: np.ndarray
    p_value: np.ndarray


@dataclass(frozen=True)
class Foreignness:
    """Three views of each image (N,); a small p-value says that it is foreign.

    Args:
        deviation: of log p from the mean of held-out images, in their standard deviations; negative for less likely.
        p_value: two-sided, of log p among those of held-out images.
        compressor: bits beyond a lossless compressor.
        background: bits beyond a background model, if there is one.
    """

    deviation: np.ndarray
    p_value: np.ndarray
    compressor: Yardstick
    background: Yardstick | None

    def columns(self) -> dict[str, np.ndarray]:
        """As ``fluvial score`` writes them."""
        named = {
            "deviation": self.deviation,
            "p_value": self.p_value,
            "excess_bits": self.compressor.excess_bits,
            "excess_p_value": self.compressor.p_value,
        }
        if self.background is not None:
            named["background_excess_bits"] = self.background.excess_bits
            named["background_p_value"] = self.background.p_value
        return named


def scored(model: ImageModel, data: object, labels: object = None, background: ImageModel | None = None) -> Scores:
    """The scores of images, with how foreign each is beside held-out ones where the run has kept some.

    Args:
        data, labels: as of :meth:`ImageModel.score`. background: as of :func:`foreignness`.
    """
    images = model.read(data, labels)
    given = model.labels(images, labels)
    log_prob = model.log_prob_images(images, given)
    if background is None and not len(model.rows.get("held_out.log_prob", ())):
        found = model.scores(images, log_prob)
        note = "the run has kept no held-out images, so nothing is said of how foreign these are"
        return replace(found, warnings=(*found.warnings, note))
    pixels = model.schema.encode(images.read())
    return model.scores(images, log_prob, foreignness(model, pixels, log_prob, given, background).columns())


def foreignness(
    model: ImageModel,
    pixels: np.ndarray,
    log_prob: np.ndarray,
    context: Tensor | None = None,
    background: ImageModel | None = None,
) -> Foreignness:
    """Compare images with the held-out ones of the model's run.

    Args:
        pixels: the integers that the model reads, (N, C, H, W) uint8.
        log_prob: of them, nats (N,).
        context: their labels as numbers; a background model with labels is given the same.
        background: a model of images of the same shape and bits, such as one of images in general.

    Raises:
        RunError: the run has kept no held-out images. UsageError: the background model is of other images.
    """
    known, held_out = model.rows.get("held_out.log_prob"), model.rows.get("held_out.pixels")
    if known is None or held_out is None:
        raise RunError("the run has kept no held-out images to compare with: fit it again with some held out")
    typical, some = Reference.of(known), known[: len(held_out)]
    sizes = compressed_bits(pixels), compressed_bits(held_out)
    behind = None
    if background is not None:
        kept = model.rows.get("held_out.context")
        given = context, None if kept is None else torch.from_numpy(kept).float()
        behind = _beyond(
            log_prob, some, *(_background(model, background, x, c) for x, c in zip((pixels, held_out), given))
        )
    return Foreignness(
        typical.deviation(log_prob), typical.two_sided(log_prob), _beyond(log_prob, some, *sizes), behind
    )


def _beyond(log_prob: np.ndarray, known: np.ndarray, yardstick: np.ndarray, known_yardstick: np.ndarray) -> Yardstick:
    values = excess(log_prob, yardstick)
    return Yardstick(values, Reference.of(excess(known, known_yardstick)).at_least(values))


def _background(model: ImageModel, background: ImageModel, pixels: np.ndarray, context: Tensor | None) -> np.ndarray:
    ours, theirs = model.schema, background.schema
    if (theirs.shape, theirs.bits) != (ours.shape, ours.bits):
        raise UsageError(
            f"background: expected a model of images {ours.shape} of {ours.bits} bits, got one of {theirs.shape} of "
            f"{theirs.bits} bits"
        )
    if theirs.context and theirs.context != ours.context:
        raise UsageError(f"background: its labels, {', '.join(theirs.context)}, are not those of the model")
    return bits(background.log_prob_pixels(pixels, context if theirs.context else None))
