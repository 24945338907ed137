"""The rows of benchmarks/images/likelihood.py: which model of which images, how trained, and what is published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.images import pictures
from fluvial import models
from fluvial.core import Chain, Density, Flow
from fluvial.training import Settings
from fluvial.transforms import Dequantize, Logit

ALPHA = 1e-6
"""Of the MAF paper's logit of MNIST (Papamakarios et al. 2017, arXiv 1705.07057, section 4.3)."""


@dataclass(frozen=True)
class Row:
    """One model of one set of images.

    Args:
        logit: rows of pixels behind the MAF paper's logit, and scored there.
        unit: of the published figure: nats (of pixels in [0, 1), or of the logit) or bits per dimension.
        equal: compared at equal compute, so that on a CPU the budget counts CPU seconds.
        piece: training images between two looks at the validation images.
    """

    data: str
    model: str
    options: dict[str, Any]
    settings: Settings
    published: float | None = None
    unit: str = "bits"
    logit: bool = False
    equal: bool = False
    piece: int = 9_000

    def load(self) -> pictures.Pictures:
        """Its images, or rows of their pixels."""
        data = pictures.load(self.data)
        return data.flat() if self.logit else data

    def build(self, shape: tuple[int, ...]) -> Density:
        """Its density of pixels 0, ..., 255."""
        density = models.recipe_of(self.model, shape).build(shape, **models.resolve(self.model, self.options, shape))
        if not self.logit:
            return density
        return Flow(Chain(Dequantize(levels=256), Logit(0.0, 256.0, ALPHA)), density, shape)

    def changed(self, width: int | None, **settings: Any) -> Row:
        """The row with other settings, those that are not None, or with other networks."""
        new = replace(self.settings, **{name: value for name, value in settings.items() if value is not None})
        name, value = ("hidden", (width, width)) if self.logit else ("width", width)
        return replace(self, settings=new, options=self.options if width is None else {**self.options, name: value})


_LONG = Settings(learning_rate=1e-3, weight_decay=1e-3, ema=0.999, clip=500.0, patience=10**6)
_WIDE = replace(_LONG, batch_size=256)
_FLAT = replace(_WIDE, weight_decay=0.1)
_MAF = {"preset": "paper", "hidden": (1024, 1024)}
_GPU = torch.cuda.is_available()  # where small batches would leave most of the machine idle
_DEEP = replace(_LONG, batch_size=256 if _GPU else 64, amp=_GPU)
_QUICK = replace(_LONG, learning_rate=2e-3, weight_decay=1e-4, batch_size=256 if _GPU else 32, ema=0.99)
_FIRST = replace(_QUICK, learning_rate=6e-3)
_LARGE = replace(_DEEP, learning_rate=3e-3)
_DEFAULT = "multiscale"

ROWS: dict[str, Row] = {
    "maf": Row("mnist", "maf", _MAF, _FLAT, -1300.5, "nats", logit=True, piece=50_000),
    "maf_mog": Row("mnist", "maf_mog", _MAF, _FLAT, -1100.3, "nats", logit=True, piece=50_000),
    "realnvp_flat": Row("mnist", "realnvp", _MAF, _FLAT, -1323.2, "nats", logit=True, piece=50_000),
    "nice": Row(
        "mnist", "nice", {"preset": "paper_mnist"}, replace(_LONG, batch_size=256), 1980.5, "nats", piece=50_000
    ),
    "realnvp_cifar10": Row("cifar10", "realnvp", {"preset": "paper_cifar10"}, _DEEP, 3.49),
    "glow_cifar10": Row("cifar10", "glow", {"preset": "paper_cifar10"}, _DEEP, 3.35),
    "large_cifar10": Row("cifar10", _DEFAULT, {"width": 128, "blocks": 3, "components": 10}, _LARGE),
    "glow_mnist": Row("mnist", "glow", {}, _QUICK, equal=True),
    "default_mnist": Row("mnist", _DEFAULT, {}, _FIRST, equal=True),
    "plain_glow_cifar10": Row("cifar10", "glow", {}, _QUICK, equal=True),
    "default_cifar10": Row("cifar10", _DEFAULT, {}, _FIRST, equal=True),
    "plain_glow_cifar10_16": Row("cifar10-16", "glow", {}, _QUICK, equal=True),
    "default_cifar10_16": Row("cifar10-16", _DEFAULT, {}, _FIRST, equal=True),
}
