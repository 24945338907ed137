"""A table in, a fitted model out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from fluvial.core import Density, Sampler
from fluvial.core.errors import UsageError
from fluvial.data.infer import has_gaps_or_labels, is_discrete
from fluvial.data.large import about_sample, read_to_fit
from fluvial.data.look import ColumnKind
from fluvial.data.sentinels import Missing, marked
from fluvial.data.tables import Table, read
from fluvial.examine.scores import fit_closed_form, scores
from fluvial.kinds.job import Job, Lesson, Words
from fluvial.kinds.tables.baseline import baseline
from fluvial.kinds.tables.model import Model, restore
from fluvial.kinds.tables.passes import passes
from fluvial.kinds.tables.prepare import Prepared, prepare
from fluvial.kinds.tables.small import is_scarce
from fluvial.models import Training, behind_head, default_of
from fluvial.training import Data, Record

_WORDS = {"adversarial": Words("energy distance of draws to rows", 1.0)}
_ROWS, _CONTEXTS = 2000, 10_000  # rows of each kind that a run keeps, for its report and for sampling


def fit_table(
    data: object,
    model: str | Density | None,
    job: Job,
    *,
    context: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    kinds: Mapping[str, ColumnKind] | None = None,
    units: Mapping[str, str] | None = None,
    drop_missing: bool = False,
    drop: Sequence[str] = (),
    missing: Missing | None = None,
    validation: object = None,
    unseen: str = "impossible",
    judge: bool = True,
    whole: np.ndarray | None = None,
) -> Model:
    """Learn the density of a table's rows.

    Args: as of :func:`fluvial.fit`, but
        data: a path (CSV, Parquet, Feather, npy, npz), a pandas, polars or pyarrow frame, or an array (N, D).
        model: None for the default, which is ``made`` where every column holds labels, or zeros and ones. A density
            of the user's own, over (D,) standardised columns, is trained in place; it cannot be saved.
        context: columns to condition on.
        kinds, units: of columns, by name, where they are known better than the table tells.
        drop_missing: leave out rows with missing or non-finite values, which are else an error.
        drop: columns to leave out.
        missing: numbers that stand for missing cells, such as -999, beside those that can be nothing else: one,
            several, or a mapping of columns to theirs; [] for none at all.
        judge: score the held-out rows, also under a simpler model; without, fits of small tables take half the time.
        validation: a table, as ``data``, whose rows stop the training in place of some of the table's own.
        unseen: "other" sets some probability aside for labels that the table does not have, which are else impossible.
        whole: (N,) numbers of what rows are copies of, which are then all held out together, or none is.

    Raises:
        DataError, UsageError, RunError: as :func:`fluvial.fit`.
    """
    table = marked(read_to_fit(data, kinds, drop).without(drop), missing).without_empty_rows()
    name = model or default_model(table, context, kinds)
    prepared = prepare(
        table,
        name,
        options or {},
        context=context,
        kinds=kinds,
        units=units,
        holdout=job.holdout,
        seed=job.seed,
        drop_missing=drop_missing,
        validation=None if validation is None else read(validation).without_empty_rows(),
        unseen=unseen,
        whole=whole,
    )
    rows, said = _to_learn(table, prepared, drop_missing, name)
    job = _suited(job, prepared.recipe.training, rows)
    density = job.build(prepared.config) if isinstance(name, str) else _behind_head(prepared, name)
    if closed := prepared.recipe.closed_form:
        fit_closed_form(density, prepared.train, job.seed)
    lesson = Lesson(
        density,
        prepared.config,
        prepared.schema,
        rows,
        prepared.validation,
        _WORDS.get(prepared.recipe.training.objective, Words()),
        {**prepared.sizes, "train": rows.count()},
        {**prepared.parts, "train": rows.count()},
        [*said, *prepared.warnings],
        closed,
        prepared.recipe.training.objective,
    )

    def conclude(record: dict[str, Any], metrics: list[dict[str, Any]]) -> Model:
        record |= {"table": table.kind, "scores": _scores(density, prepared, job.seed, judge)}
        record |= {"number_names": list(table.numbers)} if table.numbers else {}
        return Model(density, prepared.schema, record, metrics or [_only(record)], _kept_rows(prepared))

    return job.learn(lesson, restore, conclude)


def _to_learn(table: Table, prepared: Prepared, drop_missing: bool, model: str | Density) -> tuple[Data, list[str]]:
    """The rows to train on, and what to say of them: of a sample all that it is of, where the model takes them."""
    if table.sampled is None:
        return prepared.train, []
    if prepared.recipe.closed_form or not isinstance(model, str):
        return prepared.train, [about_sample(table)]
    return passes(table.sampled, prepared, drop_missing)


def _behind_head(prepared: Prepared, own: Density) -> Density:
    """A density of the user's own behind the table's columns; UsageError, a sentence, if it does not fit them."""
    try:
        return behind_head(prepared.config, lambda _: own)
    except ValueError as error:
        columns = ", ".join(c.name for c in prepared.schema.columns)
        raise UsageError(f"model: {error}, of the columns {columns}") from None


def _only(record: Mapping[str, Any]) -> dict[str, Any]:
    """The one entry in the metrics of a model with a closed form, which is fitted in one step."""
    train, held_out = (record["scores"][part] for part in ("train", "held_out"))
    first, judged = (-s["log_likelihood"] if s and s["log_likelihood"] is not None else None for s in (train, held_out))
    seconds = record["training"]["seconds"]
    rate = record["sizes"]["train"] / max(seconds, 1e-9)
    return asdict(Record(1, 1, True, first, judged, judged, 1, rate, seconds, 0.0, 0, 0.0))


def _suited(job: Job, training: Training, rows: Data) -> Job:
    """The job with a model's own weight decay, unless another is given."""
    settings = job.settings
    if training.decay and settings.weight_decay is None:
        settings = replace(settings, weight_decay=training.decay(*rows.size))
    return replace(job, settings=settings)


