"""What every fitted model is: a density, the schema of its data, and the record of its fit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fluvial.core import Density
from fluvial.core.errors import UsageError
from fluvial.tasks.own import check_saved
from fluvial.training.run import RunFolder, open_run
from fluvial.training.saved import Saved

_UNASKED = 1 << 21  # numbers, one after the other, that are drawn where nobody says how many: minutes, not hours


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return self._shown("describe")

    def _repr_html_(self) -> str:
        return self._shown("describe_html")

    def report(
        self, path: str | os.PathLike[str] | None = None, *, figures: Literal["pdf", "svg"] | None = None
    ) -> Path:
        """Examine the model, write ``report.html`` with its figures and numbers, and note the verdict in the record.

        Args:
            path: folder, such as the run's own; None for a new temporary one.
            figures: a format for papers that figures are written in too, beside PNG.

        Returns:
            The path of the page.

        Raises:
            RunError: the model keeps nothing to examine it with. UsageError: an extra is not installed.
        """
        return self._shown("report", None if path is None else Path(path), figures)

    def plot(self, name: str | None = None) -> Any:  # noqa: ANN401  (matplotlib's Figure, which may not be installed)
        """One of the report's figures, which notebooks display; None for the one that shows most.

        Raises:
            UsageError: there is no such figure, or an extra is not installed.
        """
        return self._shown("plot", name)

    def _shown(self, function: str, *arguments: object) -> Any:  # noqa: ANN401
        """The layer above draws models; it is loaded when it is asked for, and never to fit or to score."""
        return getattr(import_module("fluvial.interfaces.notebook"), function)(self, *arguments)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a run folder.

        Raises:
            RunError: it cannot be written, or holds a run already and ``force`` is not given.
            UsageError: the model was given to ``fit`` as an object, which no recipe makes again.
        """
        check_saved(self.record)
        with open_run(path, force=force) as run:
            self.write(run)

    def write(self, run: RunFolder) -> None:
        """Write the files of a run folder that is open."""
        run.finish(self.density, {**self.record, "schema": self.schema.to_json()}, self.metrics, self.rows)


def record_of(saved: Saved) -> dict[str, Any]:
    """The record of the fit among what a run folder's configuration holds."""
    return {k: v for k, v in saved.config.items() if k not in ("schema", "format", "weights_sha256")}


def unasked(steps: int, say: str) -> None:
    """UsageError, a sentence, if a draw of so many numbers is too long to begin without being asked for.

    Args:
        say: how to ask for it.
    """
    if steps > _UNASKED:
        raise UsageError(
            f"the data are {steps:,} numbers long each, drawn one after the other, which takes hours: {say}"
        )
