"""The report on a model of images: one page to look at, and to judge it by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.core import Sampler
from fluvial.examine.page import Report, Sentences, numbers, plus_minus
from fluvial.kinds.images.diagnose import COOL, TOLERANCE, ImageDiagnosis, diagnose_image
from fluvial.kinds.images.drawn import ImageDraws, compare_images, kept
from fluvial.kinds.images.latent import coder
from fluvial.kinds.images.model import ImageModel, why_bound
from fluvial.kinds.images.verdict import judge_draws, judge_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOPICS: dict[str, Sentences] = {
    "density": (
        "Its likelihoods can be trusted.",
        "Use its likelihoods with care.",
        "Do not rely on its likelihoods.",
    ),
    "sampling": (
        "Its samples look like the data.",
        "Look closely before you use its samples.",
        "Its samples differ from the data.",
    ),
    "numerics": (
        "Its arithmetic holds.",
        "Its arithmetic holds, with exceptions.",
        "Its arithmetic fails on some images.",
    ),
}
_BULKY = frozenset({"foreign", "neighbours", "cool", "ways", "scales", "bits", "train_bits"})


def image_report(model: ImageModel) -> Report:
    """Examine ``model`` with the images that its run kept.

    Raises:
        RunError: they are too few.
    """
    if isinstance(model.density, Sampler):
        return _of_draws(model)
    d = diagnose_image(model, int(model.record.get("seed") or 0))
    checks = judge_image(d, _skipped(model))
    content = {"diagnosis": _numbers(d)}
    return Report(checks, _TOPICS, _figures(model, d), content, _facts(model, d), f"{__package__}/report.html.j2")


def _of_draws(model: ImageModel) -> Report:
    """The report of a model that only draws: the checks that need a density are left out."""
    from fluvial.examine import drawing
    from fluvial.kinds.images import figures

    d, _, _ = compare_images(model, kept(model), int(model.record.get("seed") or 0))
    drawn = {
        "samples": figures.samples(model, d),
        "neighbours": _nearest(model, d),
        "memorisation": drawing.memorisation(d.memorisation, "image", "pixels scaled to [0, 1]"),
        "training": drawing.training_curve(model.metrics, "energy distance", 1.0),
    }
    shown = {name: figure for name, figure in drawn.items() if figure is not None}
    content = {"diagnosis": {k: v for k, v in numbers(d).items() if k not in _BULKY}}
    facts = {"d": d, "shape": _shape(model), "given": list(model.schema.context)}
    return Report(judge_draws(d, _skipped(model)), _TOPICS, shown, content, facts, f"{__package__}/sampled.html.j2")


def _nearest(model: ImageModel, d: ImageDraws) -> Figure:
    from fluvial.kinds.images import figures

    return figures.nearest(model.schema, d.samples[: len(d.neighbours)], d.neighbours, d.memorisation)


def _skipped(model: ImageModel) -> int:
    return int((model.record.get("training") or {}).get("skipped") or 0)


def _shape(model: ImageModel) -> str:
    """Size, colours and bits in words."""
    channels, height, width = model.schema.shape
    return f"{width} x {height}, {'grey' if channels == 1 else 'colour'}, {model.schema.bits} bits"


def _figures(model: ImageModel, d: ImageDiagnosis) -> dict[str, Figure]:
    from fluvial.examine import drawing
    from fluvial.kinds.images import figures

    unit = model.schema.numbers * math.log(2)
    yardsticks = {"compressor": d.compressor, "histogram of pixels": d.histogram}
    drawn = {
        "samples": figures.samples(model, d),
        "neighbours": _nearest(model, d),
        "memorisation": drawing.memorisation(d.memorisation, "image", "pixels scaled to [0, 1]"),
        "training": drawing.training_curve(model.metrics, "bits per dimension", unit, yardsticks),
        "likelihoods": figures.likelihoods(d),
        "extremes": figures.extremes(model, d),
        "interpolations": figures.interpolations(model, d),
        "noise": figures.noise(d, coder(model.density).noise) if d.scales else None,
    }
    if d.round_trip is not None and d.round_trip_of_samples is not None:
        trips = d.round_trip, d.round_trip_of_samples
        drawn["round_trip"] = drawing.round_trip(*trips, TOLERANCE, "image", "of the pixels' range")
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _facts(model: ImageModel, d: ImageDiagnosis) -> dict[str, Any]:
    schema, sizes = model.schema, model.record.get("sizes") or {}
    per_dimension = f"{d.bits.mean():.3f} ± {d.error:.3f}" if np.isfinite(d.bits).all() else "not finite"
    nats = d.bits * schema.numbers * math.log(2)
    return {
        "d": d,
        "shape": _shape(model),
        "why_bound": why_bound(model.density),
        "numbers": f"{schema.numbers:,}",
        "given": list(schema.context),
        "augmentation": schema.augmentation,
        "bits": per_dimension,
        "scores": [
            ("this model ± standard error over images", per_dimension),
            ("this model, training images", f"{d.train_bits.mean():.3f}"),
            ("lossless compression of each image (PNG's filters, deflate)", f"{d.compressor:.3f}"),
            ("pixels one by one, from their histogram", f"{d.histogram:.3f}"),
            ("pixels as they are", f"{schema.bits:.0f}"),
        ],
        "nats": plus_minus(-float(nats.mean()), d.error * schema.numbers * math.log(2)),
        "foreign": [
            (f.name, f"{np.median(f.bits):.3f}", f"{100 * f.likelier:.0f} %", _p(f.typicality), _p(f.excess))
            for f in d.foreign
        ],
        "cool": COOL,
        "tolerance": f"{TOLERANCE:g}",
        "train": f"{sizes.get('train') or 0:,}",
        "held_out": f"{len(d.bits):,}",
    }


def _p(value: float) -> str:
    """A p-value to read.

    >>> _p(0.0004), _p(0.25)
    ('< 0.001', '0.250')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _numbers(d: ImageDiagnosis) -> dict[str, Any]:
    """The diagnosis as plain JSON, without the pictures."""
    return {
        **{k: v for k, v in numbers(d).items() if k not in _BULKY},
        "bits_per_dimension": {"mean": float(d.bits.mean()), "standard_error": d.error, "images": len(d.bits)},
        "train_bits_per_dimension": float(d.train_bits.mean()),
        "foreign": [
            {"name": f.name, "bits": f.bits.tolist(), "likelier": f.likelier, "typicality": f.typicality}
            | {"excess": f.excess}
            for f in d.foreign
        ],
        "scales": [{"numbers": s.numbers, "distance": s.distance} for s in d.scales],
    }
