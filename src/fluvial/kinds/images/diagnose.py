"""How far a model of images can be trusted: held-out, foreign and drawn images, their noise, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core import Flow, batched
from fluvial.core.batched import by_chunk, part
from fluvial.core.errors import RunError
from fluvial.core.randomness import drawing_from, uniform
from fluvial.examine.round_trip import RoundTrip, trip_of
from fluvial.examine.two_sample import ClassifierTest, Memorisation, classifier_tests, memorisation
from fluvial.examine.typicality import Reference, bits, compressed_bits, excess
from fluvial.kinds.images.latent import interpolate
from fluvial.kinds.images.model import ImageModel
from fluvial.models import continuous, sample_at_temperature
from fluvial.transforms import FactorOut

COOL = 0.7
"""The temperature of the sharper samples, that of Glow's pictures."""
TOLERANCE = 1e-4
"""Of the range of the pixels: a round trip that misses one by more has failed."""
_DRAWN = 128  # images drawn at each temperature, and held-out images that they are compared with
_NEAREST = 10  # samples whose nearest training images are shown
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
class ImageDiagnosis:
    """What the report of a model of images shows. Pixels are the model's integers, (N, C, H, W).

    Args:
        bits, train_bits: bits per dimension of held-out images (N,), those of ``held_out`` first, and of training
            images (M,).
        histogram, compressor: bits per dimension of the held-out images under the histogram of all training pixels,
            and after lossless compression of each.
        samples, cool: drawn at temperatures 1 and ``COOL`` with the contexts of the first held-out images;
            ``bad_samples`` of the former were not finite.
        neighbours: the training images nearest to the first samples.
        ways: interpolations between held-out images, (2, n, C, H, W).
        scales: in the order of z; none for exact models, whose noise is the middle of each pixel's step.
        round_trip, round_trip_of_samples: of pixels with their noise, in units of the pixels' range.
    """

    bits: np.ndarray
    train_bits: np.ndarray
    histogram: float
    compressor: float
    foreign: tuple[Foreign, ...]
    held_out: np.ndarray
    samples: np.ndarray
    cool: np.ndarray
    drawn: int
    bad_samples: int
    neighbours: np.ndarray
    memorisation: Memorisation
    classifiers: tuple[ClassifierTest, ...]
    ways: np.ndarray
    scales: tuple[Scale, ...]
    round_trip: RoundTrip
    round_trip_of_samples: RoundTrip

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
    train, held_out = model.rows.get("train.pixels"), model.rows.get("held_out.pixels")
    log_prob = model.rows.get("held_out.log_prob")
    if train is None or held_out is None or log_prob is None or min(len(train), len(held_out)) < 10:
        raise RunError("the run has kept fewer than 10 held-out images to examine the model with: hold out more")
    given = [None if c is None else torch.from_numpy(c).float() for c in map(model.rows.get, _CONTEXTS)]
    numbers, n = model.schema.numbers, min(_DRAWN, len(held_out))
    context = None if given[1] is None else given[1][:n]
    drawn = batched.draw(model.density, n, context, seed)
    finite = drawn.flatten(1).isfinite().all(1)
    if finite.sum() < 10:
        raise RunError(f"only {int(finite.sum())} of {n} draws are finite: fit the model again")
    samples, some = _pixels(drawn[finite]), held_out[:n]
    ends = min(len(held_out), 4) // 2 * 2
    ways = [
        interpolate(model.density, _float(held_out[i : i + 2]), _WAY, None if context is None else context[i : i + 2])
        for i in range(0, ends, 2)
    ]
    m = min(len(train), len(held_out))
    return ImageDiagnosis(
        bits=bits(log_prob) / numbers,
        train_bits=bits(model.log_prob_pixels(train[:m], None if given[0] is None else given[0][:m])) / numbers,
        histogram=_histogram_bits(train, held_out, model.schema.bits),
        compressor=float(compressed_bits(held_out).mean()) / numbers,
        foreign=_foreign(model, train, held_out, context, log_prob, seed),
        held_out=held_out,
        samples=samples,
        cool=_pixels(_cool(model.density, n, context, seed)),
        drawn=n,
        bad_samples=int((~finite).sum()),
        neighbours=_nearest(samples[:_NEAREST], train),
        memorisation=memorisation(_flat(samples), _flat(some), _flat(train), seed, unit=2**model.schema.bits),
        classifiers=classifier_tests(_flat(samples), _flat(some), seed=seed),
        ways=_pixels(torch.stack(ways)),
        scales=_scales(model.density, some, context, seed),
        round_trip=_round_trip(model, _float(some), context, seed),
        round_trip_of_samples=_round_trip(model, drawn[finite], None if context is None else context[finite], seed),
    )


_CONTEXTS = ("train.context", "held_out.context")


def scale_sizes(density: Flow) -> list[int]:
    """How many numbers of the flat z each scale has, in their order."""
    total = math.prod(n or 0 for n in density.event_shape)
    outer = [m for m in density.modules() if isinstance(m, FactorOut)]
    finished = [m.finished * m.event_shape[1] * m.event_shape[2] for m in outer]
    return [*finished, total - sum(finished)]


def _foreign(
    model: ImageModel,
    train: np.ndarray,
    held_out: np.ndarray,
    context: Tensor | None,
    log_prob: np.ndarray,
    seed: int,
) -> tuple[Foreign, ...]:
    rng, top = np.random.default_rng(seed), 2**model.schema.bits - 1
    some = held_out[:_FOREIGN]
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


def _nearest(samples: np.ndarray, train: np.ndarray) -> np.ndarray:
    distance = torch.cdist(_float(samples).flatten(1), _float(train).flatten(1))
    return train[distance.argmin(1).numpy()]


def _cool(density: Flow, n: int, context: Tensor | None, seed: int) -> Tensor:
    def chunk(i: slice, device: torch.device) -> Tensor:
        return sample_at_temperature(density, i.stop - i.start, COOL, part(context, i, device))

    return by_chunk(density, chunk, n, seed)


def _scales(density: Flow, x: np.ndarray, context: Tensor | None, seed: int) -> tuple[Scale, ...]:
    if density.exact:
        return ()
    z = batched.encode(density, _float(x), context, seed).double()
    base, found = density.noise, list[Scale]()
    for values in z.split(scale_sizes(density), 1):
        flat = values.flatten().sort().values
        u = base.cdf(flat)  # pyright: ignore  (factorised, as every recipe's)
        distance = (u - (torch.arange(len(flat)) + 0.5) / len(flat)).abs().max().item()
        found.append(Scale(values.shape[1], flat[:: max(1, len(flat) // _POINTS)].numpy(), distance))
    return tuple(found)


def _round_trip(model: ImageModel, x: Tensor, context: Tensor | None, seed: int) -> RoundTrip:
    density, flow = model.density, continuous(model.density)
    back = batched.decode(density, batched.encode(density, x, context, seed), context, seed)
    if flow is None:  # noise that is learned comes back with a pixel or not at all
        error = (back - x).abs()
    else:
        with drawing_from(seed):
            noisy = x + uniform(x.shape)
        error = (batched.decode(flow, batched.encode(flow, noisy, context, seed), context, seed) - noisy).abs()
    changed = int((back != x).flatten(1).any(1).sum())
    return trip_of(error.flatten(1).double().numpy() / 2**model.schema.bits, TOLERANCE, changed)


def _float(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x.astype(np.float32))


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float64)


def _pixels(x: Tensor) -> np.ndarray:
    return x.nan_to_num(0.0).byte().numpy()
