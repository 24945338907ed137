"""Commands that are about images alone: interpolate and edit. Each writes one strip of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fluvial.interfaces.whole import Whole
from fluvial.kinds.typed import parse_context
from fluvial.terminal import note, say

if TYPE_CHECKING:
    import numpy as np

_Each = Annotated[list[str] | None, Parameter(negative=())]
_Number = Annotated[int, Parameter(name=["--number", "-n"])]
_Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]


def interpolate(
    run: Path,
    first: Path,
    second: Path,
    /,
    *,
    number: _Number = 8,
    straight: Annotated[bool, Parameter(negative=())] = False,
    context: _Each = None,
    seed: Whole = 0,
    out: _Out = None,
) -> None:
    """Images on the way from one to another through the noise of a model of images.

    Parameters
    ----------
    run
        Run folder of a fit.
    first, second
        Image files.
    number
        How many images, the two ends included.
    straight
        Along a straight line, whose middle is smoother than images are, and not along a great circle.
    context
        Labels of both images, such as digit=7; can be repeated. By default they are found as in the fit.
    seed
        Seed of the noise that makes pixels continuous.
    out
        PNG file, by default interpolation.png in the run folder.
    """
    from fluvial.core.files import own_file
    from fluvial.kinds.images.kind import image_run
    from fluvial.kinds.images.latent import arc
    from fluvial.kinds.images.latent import straight as line

    model, path = image_run(run), line if straight else arc
    strip = model.interpolate(first, second, number, parse_context(context, model.schema.context), path, seed)
    _write(strip, out or own_file(run / "interpolation.png"))


def edit(
    run: Path,
    image: Path,
    /,
    *,
    positives: Path,
    negatives: Path,
    strength: float = 1.0,
    number: _Number = 7,
    context: _Each = None,
    seed: Whole = 0,
    out: _Out = None,
) -> None:
    """An image with less and with more of an attribute that examples show.

    Parameters
    ----------
    run
        Run folder of a fit.
    image
        Image file.
    positives, negatives
        Folders of images with and without the attribute, some dozens each, alike in everything else.
    strength
        Strength in the last image; 1 adds the mean difference between the examples. The first takes as much away.
    number
        How many images; in the middle of an odd number stands the image itself.
    context
        Labels of all images, such as digit=7; can be repeated. By default they are found as in the fit.
    seed
        Seed of the noise that makes pixels continuous.
    out
        PNG file, by default edit.png in the run folder.
    """
    from fluvial.core.errors import UsageError
    from fluvial.kinds.images.kind import image_run

    if number < 2:
        raise UsageError(f"expected at least 2 images, got {number}")
    from fluvial.core.files import own_file

    model = image_run(run)
    labels = parse_context(context, model.schema.context)
    found = model.attribute(positives, negatives, labels, seed)
    length = f"the direction is {found.length:.2f} long; chance alone makes it {found.by_chance:.2f}"
    note(length + ("" if found.length > 2 * found.by_chance else ": give more examples"))
    strengths = [strength * (2 * i / (number - 1) - 1) for i in range(number)]
    _write(model.edit(image, found, strengths, labels, seed), out or own_file(run / "edit.png"))


def _write(strip: np.ndarray, out: Path) -> None:
    from fluvial.core.errors import DataError
    from fluvial.kinds.images.files import grid, write_png

    if out.suffix.lower() != ".png":
        raise DataError(f"{out}: the strip is written as a .png file")
    write_png(out, grid(strip, len(strip)))
    say(out)
