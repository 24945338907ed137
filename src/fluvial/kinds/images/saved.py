"""A fitted model of images from its run folder."""

from __future__ import annotations

import os
from typing import Any, cast

from fluvial.core.errors import RunError
from fluvial.kinds import records
from fluvial.kinds.fitted import record_of
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.schema import ImageSchema
from fluvial.kinds.records import Kept, check_alike, check_context, check_kept, check_record
from fluvial.training.saved import Saved


def restore(saved: Saved, path: str | os.PathLike[str]) -> ImageModel:
    """The model in a run folder that has been read."""
    schema = ImageSchema.from_json(saved.config["schema"])
    bits = saved.config["model"]["options"].get("bits")
    if saved.density.event_shape != schema.shape or bits != schema.bits:
        raise RunError(f"{path} is damaged: its model is not one of the images in its schema")
    _spell(saved.config.get("scores"))
    check_record(saved, path, records.ImageSizes, records.ImageScores)
    check_context(saved, path, [len(words) for words in schema.context.values()])
    labels = Kept((len(schema.context),), [len(words) - 1 for words in schema.context.values()])
    pixels = Kept(schema.shape, 2**schema.bits - 1)
    kept = {
        f"{part}.{name}": k for part in ("train", "held_out") for name, k in (("pixels", pixels), ("context", labels))
    }
    check_kept(saved, path, {**kept, "contexts": labels, "held_out.log_prob": Kept(whole=False)})
    check_alike(saved, path, "train.pixels", "train.context")
    check_alike(saved, path, "held_out.pixels", "held_out.context")
    return ImageModel(saved.density, schema, record_of(saved), saved.metrics, saved.rows)


def _spell(scores: object) -> None:
    """Bits per dimension by the name they have now, in the scores of an older run."""
    held_out = cast("dict[str, Any]", scores).get("held_out") if isinstance(scores, dict) else None
    if isinstance(held_out, dict) and "bits_per_dim" in held_out:
        found = cast("dict[str, Any]", held_out)
        found["bits_per_dimension"] = found.pop("bits_per_dim")
