"""Models of one table under the same budget, judged by the same rows, on one page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.core.files import make_folder
from fluvial.data.tables import Table, read
from fluvial.kinds.tables.contest import page_of, spoken
from fluvial.kinds.tables.kernels import kernels, measured
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.rivals import Ground, Rival, encoded, ground, lead
from fluvial.tasks.fit import fit
from fluvial.terminal import note

MODELS = ("nsf", "vae_iaf", "gan", "gaussian")
KDE = "kde"
CHEAT, CHANCE = "training rows", "half of the rows"
_TEST = 0.2


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` returns.

    Args:
        rivals: by name, the models first, then outside samples, then the two yardsticks.
        sentences: what they come to, in words.
        page: the path of the report.
    """

    rivals: Mapping[str, Rival]
    sentences: Sequence[str]
    page: Path

    def __repr__(self) -> str:
        return "\n".join([*self.sentences, f"page: {self.page}"])


def compare(
    data: object,
    models: Sequence[str] = MODELS,
    *,
    budget: float | str = "2m",
    epochs: int | None = None,
    samples: Mapping[str, object] | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: bool = True,
) -> Comparison:
    """Fit models to four fifths of a table's rows under one budget each, and judge all by the other fifth.

    Interrupted, the same call goes on with the runs that ``out`` holds.

    Args:
        data: a table, as of :func:`fluvial.fit`.
        models: names of models of tables, or "kde" for scikit-learn's kernel density estimate, which takes numbers
            and one column of labels at most.
        budget: of each fit, seconds or a text such as "2m".
        epochs: passes over the rows in place of a budget, for numbers that do not depend on the machine.
        samples: rows that other tools drew, by name: paths or frames with the table's columns.
        out: folder of the runs and of the page; None for a new temporary one.
        options: of models, by name.

    Raises:
        UsageError: no model and no samples, or a name twice. DataError: no model can be fitted to the
            table as it is; one that cannot, beside others, is left out, and said.
    """
    names = [*models, *(samples or {})]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"models: expected at least one, and each once, got {', '.join(names) or 'none'}")
    folder = Path(tempfile.mkdtemp(prefix="fluvial-compare-") if out is None else out)
    make_folder(folder)
    table = read(data)
    train, test = _parts(table, seed)
    field = ground(table, train, test, seed)
    rivals: dict[str, Rival] = {}
    left: dict[str, str] = {}
    for name in models:
        try:
            if name == KDE:
                estimate = kernels(field)
                rivals[name] = field.judge(name, estimate.sample(len(test), seed), measured(estimate, field))
                continue
            model = _fitted(train, name, budget, epochs, seed, folder, (options or {}).get(name), progress)
        except DataError as error:
            left[name] = f"{name} is left out: {error}."
            continue
        drawn = encoded(field, model.sample(len(test), seed=seed))
        rivals[name] = field.judge(name, drawn, field.measure(model))
    for name, rows in (samples or {}).items():
        rivals[name] = field.judge(name, encoded(field, rows))
    if not rivals:
        raise DataError(" ".join(left.values()))
    rivals |= _yardsticks(field)
    sentences = [*spoken(rivals, lead(rivals), (CHEAT, CHANCE)), *left.values()]
    return Comparison(rivals, sentences, page_of(folder, field, rivals, sentences))


def _fitted(
    train: Table,
    name: str,
    budget: float | str,
    epochs: int | None,
    seed: int,
    folder: Path,
    options: Mapping[str, Any] | None,
    progress: bool,
) -> Model:
    """One model, or the finished run of it."""
    if progress:
        note(f"{name}: fitting, {f'{epochs} epochs' if epochs else f'{budget} at most'}, then judging")
    limit = None if epochs else budget
    return fit(
        train,
        name,
        epochs=epochs,
        budget=limit,
        seed=seed,
        out=folder / name,
        resume=True,
        options=options,
        progress=False,
    )


def _yardsticks(field: Ground) -> dict[str, Rival]:
    """Training rows handed out as draws, and test rows judged as if one half of them had drawn the other."""
    order = np.random.default_rng(field.seed).permutation(len(field.test))
    half = len(order) // 2
    other = Ground(field.schema, field.train, field.test[order[half:]], field.table, field.seed)
    chosen = np.random.default_rng(field.seed).permutation(len(field.train))[: len(field.test)]
    return {
        CHEAT: field.judge(CHEAT, field.train[chosen]),
        CHANCE: other.judge(CHANCE, field.test[order[:half]]),
    }


def _parts(table: Table, seed: int) -> tuple[Table, Table]:
    order = np.random.default_rng(seed).permutation(len(table))
    cut = round(len(table) * (1 - _TEST))
    return table.rows(np.sort(order[:cut])), table.rows(np.sort(order[cut:]))
