"""Images and recordings behind the door: new ones, and the way from one to another."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from fastapi import Request
from fastapi.responses import Response

from fluvial.core import Flow
from fluvial.core.errors import UsageError
from fluvial.core.numbers import whole
from fluvial.interfaces.server import answers
from fluvial.interfaces.server.bodies import Change, Pictures, Recording, Way, parsed
from fluvial.interfaces.server.served import Answer, Served
from fluvial.kinds.images.files import grid, png
from fluvial.kinds.images.latent import Attribute, attribute, coder
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.sound.read import write_sound

_IMAGES, _STEPS = 256, 16  # on one sheet; on one way
_SAMPLES = 1 << 20  # of one recording
_EXAMPLES, _FEWEST = 300, 12  # images that the run keeps which tell what more of something is
_FARTHEST = 3.0  # times the difference between the thirds of most and of least
_LOOKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "brightness": lambda pixels: pixels.mean(1),
    "contrast": lambda pixels: pixels.std(1),
}


class ServedImages(Served[ImageModel]):
    """A model of images."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        way = {"interpolate": self.interpolate} if isinstance(self.model.density, Flow) else {}
        return {"sample": self.sample, **way, **({"edit": self.edit} if self.attributes else {})}

    @property
    def attributes(self) -> list[str]:
        """What of an image can be changed by more or less: what the images that the run keeps differ in."""
        kept = isinstance(self.model.density, Flow) and len(self.model.rows.get("train.pixels", ())) >= _FEWEST
        return list(_LOOKS) if kept else []

    def details(self) -> dict[str, Any]:
        """Height and width, the labels that images are given, and what of them can be changed."""
        _, height, width = self.model.schema.shape
        return {"height": height, "width": width, "labels": _labels(self.model), "attributes": self.attributes}

    async def sample(self, request: Request) -> Response:
        """New images on one sheet, as PNG."""
        wish = parsed(await request.body(), Pictures)
        answers.check_number("n", wish.n, _IMAGES)

        def drawn() -> bytes:
            return png(grid(self.model.sample(wish.n, wish.context, wish.temperature, wish.seed)))

        sheet = await self.desk.run(drawn)
        self.count("sample", wish.n)
        return Response(sheet, media_type="image/png")

    async def interpolate(self, request: Request) -> Response:
        """Images on the way from one drawn image to another, on one strip, as PNG."""
        wish = parsed(await request.body(), Way)
        answers.check_number("n", wish.n, _STEPS)
        strip = await self.desk.run(self._way, wish)
        self.count("interpolate", wish.n)
        return Response(strip, media_type="image/png")

    async def edit(self, request: Request) -> Response:
        """A drawn image, and beside it the same one with more or less of something, on one strip, as PNG."""
        wish = parsed(await request.body(), Change)
        strip = await self.desk.run(self._changed, wish)
        self.count("edit", 1)
        return Response(strip, media_type="image/png")

    def _way(self, wish: Way) -> bytes:
        model, labels = self.model, self._given(wish.context, wish.seeds[0])
        first, second = (model.sample(1, labels, seed=whole("seeds", seed, 0))[0] for seed in wish.seeds)
        return png(grid(model.interpolate(first, second, wish.n, labels), wish.n))

    def _changed(self, wish: Change) -> bytes:
        for name, strength in wish.moves.items():
            if name not in _LOOKS or not abs(strength) <= _FARTHEST:
                expected = f"{' or '.join(_LOOKS)}, from {-_FARTHEST:g} to {_FARTHEST:g}"
                raise UsageError(f"moves: expected {expected}, got {name!r}: {strength:g}")
        model, labels = self.model, self._given(wish.context, wish.seed)
        drawn = model.sample(1, labels, seed=whole("seed", wish.seed, 0))[0]
        if not wish.moves:
            return png(grid(np.stack([drawn, drawn]), 2))
        direction = sum(strength * self._directions[name].direction for name, strength in wish.moves.items())
        changed = model.edit(drawn, Attribute(torch.as_tensor(direction), 0.0), [1.0], labels)[0]
        return png(grid(np.stack([drawn, changed]), 2))

    def _given(self, labels: dict[str, str] | None, seed: int) -> dict[str, Any] | None:
        """The labels that are asked for, or those that a seed draws."""
        if not labels and (given := self.model.draw_context(1, None, seed)) is not None:
            return self.model.schema.words(given[0].numpy())
        return labels

    @cached_property
    def _directions(self) -> dict[str, Attribute]:
        """Of the images that the run keeps, the mean noise of the third with most of something minus that of the third
        with least."""
        pixels = self.model.rows["train.pixels"][:_EXAMPLES].astype(np.float32)
        given, found = self.model.rows.get("train.context"), dict[str, Attribute]()
        for name, look in _LOOKS.items():
            order = look(pixels.reshape(len(pixels), -1)).argsort(kind="stable")
            most, least = order[-(len(order) // 3) :], order[: len(order) // 3]
            ends = [torch.from_numpy(pixels[rows]) for rows in (most, least)]
            contexts = [None if given is None else torch.from_numpy(given[rows]) for rows in (most, least)]
            found[name] = attribute(coder(self.model.density), ends[0], ends[1], (contexts[0], contexts[1]))
        return found


class ServedSound(Served[SoundModel]):
    """A model of recordings."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        return {"sample": self.sample}

    def details(self) -> dict[str, Any]:
        """Samples a second, how long a recording is, and the labels that it is given."""
        schema = self.model.schema
        return {"rate": schema.rate, "seconds": schema.seconds, "labels": _labels(self.model)}

    async def sample(self, request: Request) -> Response:
        """A new recording, as WAV."""
        wish = parsed(await request.body(), Recording)
        most = _SAMPLES / self.model.rate
        seconds = min(self.model.schema.seconds, most) if wish.seconds is None else wish.seconds
        if not 0 < seconds <= most:
            raise UsageError(f"seconds: expected more than 0, and at most {most:.0f} a request, got {seconds:g}")

        def drawn() -> bytes:
            known: dict[str, Any] = {"context": wish.context, "temperature": wish.temperature, "seed": wish.seed}
            file = io.BytesIO()
            write_sound(file, np.asarray(self.model.sample(1, seconds, **known)[0]), self.model.rate)
            return file.getvalue()

        recording = await self.desk.run(drawn)
        self.count("sample", 1)
        return Response(recording, media_type="audio/wav")


def _labels(model: ImageModel | SoundModel) -> list[dict[str, Any]]:
    return [{"name": name, "categories": list(words)} for name, words in model.schema.context.items()]
