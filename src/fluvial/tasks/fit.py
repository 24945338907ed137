"""``fluvial.fit`` and ``fluvial.load``: the same two words for tables, for sound, for images and for music."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from fluvial.core import Density
from fluvial.data.listing import names_of
from fluvial.data.look import ColumnKind
from fluvial.data.sentinels import Missing
from fluvial.kinds.every import check, kind_of, kind_of_run
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.job import Job, Progress, Shown, overruled
from fluvial.kinds.kind import Kind
from fluvial.kinds.origin import Origin, files_of
from fluvial.kinds.own import check_own
from fluvial.models import Training, named_recipes
from fluvial.training import Settings
from fluvial.training.saved import load_run


def fit(
    data: object,
    model: str | Density | None = None,
    *,
    context: str | int | Sequence[str | int] = (),
    epochs: int | None = None,
    budget: float | str | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    force: bool = False,
    holdout: float = 0.1,
    kinds: Mapping[str, ColumnKind] | None = None,
    units: Mapping[str, str] | None = None,
    drop_missing: bool = False,
    drop: str | int | Sequence[str | int] = (),
    missing: Missing | None = None,
    validation: object = None,
    unseen: str | None = None,
    rate: int | None = None,
    labels: object = None,
    size: tuple[int, int] | None = None,
    flip: bool = False,
    time: str | None = None,
    series: str | None = None,
    targets: Sequence[str] = (),
    known: Sequence[str] = (),
    table: bool = False,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    progress: bool | Progress | Shown = True,
    origin: Origin | None = None,
    **others: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401  (a Model of a table, a SoundModel of recordings, an ImageModel, a RollModel)
    """Learn the density of a table's rows, of recordings, of images, or of piano rolls.

    Args:
        data: a path (CSV, Parquet, Feather, npy, npz), a pandas, polars or pyarrow frame, or an array (N, D); or
            sound: a file, a folder, a list of those, or an .npz archive with ``audio``, ``length``, ``sample_rate``; or
            images: files, a folder, idx (MNIST's format), or uint8 arrays (N, H, W[, C]), in .npy and .npz files too;
            or piano rolls: a .mat file, or an .npz archive with ``rolls`` and ``length`` (see
            ``kinds.music.rolls.read_rolls``).
        model: a name, see docs/models.md; None for the default. For tables also a density of your own, over (D,)
            columns that are standardised for it: it is trained in place, and scores and draws rows in their own
            units. To save a fit of it, :func:`fluvial.models.register` its recipe and give that name.
        context: columns, or labels of recordings, to condition on; one name or several.
        epochs, budget: passes over the data, wall-clock seconds (or "5m") for reading, preparing and training; with
            neither, as long as it helps. Scoring comes after it.
        seed: decides the split, the initial weights, the order of rows and all noise; None for that of ``settings``, 0.
        out: run folder to write; with it a fit survives interruptions, and ``resume=True`` continues it.
        force: replace the run that ``out`` holds.
        holdout: share of the rows, recordings, images or pieces that do nothing but judge the model; as many again, a
            tenth at most, decide when to stop. Of fewer than 50, one part does both, and the record says so.
        kinds, units, drop_missing, drop, missing, validation, unseen: of tables, see ``kinds.tables.fit.fit_table``.
        rate, labels: of sound, see ``kinds.sound.fit.fit_sound``.
        labels, size, flip: of images, see ``kinds.images.fit.fit_image``.
        options: the recipe's, such as ``{"transforms": 8}``.
        settings: everything else about training; the arguments above overrule it.
        progress: True for a line on stderr now and then, or a function of each :class:`Record`.
        others: what a kind of data takes that was registered with :func:`fluvial.kinds.every.register`.
        origin: kept in the record, where there is more to tell than the data themselves do.

    Returns:
        A ``Model``; of sound a ``SoundModel``, of images an ``ImageModel``, of piano rolls a ``RollModel``.

    Raises:
        DataError: the data cannot be used as they are. UsageError: an unknown name or a value that does not
        fit. RunError: the run folder is taken, damaged or cannot be written.

    >>> import numpy as np
    >>> model = fit(np.random.default_rng(0).normal(size=(200, 2)), "maf", epochs=1, progress=False)
    >>> model.sample(3).shape
    (3, 2)
    """
    began = monotonic()
    own = {"kinds": kinds, "units": units, "drop_missing": drop_missing or None, "rate": rate}
    own |= {"drop": names_of(drop) or None, "missing": missing, "validation": validation, "unseen": unseen}
    own |= {"labels": labels, "size": size, "flip": flip or None, **others}
    own |= {"time": time, "series": series, "targets": tuple(targets) or None, "known": tuple(known) or None}
    own |= {"table": table or None}
    given = {name: value for name, value in own.items() if value is not None}
    kind = kind_of(data, given, model)
    if model is not None and not isinstance(model, str):
        check_own(model, kind.name == "tables", out, options)
    check(kind, model if isinstance(model, str) else None, given)
    settings = overruled(settings or Settings(), epochs, budget, seed, device)
    if settings.learning_rate is None:
        settings = replace(settings, learning_rate=_learning_rate(model, kind))
    settings.torch_device()
    origin = origin or Origin(files=files_of(data), began=began)
    job = Job(settings, holdout, out, resume, force, progress, origin)
    return kind.fit(data, model, job, context=names_of(context), options=options, **given)


def _learning_rate(model: str | Density | None, kind: Kind) -> float:
    """The model's own, where the user names none."""
    found = named_recipes(model or kind.default) if not isinstance(model, Density) else ()
    return next((r.training.learning_rate for r in found if r.kind == kind.name), Training().learning_rate)


def load(path: str | os.PathLike[str]) -> Any:  # noqa: ANN401  (as fit)
    """The model in a run folder, of the type that ``fit`` returned. Its files are data; none of them is run.

    Raises:
        RunError: it is missing, unfinished, damaged, foreign or of a newer version, as a sentence.
    """
    return load_model(path)


def load_model(path: str | os.PathLike[str]) -> Fitted:
    """As :func:`load`, with its type."""
    saved = load_run(path)
    return kind_of_run(saved).restore(saved, path)
