"""A fitted model of images in a few lines of text."""

from __future__ import annotations

from fluvial.core import Sampler
from fluvial.data.words import counted
from fluvial.kinds.images.model import ImageModel, why_bound
from fluvial.kinds.summary import fitted_line


def image_summary(model: ImageModel) -> list[str]:
    """What a fit came to: bits per dimension beside those of a histogram."""
    record, sizes, schema = model.record, model.record["sizes"], model.schema
    width, height = schema.size
    lines = [
        fitted_line(record, f"{counted(sizes['train'], 'image')} to train on, {sizes['held_out']:,} held out"),
        f"{width} x {height} pixels, {'grey' if schema.shape[0] == 1 else 'colour'}, {schema.bits} bits",
    ]
    if schema.augmentation:
        lines.append(
            f"augmented by {', '.join(schema.augmentation)}: the density is one of the images and their mirror images, "
            "and its bits do not compare with those of models without"
        )
    scores = record["scores"]
    if isinstance(model.density, Sampler):
        lines.append("It only draws samples: it has no log-likelihood. Its report compares them with held-out images.")
    elif scores["held_out"] is None:
        lines.append("nothing was held out to judge it by")
    else:
        held_out = scores["held_out"]
        how = "exactly" if model.exact else f"an upper bound, as {why_bound(model.density)}"
        lines += [
            f"bits per dimension of held-out images, {how}:",
            f"  {'model':24}{held_out['bits_per_dimension']:6.3f} ± {held_out['standard_error']:.3f}",
            f"  {'histogram':24}{scores['histogram']:6.3f}",
        ]
    return lines
