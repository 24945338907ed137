"""Images in, a fitted model of images out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from fluvial.conditioners import ContextMap
from fluvial.core import Density, Sampler
from fluvial.core.errors import DataError, UsageError
from fluvial.kinds.images.files import Size
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.read import Images, read_images
from fluvial.kinds.images.rows import ImageRows
from fluvial.kinds.images.saved import restore
from fluvial.kinds.images.schema import ImageSchema
from fluvial.kinds.job import Job, Lesson, Words
from fluvial.kinds.parts import Parts, judged
from fluvial.models import default_of, recipe_of, resolve

_OF_DRAWS = Words("energy distance of draws to images", 1.0, "images")
_JUDGES = 2000  # images at most that stop the training
_KEPT_BYTES, _KEPT, _CONTEXTS = 1 << 23, 2000, 10_000  # images of each kind and rows of labels that a run keeps


def fit_image(
    data: object,
    model: str | None,
    job: Job,
    *,
    context: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    labels: object = None,
    size: Size | None = None,
    flip: bool = False,
) -> ImageModel:
    """Learn the density of images' integer pixels, given their labels where there are any.

    Args: as of :func:`fluvial.fit`, but
        data, size, labels: see ``kinds.images.read.read_images``; the model is given all labels that there are.
        model: None for ``models.DEFAULT_IMAGE``.
        flip: learn the images and their mirror images, left for right: another density, and the record says so.

    Raises:
        DataError, UsageError, RunError: as :func:`fluvial.fit`.
    """
    job.check_holdout("images")
    images = read_images(data, size, labels)
    if context:
        raise UsageError(
            f"context: images are conditioned on what labels tell, such as --labels folder; leave out "
            f"{', '.join(context)}"
        )
    if len(images) < 2:
        raise DataError(f"{images.names[0]}: one image is not enough to learn from")
    name = model or default_of("images")
    full = resolve(name, options or {}, images.shape)
    schema = ImageSchema.of(images, _bits(full), flip)
    config = _config(name, full, schema)
    density = _built(job, config, schema)
    parts = Parts.of(len(images), job.holdout, job.seed)
    kept, aside = images.take(parts.train), images.take(parts.judges)
    stopping = images.take(parts.validation[:_JUDGES])
    training = recipe_of(name, images.shape).training
    batch = training.batch[job.settings.torch_device().type == "cuda"]
    rows, held_out = (_rows(part, schema, batch) for part in (kept, aside))
    validation = _rows(stopping, schema, batch) if len(stopping) else None

    lesson = Lesson(
        density,
        config,
        schema,
        rows,
        validation,
        _OF_DRAWS if training.objective == "adversarial" else image_words(schema.shape),
        {"train": len(kept), "validation": len(stopping), "held_out": len(aside)},
        judged("images", len(kept), len(stopping), len(parts.test)),
        images.notes,
        objective=training.objective,
    )

    def conclude(record: dict[str, Any], metrics: list[dict[str, Any]]) -> ImageModel:
        draws = isinstance(density, Sampler)
        log_prob = None if draws else ImageModel(density, schema, record).log_prob_images(aside, held_out.context)
        augmented = {"augmentation": list(schema.augmentation)}
        record |= {**augmented, "scores": _scores(schema, density.exact, kept, aside, log_prob)}
        stored = {**_kept("train", rows), **_kept("held_out", held_out)}
        if log_prob is not None and len(aside):
            stored["held_out.log_prob"] = log_prob
        if rows.context is not None:
            stored["contexts"] = rows.context[:_CONTEXTS].numpy()
        return ImageModel(density, schema, record, [{**m, **augmented} for m in metrics], stored)

    return job.learn(lesson, restore, conclude)


def _config(name: str, options: dict[str, Any], schema: ImageSchema) -> dict[str, Any]:
    """What ``models.build`` takes, plain JSON."""
    maps = [asdict(ContextMap(categories=len(v))) for v in schema.context.values()]
    config = {
        "model": name,
        "event_shape": list(schema.shape),
        "context_shape": [len(maps)] if maps else None,
        "context": maps or None,
        "options": options,
    }
    return json.loads(json.dumps(config))


def image_words(shape: tuple[int, int, int]) -> Words:
    """The unit of scores of images of this shape: bits per dimension."""
    unit = math.prod(shape) * math.log(2)
    return Words("bits per dimension", unit, "images")


def _bits(options: Mapping[str, Any]) -> int:
    bits = options["bits"]
    if not 1 <= bits <= 8:
        raise UsageError(f"bits: images have 8 bits, of which a model learns 1 to 8, got {bits}")
    return bits


def _built(job: Job, config: Mapping[str, Any], schema: ImageSchema) -> Density:
    """The model; where it does not take images of this size, a sentence that names the nearest one that it takes."""
    try:
        return job.build(config)
    except UsageError as error:
        fits = _nearest(job, config, schema)
        raise UsageError(f"{error}{f'; --size {fits[0]}x{fits[1]} does so' if fits else ''}") from None


def _nearest(job: Job, config: Mapping[str, Any], schema: ImageSchema) -> Size | None:
    """Width and height, a little smaller, that the model takes; None if that is not what is wrong."""
    for step in (2, 4, 8, 16):
        width, height = (n // step * step for n in schema.size)
        try:
            job.build({**config, "event_shape": [schema.shape[0], height, width]})
        except UsageError:
            continue
        return None if (width, height) == schema.size else (width, height)
    return None


def _rows(images: Images, schema: ImageSchema, batch: int) -> ImageRows:
    labels = schema.encode_labels(images)
    return ImageRows(images, schema, None if labels is None else torch.from_numpy(labels), batch)


def _kept(name: str, rows: ImageRows) -> dict[str, np.ndarray]:
    """The first images, which the split has put in random order, as integers, and their labels."""
    n = min(_KEPT, len(rows), max(64, _KEPT_BYTES // rows.schema.numbers))
    if not n:
        return {}
    kept = {f"{name}.pixels": rows.schema.encode(rows.images.read(np.arange(n)))}
    if rows.context is not None:
        kept[f"{name}.context"] = rows.context[:n].numpy()
    return kept


def _scores(
    schema: ImageSchema, exact: bool, train: Images, held_out: Images, log_prob: np.ndarray | None
) -> dict[str, Any]:
    """Bits per dimension of the held-out images, of the model and of a histogram of the training pixels' values."""
    if log_prob is None or not len(held_out):
        return {"held_out": None, "histogram": None}
    unit = schema.numbers * math.log(2)
    known, new = (_counts(part, schema) for part in (train, held_out))
    share = (known + 1) / (known + 1).sum(1, keepdims=True)
    return {
        "held_out": {
            "images": len(log_prob),
            "log_likelihood": float(log_prob.mean()),
            "bits_per_dimension": float(-log_prob.mean() / unit),
            "standard_error": float(log_prob.std() / unit / math.sqrt(len(log_prob))),
            "exact": exact,
        },
        "histogram": float(-(new * np.log2(share)).sum() / new.sum()),
    }


def _counts(images: Images, schema: ImageSchema) -> np.ndarray:
    """How often each value stands in each channel, (C, 2^bits), of at most 10,000 images."""
    some, levels = np.arange(min(len(images), _CONTEXTS)), 2**schema.bits
    counts = np.zeros((schema.shape[0], levels), dtype=np.int64)
    for index in np.array_split(some, -(-len(some) // 1024)):
        values = schema.encode(images.read(index))
        counts += np.stack([np.bincount(values[:, c].ravel(), minlength=levels) for c in range(len(counts))])
    return counts
