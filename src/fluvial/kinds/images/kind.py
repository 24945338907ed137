"""Images as a kind of data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fluvial.kinds.kind import TEMPERATURE, Draw, Kind, Opened, Option
from fluvial.kinds.typed import listed_names, parse_size

if TYPE_CHECKING:
    from fluvial.examine.page import Report
    from fluvial.kinds.ground import Ground
    from fluvial.kinds.images.model import ImageModel
    from fluvial.kinds.job import Job
    from fluvial.kinds.scores import Scores
    from fluvial.training.saved import Saved

_DRAWN = 64  # where no number is given
_BYTES = 4  # of a number that is drawn


class ImagesKind(Kind):
    """Grids of whole numbers, all of one size."""

    name: ClassVar[str] = "images"
    give: ClassVar[str] = "an image file, a folder of them, an idx file or an array of uint8"
    look: ClassVar[str] = "samples"
    fits: ClassVar[tuple[Option, ...]] = (
        Option(
            "labels",
            str,
            "what to condition on: folder, for the names of sub-folders; labels, for the idx file beside one of "
            "images; an array of the .npz file; or another file.",
        ),
        Option("size", str, "width and height to crop and resize all to, such as 32x32.", parse_size),
        Option("flip", bool, "learn their mirror images too, left for right, which is another density."),
    )
    scores: ClassVar[tuple[Option, ...]] = (
        Option("labels", str, "where their labels are, as for the fit."),
        Option(
            "background", Path, "run folder of a background model, whose bits are a yardstick beside a compressor's."
        ),
    )
    samples: ClassVar[tuple[Option, ...]] = (TEMPERATURE,)

    def claims(self, source: object) -> bool:
        from fluvial.kinds.images.read import is_images

        return is_images(source)

    def open(self, source: Any, context: Sequence[str] | None, options: Mapping[str, Any]) -> Opened:
        from fluvial.kinds.images.read import read_images

        left = {name: value for name, value in options.items() if name not in ("size", "labels")}
        images = read_images(source, options.get("size"), options.get("labels"))
        return Opened(images, self.default, listed_names(context), left)

    def fit(self, data: object, model: Any, job: Job, **arguments: Any) -> ImageModel:
        from fluvial.kinds.images.fit import fit_image

        return fit_image(data, model, job, **arguments)

    def by_folder(self, source: Any) -> tuple[Any, dict[str, Any]]:
        from fluvial.kinds.images.read import FOLDER, read_images

        return read_images(source, labels=FOLDER), {}

    def restore(self, saved: Saved, path: str | os.PathLike[str]) -> ImageModel:
        from fluvial.kinds.images.saved import restore

        return restore(saved, path)

    def summary(self, model: ImageModel) -> list[str]:
        from fluvial.kinds.images.summary import image_summary

        return image_summary(model)

    def details(self, model: ImageModel) -> list[str]:
        from fluvial.kinds.summary import labels

        resized = ["images of other sizes are cropped at the centre and resized"] if model.schema.resized else []
        return [*resized, *labels(model.schema.context)]

    def score(
        self,
        model: ImageModel,
        data: Any,
        context: Mapping[str, object] | None,
        **options: Any,
    ) -> Scores:
        """Bits per dimension of each image, and how foreign it is beside held-out ones, where the run has kept some."""
        from fluvial.kinds.images.foreign import scored

        background = options.get("background")
        behind = None if background is None else image_run(background)
        return scored(model, data, options.get("labels") if context is None else context, behind)

    def sample(self, model: ImageModel, wish: Draw, **options: Any) -> Iterable[Path]:
        """New images: one sheet as a PNG file, or a PNG file each in a folder."""
        from fluvial.core.errors import UsageError
        from fluvial.core.files import own_file
        from fluvial.data.limits import limit
        from fluvial.kinds.images.model import write_samples

        number = _DRAWN if wish.number is None else wish.number
        if wish.number is None and _BYTES * number * model.schema.numbers > limit():
            raise UsageError(
                f"{number} images of {model.schema.numbers:,} numbers each fill much memory: say how many, -n"
            )
        images = model.sample(number, wish.context, seed=wish.seed, **options)
        return write_samples(wish.out or own_file(wish.run / "samples.png"), images)

    def ground(self, data: object, seed: int) -> Ground:
        from fluvial.kinds.images.ground import ground

        return ground(data, seed)

    def examine(self, model: ImageModel) -> Report:
        from fluvial.kinds.images.report import image_report

        return image_report(model)


def image_run(run: str | os.PathLike[str]) -> ImageModel:
    """The model of a run that is of images."""
    from fluvial.core.errors import UsageError
    from fluvial.kinds.images.saved import restore
    from fluvial.training.saved import load_run

    saved = load_run(run)
    if saved.config["schema"].get("kind") != ImagesKind.name:  # pyright: ignore[reportAttributeAccessIssue]
        raise UsageError(f"{run} is not a run of images")
    model: ImageModel = restore(saved, run)
    return model
