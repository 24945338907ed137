"""A fitted model of images: a density of their pixels, the schema of the images, the record of its fit."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from fluvial.core import Density, Flow, randomness
from fluvial.core.batched import by_chunk, chunk_rows, draw, evaluate, part, score
from fluvial.core.density import sized
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.core.files import make_folder, own_file
from fluvial.core.numbers import whole
from fluvial.data.words import counted
from fluvial.kinds.images.files import grid, write_png
from fluvial.kinds.images.latent import Attribute, Way, arc, attribute, coder, decode, edit, interpolate
from fluvial.kinds.images.read import Images, read_images
from fluvial.kinds.images.schema import KIND, ImageSchema
from fluvial.kinds.labelled import Labelled
from fluvial.kinds.scores import Scores
from fluvial.models import VAE, continuous, sample_at_temperature

_REDRAWS = 10  # attempts to replace draws that are not finite


@dataclass(frozen=True, repr=False)
class ImageModel(Labelled):
    """What ``fit`` and ``load`` return for images: a density over images like those it was fitted to.

    log p is that of the integer pixels 0, ..., 2^bits - 1, given the labels; a lower bound unless ``exact``.

    Args:
        density: over pixels (C, H, W).
        schema: shape, bits, labels, and what was done to the training images.
        record, metrics: see :class:`~fluvial.kinds.fitted.Fitted`.
        rows: "train.pixels", "train.context", "held_out.pixels", "held_out.context" of some images, as integers
            (N, C, H, W) uint8; "held_out.log_prob" of all held-out images, those first; and "contexts", which
            :meth:`sample` draws from if no context is given.
    """

    KIND: ClassVar[str] = KIND
    density: Density
    schema: ImageSchema

    def log_prob(self, data: object, labels: object = None) -> np.ndarray:
        """log p of each image's integer pixels, (N,) float64, nats: see :meth:`score`."""
        return self.score(data, labels).log_prob

    def score(self, data: object, labels: object = None, *, seed: int = 0) -> Scores:
        """log p of each image, and the bits per dimension that it comes to.

        Where noise makes pixels continuous, that of an image is a function of the image and the seed, so that its score
        does not depend on the others'; learned noise is a function of the seed and of its place.

        Args:
            data: what ``fit`` takes, brought to size as at the fit; or one image as an array.
            labels: for a conditional model, as of ``fit``, or a dict such as ``{"label": "7"}`` with one value for all
                images or one each. None: found as in the fit.

        Raises:
            DataError: a file is not an image, an image has another size, or a label is missing or new.
        """
        images = self.read(data, labels)
        context = self.labels(images, labels)
        return self.scores(images, self.log_prob_images(images, context, seed))

    def scores(self, images: Images, log_prob: np.ndarray, others: Mapping[str, np.ndarray] | None = None) -> Scores:
        """Log-probabilities (N,) of images that have been read, with ``others`` of their columns."""
        notes = list(images.notes)
        if not self.exact:
            notes.append(f"the scores are bounds, of bits per dimension from above: {why_bound(self.density)}")
        return Scores(
            "image",
            np.array(images.names),
            log_prob,
            unit="bits per dimension",
            column="bits_per_dimension",
            nats=self.schema.numbers * math.log(2),
            others=others or {},
            warnings=tuple(notes),
        )

    def log_prob_images(self, images: Images, context: Tensor | None = None, seed: int = 0) -> np.ndarray:
        """As :meth:`log_prob`, of images that have been read, with labels as numbers (N, C); read chunk by chunk."""
        size, parts = chunk_rows(self.schema.shape), [np.empty(0)]
        for start in range(0, len(images), size):
            rows = slice(start, min(start + size, len(images)))
            x = self.schema.encode(images.read(np.arange(rows.start, rows.stop)))
            given = None if context is None else context[rows]
            own = randomness.shifted(seed, start) if self._noisy is None else seed
            parts.append(self.log_prob_pixels(x, given, own))
        return np.concatenate(parts)

    def log_prob_pixels(self, x: np.ndarray, context: Tensor | None = None, seed: int = 0) -> np.ndarray:
        """As :meth:`log_prob`, of the integers that the model reads, (N, C, H, W); N images at once."""
        flow = self._noisy
        values = score(self.density if flow is None else flow, self._entering(x, seed), context, seed)
        values = values.double().numpy()
        # images so far out that float32 overflows on the way have no density to speak of
        return np.where(np.isnan(values), -np.inf, values)

    def encode(self, data: object, labels: object = None, *, seed: int = 0) -> np.ndarray:
        """The noise that each image stands for, every latent of it, (N, D); D is C H W, or a VAE's latent variables.

        It is float64 where pixels are steps of exact probabilities, which can be that narrow, and else float32.

        Args: as of :meth:`score`; the noise that makes pixels continuous is the same too.
        """
        images = self.read(data, labels)
        context = self.labels(images, labels)
        flow = coder(self.density) if self._noisy is None else self._noisy
        x = self._entering(self.schema.encode(images.read()), seed)
        return evaluate(flow, flow.encode, x, context, seed).flatten(1).numpy()

    def decode(self, z: np.ndarray, labels: Mapping[str, Any] | None = None) -> np.ndarray:
        """The image that each row of noise (N, D) stands for, uint8, (N, H, W) or (N, H, W, 3)."""
        z, flow = np.asarray(z, dtype=np.float64 if self.exact else np.float32), coder(self.density)
        numbers = sized(flow.noise.event_shape).numel() if isinstance(flow, VAE) else self.schema.numbers
        if z.ndim != 2 or z.shape[1] != numbers:
            raise UsageError(f"z: expected shape (N, {numbers}), got {z.shape}")
        encoded = self.schema.encode_context(labels or {}, len(z))
        context = None if encoded is None else torch.from_numpy(encoded)
        return self._pictures(decode(flow, torch.from_numpy(z), context))

    def sample(
        self, n: int, context: Mapping[str, Any] | None = None, temperature: float = 1.0, seed: int | None = None
    ) -> np.ndarray:
        """n new images, uint8, (n, H, W) or (n, H, W, 3).

        Args:
            context: labels by name, one value for all or n of them; None to draw them from the training images'.
            temperature: of the noise; other than 1 it draws from another density, of likelier and less varied images
                below 1, whose likelihood is not that of :meth:`score`.
            seed: for the same images again; None continues torch's global random state.
        """
        n = whole("n", n, 1, "a number of images")
        seed = randomness.new_seed() if seed is None else seed
        given = self.draw_context(n, context, seed)
        for attempt in range(_REDRAWS):
            x = self._draw(n, given, temperature, randomness.shifted(seed, attempt * 0x9E3779B1))
            if torch.isfinite(x).all():
                return self._pictures(x)
        raise RunError(f"some of {n} draws were not finite, {_REDRAWS} times over: fit the model again")

    def interpolate(
        self, first: object, second: object, n: int = 8, labels: object = None, path: Way = arc, seed: int = 0
    ) -> np.ndarray:
        """n images on the way from one to another through the noise, both included, uint8 (n, H, W) or (n, H, W, 3).

        Args:
            first, second, labels: as of :meth:`score`, one image each; images on the way take the nearer one's labels.
            path: ``arc`` of ``kinds.images.latent``, which keeps noise as large as noise is, or ``straight``.
            seed: of the noise that makes pixels continuous.
        """
        ends = [self._one(image, labels) for image in (first, second)]
        context = None if ends[0][1] is None else torch.cat([c for _, c in ends if c is not None])
        flow = coder(self.density)
        return self._pictures(interpolate(flow, torch.cat([x for x, _ in ends]), n, context, path, seed))

    def attribute(self, positives: object, negatives: object, labels: object = None, seed: int = 0) -> Attribute:
        """The direction in the noise that images with an attribute lie in, as seen from images without it.

        Args:
            positives, negatives, labels: as of :meth:`score`; some dozens of either kind, and of nothing else.
        """
        (x, given), (other, without) = (self._entries(images, labels) for images in (positives, negatives))
        return attribute(coder(self.density), x, other, (given, without), seed)

    def edit(
        self, image: object, attribute: Attribute, strengths: Sequence[float], labels: object = None, seed: int = 0
    ) -> np.ndarray:
        """One image moved along an attribute, for each strength: 0 gives it back, 1 adds the examples' difference."""
        x, context = self._one(image, labels)
        moved = edit(coder(self.density), x, attribute.direction, torch.tensor(strengths, dtype=x.dtype), context, seed)
        return self._pictures(moved)

    def read(self, data: object, labels: object = None) -> Images:
        """Images brought to this model's size and channels, with labels as :meth:`score` takes them."""
        channels, height, width = self.schema.shape
        if isinstance(data, np.ndarray | Tensor):
            array = np.asarray(data)
            one = ((height, width), (height, width, channels), (channels, height, width))
            data = array[None] if array.shape in one else array
        if labels is not None and not self.schema.context:
            raise UsageError("labels: this model is given none")
        rule = self.schema.labels if labels is None else None if isinstance(labels, Mapping) else labels
        size = self.schema.size if self.schema.resized else None
        images = read_images(data, size, rule, channels, self.schema.depth)
        self.schema.check(images)
        return images

    def labels(self, images: Images, given: object = None) -> Tensor | None:
        """The labels of images that have been read as numbers, (N, C); from ``given`` if that is a mapping."""
        named = cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else None
        encoded = self.schema.encode_labels(images, named)
        return None if encoded is None else torch.from_numpy(encoded)

    def _entries(self, data: object, labels: object) -> tuple[Tensor, Tensor | None]:
        """Images as the model reads them, and their labels."""
        images = self.read(data, labels)
        return torch.from_numpy(self.schema.encode(images.read()).astype(np.float32)), self.labels(images, labels)

    def _one(self, data: object, labels: object) -> tuple[Tensor, Tensor | None]:
        x, context = self._entries(data, labels)
        if len(x) != 1:
            raise UsageError(f"expected one image, got {len(x)}")
        return x, context

    @property
    def _noisy(self) -> Flow | None:
        """The density of pixels with noise of our own choice, where the model has such noise."""
        return continuous(self.density)

    def _entering(self, x: np.ndarray, seed: int) -> Tensor:
        """Integers (N, C, H, W) as the model reads them, with noise where it is ours to add."""
        values = torch.from_numpy(x.astype(np.float32))
        return values if self._noisy is None else values + torch.from_numpy(pixel_noise(x, seed))

    def _draw(self, n: int, context: Tensor | None, temperature: float, seed: int) -> Tensor:
        if temperature == 1.0:
            return draw(self.density, n, context, seed)
        flow = self.density
        if not isinstance(flow, Flow):
            raise UsageError(
                f"temperature: only the noise of a flow can be cooled, not that of a {type(flow).__name__}"
            )

        def chunk(i: slice, device: torch.device) -> Tensor:
            return sample_at_temperature(flow, i.stop - i.start, temperature, part(context, i, device))

        try:
            return by_chunk(flow, chunk, n, seed)
        except ValueError as error:
            raise UsageError(str(error)) from None

    def _pictures(self, x: Tensor) -> np.ndarray:
        return self.schema.decode(torch.nan_to_num(x).numpy())


