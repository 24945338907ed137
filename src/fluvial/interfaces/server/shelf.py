"""The models that are served, each replaced in one step when its run folder is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluvial.core.errors import FluvialError, RunError, UsageError
from fluvial.data.words import listed
from fluvial.interfaces.server.desk import Desk
from fluvial.interfaces.server.media import ServedImages, ServedSound
from fluvial.interfaces.server.series import ServedSeries
from fluvial.interfaces.server.served import Served
from fluvial.interfaces.server.tables import ServedTable
from fluvial.kinds.fitted import Fitted
from fluvial.tasks.fit import load_model

_CONFIG = "config.json"  # written last, so a run that has another one is another run
_SERVED: tuple[type[Served[Any]], ...] = (ServedTable, ServedSeries, ServedImages, ServedSound)
KINDS: dict[str, type[Served[Any]]] = dict(zip(("tables", "series", "images", "sound"), _SERVED))
"""By the names of kinds of data."""

Mark = tuple[int, int, int]


class UnknownModelError(LookupError):
    """There is no model of this name; the message is a sentence."""


@dataclass
class Shelf:
    """All of them, by name, and the folders that they came from with the marks of these."""

    desk: Desk
    served: dict[str, Served[Any]] = field(default_factory=dict[str, Served[Any]])
    folders: dict[str, tuple[Path, Mark]] = field(default_factory=dict[str, tuple[Path, Mark]])

    @classmethod
    def of(cls, paths: Sequence[Path], desk: Desk) -> Shelf:
        """UsageError, a sentence, if two runs have one name, or a run cannot be served."""
        shelf = cls(desk)
        for path in paths:
            name, mark = path.resolve().name, _mark(path)
            if name in shelf.served:
                raise UsageError(f"two runs are called {name!r}: rename the folder of one of them")
            shelf.served[name] = _made(name, load_model(path), path, desk)
            shelf.folders[name] = (path, mark)
        return shelf

    def named(self, name: str) -> Served[Any]:
        """UnknownModelError, a sentence, if there is none."""
        if name not in self.served:
            raise UnknownModelError(f"there is no model {name!r:.100}; there is {', '.join(self.served)}")
        return self.served[name]

    async def watch(self, say: Callable[..., None], every: float = 1.0) -> None:
        """Look for runs that have been replaced, for ever; a new one that cannot be loaded leaves the old in place."""
        refused: dict[str, Mark] = {}
        while True:
            await asyncio.sleep(every)
            for name, (path, known) in list(self.folders.items()):
                try:
                    mark = _mark(path)
                    if mark in (known, refused.get(name)):
                        continue
                    refused[name] = mark
                    model = await asyncio.to_thread(load_model, path)
                    self.served[name] = _made(name, model, path, self.desk)
                except (FluvialError, OSError) as error:
                    say("not reloaded", model=name, why=str(error))
                    continue
                self.folders[name] = (path, mark)
                say("reloaded", model=name)


def _mark(path: Path) -> Mark:
    try:
        known = (path / _CONFIG).stat()
    except OSError as error:
        raise RunError(f"there is no finished run in {path}: {error.strerror}") from None
    return known.st_mtime_ns, known.st_size, known.st_ino


def _made(name: str, model: Fitted, path: Path, desk: Desk) -> Served[Any]:
    if model.KIND not in KINDS:
        raise UsageError(f"{path} is a run of {model.KIND}: served are {listed(KINDS)}")
    return KINDS[model.KIND](name, model, desk)
