"""Images and recordings behind the door: new ones, and the way from one to another."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import Request
from fastapi.responses import Response

from fluvial.core import Flow
from fluvial.core.errors import UsageError
from fluvial.core.numbers import whole
from fluvial.interfaces.server import answers
from fluvial.interfaces.server.bodies import Pictures, Recording, Way, parsed
from fluvial.interfaces.server.served import Answer, Served
from fluvial.kinds.images.files import grid, png
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.sound.read import write_sound

_IMAGES, _STEPS = 256, 16  # on one sheet; on one way
_SAMPLES = 1 << 20  # of one recording


class ServedImages(Served[ImageModel]):
    """A model of images."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        way = {"interpolate": self.interpolate} if isinstance(self.model.density, Flow) else {}
        return {"sample": self.sample, **way}

    def details(self) -> dict[str, Any]:
        """Height and width, and the labels that images are given."""
        _, height, width = self.model.schema.shape
        return {"height": height, "width": width, "labels": _labels(self.model)}

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

    def _way(self, wish: Way) -> bytes:
        model, labels = self.model, wish.context
        if not labels and (given := model.draw_context(1, None, wish.seeds[0])) is not None:
            labels = model.schema.words(given[0].numpy())
        first, second = (model.sample(1, labels, seed=whole("seeds", seed, 0))[0] for seed in wish.seeds)
        return png(grid(model.interpolate(first, second, wish.n, labels), wish.n))


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
