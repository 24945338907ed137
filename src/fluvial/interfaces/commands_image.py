"""What ``score`` and ``sample`` do with a model of images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fluvial.interfaces.words import Draw
from fluvial.tasks.image import ImageModel, write_samples

_IMAGES = 64  # drawn where no number is given


def score(
    fitted: ImageModel, data: str | list[str], context: Mapping[str, object] | None, *, labels: str | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Bits per dimension of each image."""
    scores = fitted.score(data, labels if context is None else context)
    columns = {"image": np.array(scores.names), "log_prob": scores.log_prob, "bits_per_dim": scores.bits_per_dim}
    notes = [f"note: {warning}" for warning in scores.warnings]
    if not fitted.exact:
        notes.append("the scores are bounds: of log p from below, of bits per dimension from above")
    return columns, notes


def sample(fitted: ImageModel, wish: Draw, *, temperature: float = 1.0) -> None:
    """New images: one sheet as a PNG file, or a PNG file each in a folder."""
    number = _IMAGES if wish.number is None else wish.number
    images = fitted.sample(number, wish.context, temperature, wish.seed)
    for path in write_samples(wish.out or wish.run / "samples.png", images):
        print(path)
