"""What ``score`` and ``sample`` do with a model of images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.core.files import own_file
from fluvial.data.limits import limit
from fluvial.interfaces.scored import Scored
from fluvial.interfaces.words import Draw
from fluvial.tasks.entrance import load_any
from fluvial.tasks.foreign import foreignness
from fluvial.tasks.image import ImageModel, write_samples
from fluvial.terminal import say

_IMAGES = 64  # drawn where no number is given
_BYTES = 4  # of a number that is drawn


def score(
    fitted: ImageModel,
    data: str | list[str],
    context: Mapping[str, object] | None,
    *,
    labels: str | None = None,
    background: Path | None = None,
) -> Scored:
    """Bits per dimension of each image, and how foreign it is beside held-out ones, where the run has kept some."""
    told = labels if context is None else context
    images = fitted.read(data, told)
    given = fitted.labels(images, told)
    log_prob = fitted.log_prob_images(images, given)
    bits = -log_prob / (fitted.schema.numbers * math.log(2))
    columns = {"image": np.array(images.names), "log_prob": log_prob, "bits_per_dim": bits}
    notes = [f"note: {warning}" for warning in images.notes]
    if not fitted.exact:
        notes.append("the scores are bounds: of log p from below, of bits per dimension from above")
    if background is None and not len(fitted.rows.get("held_out.log_prob", ())):
        notes.append("the run has kept no held-out images, so nothing is said of how foreign these are")
        return Scored(columns, notes, "bits per dimension", bits)
    pixels = fitted.schema.encode(images.read())
    behind = None if background is None else image_run(background)
    columns |= foreignness(fitted, pixels, log_prob, given, behind).columns()
    return Scored(columns, notes, "bits per dimension", bits)


def image_run(run: Path) -> ImageModel:
    """The model of a run that is of images."""
    model = load_any(run)
    if not isinstance(model, ImageModel):
        raise UsageError(f"{run} is not a run of images")
    return model


def sample(fitted: ImageModel, wish: Draw, *, temperature: float = 1.0) -> None:
    """New images: one sheet as a PNG file, or a PNG file each in a folder."""
    number = _IMAGES if wish.number is None else wish.number
    if wish.number is None and _BYTES * number * fitted.schema.numbers > limit():
        raise UsageError(
            f"{number} images of {fitted.schema.numbers:,} numbers each fill much memory: say how many, -n"
        )
    images = fitted.sample(number, wish.context, temperature, wish.seed)
    for path in write_samples(wish.out or own_file(wish.run / "samples.png"), images):
        say(path)
