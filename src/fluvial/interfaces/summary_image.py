"""A fitted model of images in a few lines of text."""

from __future__ import annotations

from fluvial.data.words import counted
from fluvial.interfaces.summary import details, labels, trained
from fluvial.tasks.image import ImageModel


def image_summary(model: ImageModel) -> str:
    """What a fit came to: bits per dimension beside those of a histogram."""
    record, sizes, schema = model.record, model.record["sizes"], model.schema
    width, height = schema.size
    lines = [
        f"{record['model']['model']}: {counted(sizes['train'], 'image')} to train on, {sizes['held_out']:,} held out, "
        f"{trained(record)}",
        f"{width} x {height} pixels, {'grey' if schema.shape[0] == 1 else 'colour'}, {schema.bits} bits",
    ]
    if schema.augmentation:
        lines.append(
            f"augmented by {', '.join(schema.augmentation)}: the density is one of the images and their mirror images, "
            "and its bits do not compare with those of models without"
        )
    scores = record["scores"]
    if scores["held_out"] is None:
        lines.append("nothing was held out to judge it by")
    else:
        held_out = scores["held_out"]
        lines += [
            f"bits per dimension of held-out images, {'exactly' if model.exact else 'an upper bound'}:",
            f"  {'model':24}{held_out['bits_per_dim']:6.3f} ± {held_out['standard_error']:.3f}",
            f"  {'histogram':24}{scores['histogram']:6.3f}",
        ]
    return "\n".join(lines)


def image_details(model: ImageModel) -> str:
    """All that a run folder says about its model."""
    resized = ["images of other sizes are cropped at the centre and resized"] if model.schema.resized else []
    return details(model.record, [*resized, *labels(model.schema.context)])
