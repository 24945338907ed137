"""The models that are served, each replaced in one step when its run folder is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluvial.core.errors import FluvialError, RunError, UsageError
from fluvial.data.tables import Table
from fluvial.interfaces.server.batches import Batches, Run
from fluvial.kinds.tables.detect import Detections, Detector
from fluvial.kinds.tables.model import Model
from fluvial.tasks.fit import load_model

_CONFIG = "config.json"  # written last, so a run that has another one is another run

Mark = tuple[int, int, int]


@dataclass
class Served:
    """One run: the model of now, and the requests for its scores that wait for each other.

    Requests keep the model that they began with.
    """

    name: str
    path: Path
    model: Model
    mark: Mark
    batches: Batches
    judge: tuple[Model, Detector] | None = None

    @classmethod
    def of(cls, path: Path, run: Run) -> Served:
        """UsageError, a sentence, if it is of anything but a table."""
        mark, model = _mark(path), _loaded(path)
        return cls(path.resolve().name, path, model, mark, Batches(model, run))

    def detect(self, table: Table, rate: float | None) -> Detections:
        """See ``Model.detect``; what it compares with is computed once for a model."""
        model = self.model
        if self.judge is None or self.judge[0] is not model:
            self.judge = (model, Detector.of(model))
        return self.judge[1].detect(table, rate)

    def about(self) -> dict[str, Any]:
        """What a client should know: columns, sizes, and how far to trust it."""
        m, verdict = self.model, self.model.record.get("verdict")
        known = [
            {
                "name": c.name,
                "kind": c.kind,
                "unit": c.unit,
                "role": "context" if c in m.schema.context else "modelled" if c in m.schema.columns else "determined",
                "lower": c.lower,
                "upper": c.upper,
                "categories": list(c.categories),
            }
            for c in m.schema.every
        ]
        level = verdict.get("level") if isinstance(verdict, dict) else None
        return {
            "name": self.name,
            "model": m.record["model"]["model"],
            "exact": m.exact,
            "any_cells": m.schema.gaps,
            "rows": m.record["sizes"]["train"],
            "verdict": level,
            "columns": known,
        }


@dataclass
class Shelf:
    """All of them, by name."""

    served: dict[str, Served] = field(default_factory=dict[str, Served])

    @classmethod
    def of(cls, paths: Sequence[Path], run: Run) -> Shelf:
        """UsageError, a sentence, if two runs have one name, or a run cannot be served."""
        shelf = cls()
        for path in paths:
            one = Served.of(path, run)
            if one.name in shelf.served:
                raise UsageError(f"two runs are called {one.name!r}: rename the folder of one of them")
            shelf.served[one.name] = one
        return shelf

    async def watch(self, run: Run, say: Callable[..., None], every: float = 1.0) -> None:
        """Look for runs that have been replaced, for ever; a new one that cannot be loaded leaves the old in place."""
        refused: dict[str, Mark] = {}
        while True:
            await asyncio.sleep(every)
            for one in self.served.values():
                try:
                    mark = _mark(one.path)
                    if mark in (one.mark, refused.get(one.name)):
                        continue
                    refused[one.name] = mark
                    model = await asyncio.to_thread(_loaded, one.path)
                except (FluvialError, OSError) as error:
                    say("not reloaded", model=one.name, why=str(error))
                    continue
                one.model, one.mark, one.batches = model, mark, Batches(model, run)
                say("reloaded", model=one.name)


def _mark(path: Path) -> Mark:
    try:
        known = (path / _CONFIG).stat()
    except OSError as error:
        raise RunError(f"there is no finished run in {path}: {error.strerror}") from None
    return known.st_mtime_ns, known.st_size, known.st_ino


def _loaded(path: Path) -> Model:
    model = load_model(path)
    if not isinstance(model, Model):
        raise UsageError(f"{path} is a run of {model.KIND}: the server answers questions about tables")
    return model
