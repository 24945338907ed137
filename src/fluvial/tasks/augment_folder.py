"""New images or recordings for a folder with a sub-folder for each label."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.data.words import counted
from fluvial.kinds.every import kind_of
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.kind import Draw
from fluvial.tasks.fit import fit
from fluvial.tasks.wanted import about_rare, check_wish, counts_of, each_of, wanted


@dataclass(frozen=True)
class NewFiles:
    """New images or recordings in a folder for each label.

    Args:
        paths: of the files.
        counts, had: how many of each label, and how many the folder has.
        model: the density that they were drawn from, given the label.
    """

    paths: tuple[Path, ...]
    counts: Mapping[str, int]
    had: Mapping[str, int]
    model: Fitted

    @property
    def summary(self) -> list[str]:
        """All there is to say, in sentences."""
        return [
            f"{counted(len(self.paths), 'new file')}: {each_of(self.counts)}",
            *about_rare(self.counts, self.had, "file"),
            "all that was drawn is there, none was left out as untypical: look at some of them",
            "whether they help is not known: train with them and without, and judge on files that no fit has seen",
            "they tell of the files that the model was fitted to: do not publish them where those may not be",
        ]


def augment_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    rows: int | None = None,
    balance: bool = False,
    model: str | None = None,
    budget: float | str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> NewFiles:
    """Draw images or recordings of each label from their density given it, into a sub-folder for each.

    Args:
        folder: with a sub-folder of files for each label.
        out: another folder, where sub-folders of the same names get the new files.
        rows: how many new files, of each label by its share; or ``balance``, which is what is done without either: as
            many as make all labels as frequent as the most frequent one.
        model, budget, epochs, options: of the fit, see :func:`fluvial.fit`.
        seed: of the fit and the draws.

    Raises:
        DataError: there are no such sub-folders. UsageError: a value does not fit. RunError: a file cannot be written.
    """
    number, out = check_wish(rows, balance), Path(out).expanduser()
    kind = kind_of(folder)
    events, how = kind.by_folder(folder)
    if out.absolute().resolve().is_relative_to(Path(folder).expanduser().resolve()):
        raise UsageError(f"out: {out} lies in {folder}, where new files would pass for its own: name another folder")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"out: {out} holds files already, which new ones could replace: name a new folder")
    labels = _labels(events.labels, folder)
    counts = wanted(labels, number)
    if not counts:
        raise DataError(f"all labels of {folder} are equally frequent: say how many new files with --rows (rows=)")
    how |= {"budget": budget, "epochs": epochs, "seed": seed, "options": options, "progress": False}
    fitted: Fitted = fit(events, model, **how)
    paths: list[Path] = []
    for k, (label, n) in enumerate(counts.items()):
        wish = Draw(out, n, {"label": label}, out / label, seed + k)
        paths += fitted.kind.sample(fitted, wish)
    return NewFiles(tuple(paths), counts, counts_of(labels), fitted)


def _labels(found: Mapping[str, np.ndarray], folder: str | os.PathLike[str]) -> np.ndarray:
    """The one label of each file, (N,)."""
    if list(found) != ["label"]:
        depth = "several deep" if found else "none"
        raise DataError(f"{folder}: expected a sub-folder of files for each label, one deep, and found {depth}")
    if len(np.unique(found["label"])) < 2:
        raise DataError(f"{folder}: all files lie in one sub-folder, and new ones are drawn for labels, of two or more")
    return found["label"]
