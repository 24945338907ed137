"""The main job: a table in, a fitted model out."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

import fluvial
from fluvial.core import Density
from fluvial.data.infer import Kind, is_discrete
from fluvial.data.tables import Table, read
from fluvial.models import CLOSED_FORM, DEFAULT, DEFAULT_DISCRETE, build
from fluvial.tasks.baseline import baseline
from fluvial.tasks.model import Model, load
from fluvial.tasks.prepare import Prepared, prepare
from fluvial.tasks.scores import fit_closed_form, scores
from fluvial.training import Data, Record, Settings, train
from fluvial.training.run import RunFolder, open_run

_ROWS, _CONTEXTS = 2000, 10_000  # rows of each kind that a run keeps, for its report and for sampling

Progress = Callable[[Record], None]


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
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    progress: bool | Progress = True,
    command: str = "",
) -> Model:
    """Learn the density of a table's rows.

    Args:
        data: a path (CSV, Parquet, Feather, npy, npz), a pandas, polars or pyarrow frame, or an array (N, D).
        model: a name in ``models.RECIPES``; None for the default, which is ``made`` where every column holds labels,
            or zeros and ones.
        context: columns to condition on.
        epochs, budget: passes over the rows, wall-clock seconds; with neither, as long as it helps.
        seed: decides the split, the initial weights, the order of rows and all noise.
        out: run folder to write; with it a fit survives interruptions, and ``resume=True`` continues it.
        force: replace the run that ``out`` holds.
        holdout: share of the rows that are kept aside to judge the model.
        kinds, units: of columns, by name, where they are known better than the table tells.
        drop_missing: leave out rows with missing or non-finite values, which are else an error.
        options: the recipe's, such as ``{"transforms": 8}``.
        settings: everything else about training; the arguments above overrule it.
        progress: True for a line on stderr now and then, or a function of each :class:`Record`.
        command: kept in the record, for those who want to run it again.

    Raises:
        DataError: the table cannot be used as it is. UsageError: an unknown name or a value that does not
        fit. RunError: the run folder is taken, damaged or cannot be written.

    >>> rng = np.random.default_rng(0)
    >>> model = fit(rng.normal(size=(200, 2)), "maf", epochs=1, progress=False)
    >>> model.sample(3).shape
    (3, 2)
    """
    settings = overruled(settings, epochs, budget, seed, device)
    settings.torch_device()
    table = read(data)
    name = model or default_model(table, context, kinds)
    prepared = prepare(
        table,
        name,
        options or {},
        context=context,
        kinds=kinds,
        units=units,
        holdout=holdout,
        seed=seed,
        drop_missing=drop_missing,
    )
    report = Lines(line) if progress is True else progress or silent
    density = _initial(prepared, seed)
    opened = open_run(out, force=force, resume=resume) if out is not None else contextlib.nullcontext()
    with opened as run:
        if run is not None and run.finished:
            return load(run.path)
        began = time.monotonic()
        records = _learn(density, name, prepared, settings, run, resume, report)
        seconds = records[-1].elapsed if records else time.monotonic() - began
        record = {
            "version": fluvial.__version__,
            "model": prepared.config,
            "table": table.kind,
            "command": command,
            "warnings": list(prepared.warnings),
            "seed": seed,
            "holdout": holdout,
            "sizes": {
                "train": len(prepared.train),
                "held_out": len(prepared.held_out or ()),
                "columns": len(prepared.schema.columns),
                "parameters": sum(p.numel() for p in density.parameters()),
            },
            "exact": density.exact,
            "settings": asdict(settings),
            "training": how_it_went(records, seconds),
            "scores": _scores(density, name, prepared, seed),
            "versions": versions(),
        }
        fitted = Model(density, prepared.schema, record, [asdict(r) for r in records], _kept_rows(prepared, seed))
        if run is not None:
            fitted.write(run)
    return fitted


def default_model(table: Table, context: Sequence[str] = (), kinds: Mapping[str, Kind] | None = None) -> str:
    """The model for a table when none is named."""
    return DEFAULT_DISCRETE if is_discrete(table, context, kinds) else DEFAULT


def _initial(prepared: Prepared, seed: int) -> Density:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return build(prepared.config)


def _learn(
    density: Density,
    name: str,
    prepared: Prepared,
    settings: Settings,
    run: RunFolder | None,
    resume: bool,
    report: Progress,
) -> list[Record]:
    """Train to the end; returns the records of whole epochs, none for a model with a closed form."""
    if name in CLOSED_FORM:
        fit_closed_form(density, prepared.train, settings.seed)
        return []
    checkpoint = None if run is None else run.checkpoint
    tag = json.dumps(prepared.config, sort_keys=True)
    records: list[Record] = []
    with contextlib.closing(
        train(density, prepared.train, prepared.held_out, settings, checkpoint, resume, tag=tag)
    ) as training:
        for record in training:
            if record.ended:
                records.append(record)
                if run is not None:
                    run.note(record)
            report(record)
    return records


def overruled(
    settings: Settings | None, epochs: int | None, budget: float | None, seed: int, device: str | None
) -> Settings:
    """The settings with those of ``fit``'s own arguments that are given."""
    return replace(
        settings or Settings(),
        seed=seed,
        epochs=epochs if epochs is not None or settings is None else settings.epochs,
        budget=budget if budget is not None or settings is None else settings.budget,
        device=device if device is not None or settings is None else settings.device,
    )


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    return {
        "fluvial": fluvial.__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def how_it_went(records: list[Record], seconds: float) -> dict[str, Any]:
    """The end of the training, for the record of a fit."""
    last = records[-1] if records else None
    return {
        "seconds": seconds,
        "epochs": last.epoch if last else 0,
        "steps": last.step if last else 0,
        "best_epoch": last.best_epoch if last else 0,
        "skipped": last.skipped if last else 0,
    }


def _scores(density: Density, name: str, prepared: Prepared, seed: int) -> dict[str, Any]:
    """Scores of the model and of its yardstick on the held-out rows, and of the model on as many training rows.

    A model with a closed form is judged like any other, then set by every row there is.
    """
    train, held_out = prepared.train, prepared.held_out
    some = Data(train.x[:_ROWS], None if train.context is None else train.context[:_ROWS])
    result: dict[str, Any] = {"held_out": None, "baseline": None, "train": scores(density, some, prepared.scales, seed)}
    if held_out is not None:
        simple = baseline(density, train)
        result["held_out"] = scores(density, held_out, prepared.scales, seed)
        result["baseline"] = {"name": simple.name, **scores(simple.density, held_out, prepared.scales, seed)}
    if name in CLOSED_FORM and held_out is not None:
        fit_closed_form(density, _joined(train, held_out), seed)
    return result


def _joined(a: Data, b: Data) -> Data:
    both = a.context is not None and b.context is not None
    context = torch.cat((a.context, b.context)) if both else None  # pyright: ignore
    return Data(torch.cat((a.x, b.x)), context)


def _kept_rows(prepared: Prepared, seed: int) -> dict[str, np.ndarray]:
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


def silent(record: Record) -> None:
    """No progress."""


class Lines:
    """A line on stderr every few seconds."""

    def __init__(self, line: Callable[[Record], str], seconds: float = 5.0) -> None:
        self.line, self.seconds, self.next = line, seconds, 0.0

    def __call__(self, record: Record) -> None:
        if time.monotonic() >= self.next or record.left == 0:
            self.next = time.monotonic() + self.seconds
            print(self.line(record), file=sys.stderr, flush=True)


def line(record: Record, unit: float = 1.0, rows: str = "rows") -> str:
    """One record in words, for logs and pipes; scores divided by ``unit`` (nats)."""
    parts = [f"epoch {record.epoch}"]
    for name, value in (("train", record.train), ("held out", record.held_out), ("best", record.best)):
        if value is not None:
            parts.append(f"{name} {value / unit:.3f}")
    parts.append(f"{record.rows_per_second:,.0f} {rows}/s, {record.elapsed:.0f} s")
    if record.left is not None:
        parts.append(f"{record.left:.0f} s left")
    if record.skipped:
        parts.append(f"{record.skipped} steps skipped")
    return ", ".join(parts)
