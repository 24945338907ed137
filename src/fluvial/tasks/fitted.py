"""What every fitted model is: a density, the schema of its data, and the record of its fit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fluvial.core import Density
from fluvial.training.run import RunFolder, open_run
from fluvial.training.saved import Saved


@dataclass(frozen=True)
class Fitted:
    """What models of all kinds of data share; subclasses say how data are read, scored and drawn.

    Args:
        density: over the data as the schema encodes them.
        schema: what there is to know about the data besides.
        record: plain JSON: how it was fitted and how well; ``record["model"]`` is what ``models.build`` takes.
        metrics: one dict for each epoch, a :class:`fluvial.training.Record`.
        rows: arrays of some of the data that are kept with the model, by name.
    """

    density: Density
    schema: Any
    record: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    rows: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    @property
    def exact(self) -> bool:
        """False if log p is a lower bound, as it is where noise makes whole numbers continuous."""
        return self.density.exact

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a run folder.

        Raises:
            RunError: it cannot be written, or holds a run already and ``force`` is not given.
        """
        with open_run(path, force=force) as run:
            self.write(run)

    def write(self, run: RunFolder) -> None:
        """Write the files of a run folder that is open."""
        run.finish(self.density, {**self.record, "schema": self.schema.to_json()}, self.metrics, self.rows)


def record_of(saved: Saved) -> dict[str, Any]:
    """The record of the fit among what a run folder's configuration holds."""
    return {k: v for k, v in saved.config.items() if k not in ("schema", "format", "weights_sha256")}
