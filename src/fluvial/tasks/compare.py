"""Models of the same data under the same budget, judged by what none of them saw, on one page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluvial.core.errors import DataError, UsageError
from fluvial.core.files import make_folder
from fluvial.examine.remedies import untrained
from fluvial.examine.rivals import Rival
from fluvial.kinds.contest import CHANCE, CHEAT, page_of, spoken
from fluvial.kinds.every import kind_of
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.ground import Ground
from fluvial.tasks.fit import fit
from fluvial.terminal import note

KDE = "kde"


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
    models: Sequence[str] | None = None,
    *,
    budget: float | str = "2m",
    epochs: int | None = None,
    samples: Mapping[str, object] | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: bool = True,
) -> Comparison:
    """Fit models to four fifths of a table's rows, or of images, under one budget each, and judge all by the rest.

    Interrupted, the same call goes on with the runs that ``out`` holds. Images are taken without labels, and at most
    2,000 of them judge.

    Args:
        data: a table or images, as of :func:`fluvial.fit`.
        models: names of models of such data; of tables also "kde", scikit-learn's kernel density estimate, which takes
            numbers and one column of labels at most. None for nsf, vae_iaf, gan and gaussian, for mixed,
            vae_iaf and gan where there are labels or gaps, and of images for multiscale, vae_iaf and gan.
        budget: of each fit, seconds or a text such as "2m".
        epochs: passes over the data in place of a budget, for numbers that do not depend on the machine.
        samples: what other tools drew, by name: tables with the table's columns, or images of the same size.
        out: folder of the runs and of the page; None for a new temporary one.
        options: of models, by name.

    Raises:
        UsageError: no model and no samples, or a name twice, or data of another kind. DataError: no model can be
            fitted to the data as they are; one that cannot, beside others, is left out, and said.
    """
    field = kind_of(data).ground(data, seed)
    models = field.models if models is None else models
    names = [*models, *(samples or {})]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"models: expected at least one, and each once, got {', '.join(names) or 'none'}")
    folder = Path(tempfile.mkdtemp(prefix="fluvial-compare-") if out is None else out)
    make_folder(folder)
    rivals: dict[str, Rival] = {}
    remarks: dict[str, str] = {}
    for name in models:
        try:
            if name == KDE:
                rivals[name] = field.kernels(name)
                continue
            fitted = _fitted(field, name, budget, epochs, seed, folder, (options or {}).get(name), progress)
            rivals[name] = field.tried(name, fitted)
            remarks |= _remark(name, fitted.record)
        except DataError as error:
            whose = "" if name == KDE else ", as fluvial fit says"
            remarks[name] = f"{name} is left out{whose}: {error}."
    for name, drawn in (samples or {}).items():
        rivals[name] = field.judge(name, field.encoded(drawn))
    if not rivals:
        raise DataError(" ".join(remarks.values()))
    sentences = [*spoken(field, rivals), *remarks.values()]
    rivals |= field.yardsticks(CHEAT, CHANCE)
    return Comparison(rivals, sentences, page_of(folder, field, rivals, sentences))


def _remark(name: str, record: Mapping[str, Any]) -> dict[str, str]:
    """What is to be said of a fit that brought nothing, by the model's name."""
    if untrained(record):
        return {name: f"{name} has learnt nothing: no epoch was trained before its budget ended; give more time."}
    training = record.get("training") or {}
    if training.get("epochs") and not training.get("best_epoch"):
        return {name: f"{name} is as it began: no epoch of its training was judged better; give more time."}
    return {}


def _fitted(
    field: Ground,
    name: str,
    budget: float | str,
    epochs: int | None,
    seed: int,
    folder: Path,
    options: Mapping[str, Any] | None,
    progress: bool,
) -> Fitted:
    """One model, or the finished run of it."""
    if progress:
        note(f"{name}: fitting, {f'{epochs} epochs' if epochs else f'{budget} at most'}, then judging")
    limit = None if epochs else budget
    model: Fitted = fit(
        field.lessons,
        name,
        holdout=field.holdout,
        epochs=epochs,
        budget=limit,
        seed=seed,
        out=folder / name,
        resume=True,
        options=options,
        progress=False,
    )
    return model
