"""How far a model of images can be trusted: held-out, foreign and drawn images, their noise, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core import Density, Flow, batched
from fluvial.core.batched import by_chunk, part
from fluvial.core.errors import RunError
from fluvial.core.randomness import drawing_from, uniform
from fluvial.examine.round_trip import RoundTrip, trip_of
from fluvial.examine.typicality import Reference, bits, compressed_bits, excess
from fluvial.kinds.images.drawn import ImageDraws, Kept, compare_images, floats, kept, pixels
from fluvial.kinds.images.latent import Coder, coder, interpolate
from fluvial.kinds.images.model import ImageModel
from fluvial.models import VAE, continuous, sample_at_temperature
from fluvial.transforms import FactorOut

COOL = 0.7
"""The temperature of the sharper samples, that of Glow's pictures."""
TOLERANCE = 1e-4
"""Of the range of the pixels: a round trip that misses one by more has failed."""
_WAY = 10  # images of each interpolation
_FOREIGN = 16  # foreign images of each kind
_POINTS = 20_000  # numbers of z of each scale that are kept


@dataclass(frozen=True)
class Foreign:
    """Images that are none of the training set's kind.

    Args:
        name: of the kind; ``image`` is one of them (C, H, W).
        bits: per dimension, (K,).
        likelier: share of held-out images that are less likely than these, in the mean.
        typicality, excess: median p-values of the two-sided test of log p, and of the bits beyond a compressor.
    """

    name: str
    image: np.ndarray
    bits: np.ndarray
    likelier: float
    typicality: float
    excess: float


@dataclass(frozen=True)
class Scale:
    """Noise of held-out images at one scale: how many numbers, some of them, and their distance from the base."""

    numbers: int
    z: np.ndarray
    distance: float


@dataclass(frozen=True)
class ImageDiagnosis(ImageDraws):
    """What the report of a model of images shows beside its draws.

    Args:
        bits, train_bits: bits per dimension of held-out images (N,), those of ``held_out`` first, and of training
            images (M,).
        histogram, compressor: bits per dimension of the held-out images under the histogram of all training pixels,
            and after lossless compression of each.
        cool: drawn at temperature ``COOL`` with the contexts of the first held-out images; None without a flow.
        reconstructed: the first held-out images as a VAE's latent variables keep them; None without any.
        ways: interpolations between held-out images, (2, n, C, H, W).
        scales: in the order of z; none for exact models, whose noise is the middle of each pixel's step.
        round_trip, round_trip_of_samples: of pixels with their noise, in units of their range; None without a flow.
    """

    bits: np.ndarray
    train_bits: np.ndarray
    histogram: float
    compressor: float
    foreign: tuple[Foreign, ...]
    cool: np.ndarray | None
    reconstructed: np.ndarray | None
    ways: np.ndarray
    scales: tuple[Scale, ...]
    round_trip: RoundTrip | None
    round_trip_of_samples: RoundTrip | None

    @property
    def error(self) -> float:
        """Standard error of the mean of the held-out bits per dimension; infinite if one is."""
        if not np.isfinite(self.bits).all():
            return math.inf
        return float(self.bits.std(ddof=1) / math.sqrt(len(self.bits)))


def diagnose_image(model: ImageModel, seed: int = 0) -> ImageDiagnosis:
    """Examine ``model`` with the images that its run kept.

    Raises:
        RunError: it has kept too few, or hardly any draw is finite.
    """
    images, log_prob = kept(model), model.rows.get("held_out.log_prob")
    if log_prob is None:
        raise RunError("the run has kept no scores of held-out images: fit it again with some held out")
    draws, drawn, finite = compare_images(model, images, seed)
    density, numbers, context = model.density, model.schema.numbers, images.context
    m, given = min(len(images.train), len(images.held_out)), model.rows.get("train.context")
    known = None if given is None else torch.from_numpy(given[:m]).float()
    trips: list[RoundTrip | None] = [None, None]
    if isinstance(density, Flow):
        some = None if context is None else context[finite]
        trips = [
            _round_trip(model, density, floats(images.some), context, seed),
            _round_trip(model, density, drawn, some, seed),
        ]
    return ImageDiagnosis(
        **vars(draws),
        bits=bits(log_prob) / numbers,
        train_bits=bits(model.log_prob_pixels(images.train[:m], known)) / numbers,
        histogram=_histogram_bits(images.train, images.held_out, model.schema.bits),
        compressor=float(compressed_bits(images.held_out).mean()) / numbers,
        foreign=_foreign(model, images, log_prob, seed),
        cool=pixels(_cool(density, len(images.some), context, seed)) if isinstance(density, Flow) else None,
        reconstructed=_reconstructed(density, images, seed),
        ways=_ways(coder(density), images),
        scales=_scales(density, images.some, context, seed),
        round_trip=trips[0],
        round_trip_of_samples=trips[1],
    )