def default_model(table: Table, context: Sequence[str] = (), kinds: Mapping[str, ColumnKind] | None = None) -> str:
    """The model for a table when none is named."""
    if has_gaps_or_labels(table, context, kinds):
        return default_of("tables", "any")
    if is_discrete(table, context, kinds):
        return default_of("tables", "whole")
    scarce = is_scarce(len(table), len(table.columns) - len(context), bool(context))
    return default_of("tables", "any" if scarce else "real")


def _scores(density: Density, prepared: Prepared, seed: int, judge: bool) -> dict[str, Any]:
    """Scores of the model and of its yardstick on the held-out rows, and of the model on as many training rows.

    A model with a closed form is judged like any other, then set by every row there is.
    """
    train, held_out = prepared.train, prepared.held_out
    if isinstance(density, Sampler):
        return {"held_out": None, "baseline": None, "train": None}
    some = Data(train.x[:_ROWS], None if train.context is None else train.context[:_ROWS])
    result: dict[str, Any] = {"held_out": None, "baseline": None, "train": scores(density, some, prepared.scales, seed)}
    if held_out is not None and judge:
        simple = baseline(density, train)
        result["held_out"] = scores(density, held_out, prepared.scales, seed)
        result["baseline"] = {"name": simple.name, **scores(simple.density, held_out, prepared.scales, seed)}
    if prepared.recipe.closed_form and held_out is not None:
        fit_closed_form(density, _joined(train, held_out), seed)
    return result


def _joined(a: Data, b: Data) -> Data:
    both = a.context is not None and b.context is not None
    context = torch.cat((a.context, b.context)) if both else None  # pyright: ignore
    return Data(torch.cat((a.x, b.x)), context)


def _kept_rows(prepared: Prepared) -> dict[str, np.ndarray]:
    """A sample of the encoded rows: the split is a random order already, so the first ones are one."""
    rows: dict[str, np.ndarray] = {}
    for name, data in (("train", prepared.train), ("held_out", prepared.held_out)):
        if data is not None:
            rows[f"{name}.x"] = data.x[:_ROWS].numpy()
            if data.context is not None:
                rows[f"{name}.context"] = data.context[:_ROWS].numpy()
    if prepared.train.context is not None:
        rows["contexts"] = prepared.train.context[:_CONTEXTS].numpy()
    return rows
