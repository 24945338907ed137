"""``fluvial.fit`` and ``fluvial.load``: the same two words for tables, for sound and for music."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from fluvial.core.errors import UsageError
from fluvial.data import rolls
from fluvial.data.audio import is_sound
from fluvial.data.infer import Kind
from fluvial.data.recordings import KIND
from fluvial.models import MUSIC, SOUND
from fluvial.tasks import fit as tables
from fluvial.tasks import fit_music, model, music, sound
from fluvial.tasks import fit_sound as sounds
from fluvial.tasks.fit import Progress
from fluvial.tasks.model import Model
from fluvial.tasks.music import RollModel
from fluvial.tasks.sound import SoundModel
from fluvial.training import Settings
from fluvial.training.run import load_run


def fit(
    data: object,
    model: str | None = None,
    *,
    context: Sequence[str] = (),
    epochs: int | None = None,
    budget: float | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    force: bool = False,
    holdout: float = 0.1,
    kinds: Mapping[str, Kind] | None = None,
    units: Mapping[str, str] | None = None,
    drop_missing: bool = False,
    rate: int | None = None,
    labels: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    progress: bool | Progress = True,
    command: str = "",
) -> Any:  # noqa: ANN401  (a Model of a table, a SoundModel of recordings, a RollModel of music)
    """Learn the density of a table's rows, of recordings, or of piano rolls.

    Args:
        data: a path (CSV, Parquet, Feather, npy, npz), a pandas, polars or pyarrow frame, or an array (N, D); or
            sound: a file, a folder, a list of those, or an .npz archive with ``audio``, ``length``, ``sample_rate``; or
            piano rolls: a .mat file, or an .npz archive with ``rolls``, ``length`` (see ``tasks.fit_music``).
        model: a name in ``models.RECIPES``; None for the default.
        context: columns, or labels of recordings, to condition on.
        epochs, budget: passes over the data, wall-clock seconds; with neither, as long as it helps.
        seed: decides the split, the initial weights, the order of rows and all noise.
        out: run folder to write; with it a fit survives interruptions, and ``resume=True`` continues it.
        force: replace the run that ``out`` holds.
        holdout: share of the rows or recordings that are kept aside to judge the model.
        kinds, units, drop_missing: of tables, see ``tasks.fit.fit``.
        rate, labels: of sound, see ``tasks.fit_sound.fit_sound``.
        options: the recipe's, such as ``{"transforms": 8}``.
        settings: everything else about training; the arguments above overrule it.
        progress: True for a line on stderr now and then, or a function of each :class:`Record`.
        command: kept in the record, for those who want to run it again.

    Returns:
        A ``Model``, of sound a ``SoundModel``, or of piano rolls a ``RollModel``.

    Raises:
        DataError: the data cannot be used as they are. UsageError: an unknown name or a value that does not
        fit. RunError: the run folder is taken, damaged or cannot be written.

    >>> import numpy as np
    >>> model = fit(np.random.default_rng(0).normal(size=(200, 2)), "maf", epochs=1, progress=False)
    >>> model.sample(3).shape
    (3, 2)
    """
    if is_sound(data):
        if kinds or units or drop_missing:
            raise UsageError("kinds, units and drop_missing are about tables; these are recordings")
        return sounds.fit_sound(
            data,
            model,
            context=context,
            epochs=epochs,
            budget=budget,
            seed=seed,
            out=out,
            resume=resume,
            force=force,
            holdout=holdout,
            rate=rate,
            labels=labels,
            device=device,
            options=options,
            settings=settings,
            progress=progress,
            command=command,
        )
    if rolls.is_rolls(data):
        if kinds or units or drop_missing or context or rate is not None or labels is not None:
            raise UsageError("kinds, units, drop_missing, context, rate and labels are not about piano rolls")
        return fit_music.fit_rolls(
            data,
            model,
            epochs=epochs,
            budget=budget,
            seed=seed,
            out=out,
            resume=resume,
            force=force,
            holdout=holdout,
            device=device,
            options=options,
            settings=settings,
            progress=progress,
            command=command,
        )
    if model in MUSIC:
        raise UsageError(f"{model} is a model of piano rolls; give a .mat file or an .npz with rolls and length")
    if model in SOUND:
        raise UsageError(f"{model} is a model of sound; give a sound file, a folder of them or an .npz of recordings")
    if rate is not None or labels is not None:
        raise UsageError("rate and labels are about sound; this is a table")
    return tables.fit(
        data,
        model,
        context=context,
        epochs=epochs,
        budget=budget,
        seed=seed,
        out=out,
        resume=resume,
        force=force,
        holdout=holdout,
        kinds=kinds,
        units=units,
        drop_missing=drop_missing,
        device=device,
        options=options,
        settings=settings,
        progress=progress,
        command=command,
    )


def load(path: str | os.PathLike[str]) -> Any:  # noqa: ANN401  (a Model, a SoundModel, a RollModel)
    """The model in a run folder: a ``Model``, of sound a ``SoundModel``, of piano rolls a ``RollModel``.

    Its files are data; none of them is run.

    Raises:
        RunError: it is missing, unfinished, damaged, foreign or of a newer version, as a sentence.
    """
    return load_any(path)


def load_any(path: str | os.PathLike[str]) -> Model | SoundModel | RollModel:
    """As :func:`load`, with its types."""
    saved = load_run(path)
    schema = saved.config["schema"]
    kind: object = schema.get("kind") if isinstance(schema, dict) else None  # pyright: ignore
    if kind == KIND:
        return sound.restore(saved, path)
    if kind == rolls.KIND:
        return music.restore(saved, path)
    return model.restore(saved, path)