def _ways(density: Coder, images: Kept) -> np.ndarray:
    """Interpolations between the first held-out images, two by two."""
    ends, context = min(len(images.held_out), 4) // 2 * 2, images.context
    pairs = [slice(i, i + 2) for i in range(0, ends, 2)]
    ways = [
        interpolate(density, floats(images.held_out[i]), _WAY, None if context is None else context[i]) for i in pairs
    ]
    return pixels(torch.stack(ways))


def _reconstructed(density: Density, images: Kept, seed: int) -> np.ndarray | None:
    if not isinstance(density, VAE):
        return None
    return pixels(batched.evaluate(density, density.reconstruct, floats(images.some), images.context, seed))


def scale_sizes(density: Flow) -> list[int]:
    """How many numbers of the flat z each scale has, in their order."""
    total = math.prod(n or 0 for n in density.event_shape)
    outer = [m for m in density.modules() if isinstance(m, FactorOut)]
    finished = [m.finished * m.event_shape[1] * m.event_shape[2] for m in outer]
    return [*finished, total - sum(finished)]


def _foreign(model: ImageModel, images: Kept, log_prob: np.ndarray, seed: int) -> tuple[Foreign, ...]:
    rng, top, context = np.random.default_rng(seed), 2**model.schema.bits - 1, images.context
    held_out, some = images.held_out, images.held_out[:_FOREIGN]
    levels = np.linspace(0, top, len(some)).round().astype(np.uint8)
    given = None if context is None else context[: len(some)]
    greys = np.broadcast_to(levels[:, None, None, None], some.shape).copy()
    likeliest = model.log_prob_pixels(greys, given).argmax()  # where the likelihood fails first
    order = rng.permuted(np.tile(np.arange(some[0, 0].size), (len(some), 1)), axis=1)
    shuffled = np.take_along_axis(some.reshape(*some.shape[:2], -1), order[:, None], 2).reshape(some.shape)
    kinds = {
        "one grey throughout": greys[likeliest : likeliest + 1],
        "uniform noise": rng.integers(0, top + 1, some.shape, dtype=np.uint8),
        "shuffled pixels": shuffled,
        "inverted": (top - some).astype(np.uint8),
    }
    known = Reference.of(log_prob)
    kept = Reference.of(excess(log_prob[: len(held_out)], compressed_bits(held_out)))
    found: list[Foreign] = []
    for name, x in kinds.items():
        which = slice(likeliest, likeliest + 1) if len(x) == 1 else slice(None)
        values = model.log_prob_pixels(x, None if given is None else given[which])
        p = known.two_sided(values), kept.at_least(excess(values, compressed_bits(x)))
        likelier = float((known.values[:, None] < values).mean())
        medians = (float(np.median(v)) for v in p)
        found.append(Foreign(name, x[len(x) // 2], bits(values) / model.schema.numbers, likelier, *medians))
    return tuple(found)


def _histogram_bits(train: np.ndarray, held_out: np.ndarray, depth: int) -> float:
    """Bits per dimension of pixels drawn one by one from the histogram of all training pixels, one added to each."""
    counts = np.bincount(train.ravel(), minlength=2**depth) + 1.0
    return float(np.bincount(held_out.ravel(), minlength=2**depth) @ -np.log2(counts / counts.sum())) / held_out.size


def _cool(density: Flow, n: int, context: Tensor | None, seed: int) -> Tensor:
    def chunk(i: slice, device: torch.device) -> Tensor:
        return sample_at_temperature(density, i.stop - i.start, COOL, part(context, i, device))

    return by_chunk(density, chunk, n, seed)


def _scales(density: Density, x: np.ndarray, context: Tensor | None, seed: int) -> tuple[Scale, ...]:
    if density.exact or not isinstance(density, Flow):
        return ()
    z = batched.encode(density, floats(x), context, seed).double()
    base, found = density.noise, list[Scale]()
    for values in z.split(scale_sizes(density), 1):
        flat = values.flatten().sort().values
        u = base.cdf(flat)  # pyright: ignore  (factorised, as every recipe's)
        distance = (u - (torch.arange(len(flat)) + 0.5) / len(flat)).abs().max().item()
        found.append(Scale(values.shape[1], flat[:: max(1, len(flat) // _POINTS)].numpy(), distance))
    return tuple(found)


def _round_trip(model: ImageModel, density: Flow, x: Tensor, context: Tensor | None, seed: int) -> RoundTrip:
    flow = continuous(density)
    back = batched.decode(density, batched.encode(density, x, context, seed), context, seed)
    if flow is None:  # noise that is learned comes back with a pixel or not at all
        error = (back - x).abs()
    else:
        with drawing_from(seed):
            noisy = x + uniform(x.shape)
        error = (batched.decode(flow, batched.encode(flow, noisy, context, seed), context, seed) - noisy).abs()
    changed = int((back != x).flatten(1).any(1).sum())
    return trip_of(error.flatten(1).double().numpy() / 2**model.schema.bits, TOLERANCE, changed)