def pixel_noise(x: np.ndarray, seed: int) -> np.ndarray:
    """Uniform noise in [0, 1) for images (N, C, H, W), float32: that of an image depends on it and the seed alone."""
    seed, noise = randomness.checked_seed(seed), np.empty(x.shape, dtype=np.float32)
    for row, image in zip(noise, x):
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest()
        row[:] = np.random.default_rng([seed, int.from_bytes(digest)]).random(row.shape, dtype=np.float32)
    return noise


def write_samples(out: Path, images: np.ndarray) -> list[Path]:
    """Images (N, H, W) or (N, H, W, 3): a sheet of all if ``out`` ends in .png, else a PNG file each; their paths.

    Raises:
        RunError: a file cannot be written. DataError: ``out`` ends in something else.
    """
    if out.suffix.lower() == ".png":
        write_png(out, grid(images))
        return [out]
    if out.suffix:
        raise DataError(f"{out}: images are written as one .png file, or into a folder")
    make_folder(out)
    paths = [out / f"sample-{i:03d}.png" for i in range(len(images))]
    for path, image in zip(paths, images):
        write_png(own_file(path), image)
    return paths


def why_bound(density: Density) -> str:
    """Why a density's scores are bounds, in words."""
    if isinstance(density, VAE):
        return f"each is an average over {counted(density.samples, 'draw')} of the model's latent variables"
    return "pixels enter with uniform or learned noise"
