"""What every fitted model is: a density, the schema of its data, and the record of its fit."""

from __future__ import annotations

import html
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fluvial.core import Density
from fluvial.core.errors import UsageError
from fluvial.kinds.own import check_saved
from fluvial.kinds.scores import Scores
from fluvial.training.run import RunFolder, open_run
from fluvial.training.saved import Saved

if TYPE_CHECKING:
    from fluvial.kinds.kind import Kind

_UNASKED = 1 << 21  # numbers, one after the other, that are drawn where nobody says how many: minutes, not hours


@dataclass(frozen=True, repr=False)
class Fitted(ABC):
    """What models of all kinds of data share; subclasses say how data are read, scored and drawn.

    Args:
        density: over the data as the schema encodes them.
        schema: what there is to know about the data besides.
        record: plain JSON: how it was fitted and how well; ``record["model"]`` is what ``models.build`` takes.
        metrics: one dict for each epoch, a :class:`fluvial.training.Record`.
        rows: arrays of some of the data that are kept with the model, by name.
    """

    KIND: ClassVar[str]
    """The name of the kind of data."""

    density: Density
    schema: Any
    record: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    rows: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    @abstractmethod
    def score(self, data: Any, /) -> Scores:  # noqa: ANN401
        """log p of data like those it was fitted to, with what there is to say about them."""

    @abstractmethod
    def sample(self, n: int, /) -> Any:  # noqa: ANN401
        """n new data, as the data of the fit were."""

    @property
    def kind(self) -> Kind:
        """The kind of data."""
        from fluvial.kinds.every import named

        return named(self.KIND)

    @property
    def exact(self) -> bool:
        """False if log p is a lower bound, as it is where noise makes whole numbers continuous."""
        return self.density.exact

    @property
    def context_names(self) -> tuple[str, ...]:
        """What the model is given: context columns, or labels."""
        return ()

    def __repr__(self) -> str:
        from fluvial.kinds.summary import described

        return described(self)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return f"<pre>{html.escape(repr(self))}</pre>"

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
        from fluvial.kinds.report import write_report

        return write_report(self, None if path is None else Path(path), figures)[0]

    def plot(self, name: str | None = None) -> Any:  # noqa: ANN401  (matplotlib's Figure, which may not be installed)
        """One of the report's figures, which notebooks display; None for the one that shows most.

        Raises:
            UsageError: there is no such figure, or an extra is not installed.
        """
        from fluvial.kinds.report import plot

        return plot(self, name)

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
