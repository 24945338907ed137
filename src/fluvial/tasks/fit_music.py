"""Piano rolls in, a fitted model of them out."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import fluvial
from fluvial.core import Flow
from fluvial.core.errors import DataError, UsageError
from fluvial.data.rolls import Rolls, read_rolls
from fluvial.models import MUSIC, build, resolve
from fluvial.models.registry import recipe_name
from fluvial.tasks.fit import Lines, Progress, how_it_went, line, overruled, silent, versions
from fluvial.tasks.music import RollModel, restore
from fluvial.tasks.prepare import split
from fluvial.training import Continuation, Record, Settings, Windows, train
from fluvial.training.run import RunFolder, load_run, open_run

DEFAULT = "wavenet_made"
"""The model of piano rolls that ``fit`` takes when none is named."""
_KEPT = 4  # held-out pieces that a run keeps
_SHIFT = 5  # notes up or down that a training window is moved at most; chosen on the validation pieces of JSB Chorales


@dataclass(frozen=True)
class Transposed(Windows):
    """Windows in keys of their own: at each step all notes of one move up or down together, as far as they fit.

    Music in another key is music, and there is little of it to learn from. Scores are of windows as they are.
    """

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        x, context = super().rows(index, device)
        return torch.stack((self._moved(x[:, 0]), x[:, 1]), 1), context

    def _moved(self, values: Tensor) -> Tensor:
        moments = values.unflatten(1, (-1, self.frame))
        sounds = moments.nan_to_num().amax(1) > 0
        note = torch.arange(self.frame, device=values.device)
        lowest = torch.where(sounds, note, self.frame).amin(1).clamp(max=_SHIFT)
        highest = (self.frame - 1 - torch.where(sounds, note, -1).amax(1)).clamp(max=_SHIFT)
        share = torch.rand(len(values)).to(values.device)
        shift = (share * (lowest + highest + 1)).long() - lowest
        source = (note - shift[:, None]) % self.frame  # what leaves at one end is silent
        return moments.gather(2, source[:, None].expand_as(moments)).flatten(1)


def fit_rolls(
    data: object,
    model: str | None = None,
    *,
    epochs: int | None = None,
    budget: float | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    force: bool = False,
    holdout: float = 0.1,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    progress: bool | Progress = True,
    command: str = "",
) -> RollModel:
    """Learn the density of pieces: p(notes | length), exactly.

    Args: as of :func:`fluvial.fit`, but
        data: a .mat or .npz file (see ``data.rolls.read_rolls``). Where it tells a split, pieces for training are
            learnt from, those for validation judge and stop the training, and those for testing are left alone.
        holdout: share of the pieces that are kept aside where the file tells no split.

    Raises:
        DataError, UsageError, RunError: as :func:`fluvial.fit`.
    """
    settings = overruled(settings, epochs, budget, seed, device)
    settings.torch_device()
    name, rolls = model or DEFAULT, read_rolls(data)
    if recipe_name(name) not in MUSIC:
        raise UsageError(f"{name} is no model of piano rolls; there is {', '.join(sorted(MUSIC))}")
    if "values" in (options or {}):
        raise UsageError("option values: the rolls tell how many notes a moment has; leave it out")
    learnt, held_out = _split(rolls, holdout, seed)
    full = resolve(name, {**(options or {}), "values": rolls.notes})
    config = json.loads(json.dumps({"model": name, "event_shape": [None], "options": full}))
    show = Lines(lambda record: rolls_line(record, rolls.notes)) if progress is True else progress or silent
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        density = build(config)
    if not isinstance(density, Flow):
        raise UsageError(f"{name} is no flow")
    fitted = RollModel(density, rolls.notes, int(np.median(learnt.lengths)), {}, rows=_kept(held_out))
    opened = open_run(out, force=force, resume=resume) if out is not None else contextlib.nullcontext()
    with opened as run:
        if run is not None and run.finished:
            return restore(load_run(run.path), run.path)
        began = time.monotonic()
        judge = None if held_out is None else fitted.windows(held_out)
        records = _learn(density, config, _transposed(fitted.windows(learnt)), judge, settings, run, resume, show)
        record = {
            "version": fluvial.__version__,
            "model": config,
            "command": command,
            "warnings": [],
            "seed": seed,
            "holdout": holdout,
            "sizes": {
                "train": len(learnt),
                "train_steps": len(learnt.values),
                "held_out": 0 if held_out is None else len(held_out),
                "held_out_steps": 0 if held_out is None else len(held_out.values),
                "parameters": sum(p.numel() for p in density.parameters()),
                "reads": fitted.reads,
            },
            "exact": density.exact,
            "settings": asdict(settings),
            "training": how_it_went(records, records[-1].elapsed if records else time.monotonic() - began),
            "scores": _scores(fitted, learnt, held_out),
            "versions": versions(),
        }
        fitted = replace(fitted, record=record, metrics=[asdict(r) for r in records])
        if run is not None:
            fitted.write(run)
    return fitted


def rolls_line(record: Record, notes: int) -> str:
    """One record in words: nats per moment."""
    return line(record, 1 / notes, "notes")


def _split(rolls: Rolls, holdout: float, seed: int) -> tuple[Rolls, Rolls | None]:
    if not 0 <= holdout <= 0.5:
        raise UsageError(f"holdout: expected a share of the pieces between 0 and 0.5, got {holdout}")
    kept, aside = rolls.part("train"), rolls.part("valid")
    if not len(kept):
        free = rolls.part("")
        kept, aside = (free[part] for part in split(len(free), holdout, seed))
    if not len(kept) or rolls.lengths[kept].sum() < 2:
        raise DataError("there are no two moments of music to learn from")
    return rolls.take(kept), rolls.take(aside) if len(aside) else None


def _learn(
    density: Flow,
    config: Mapping[str, Any],
    windows: Windows,
    held_out: Windows | None,
    settings: Settings,
    run: RunFolder | None,
    resume: bool,
    show: Progress,
) -> list[Record]:
    """Train to the end; returns the records of whole epochs."""
    checkpoint = None if run is None else run.checkpoint
    tag = json.dumps(config, sort_keys=True)
    records: list[Record] = []
    training = train(Continuation(density), windows, held_out, settings, checkpoint, resume, tag=tag)
    with contextlib.closing(training):
        for record in training:
            if record.ended:
                records.append(record)
                if run is not None:
                    run.note(record)
            show(record)
    return records


def _transposed(windows: Windows) -> Transposed:
    return Transposed(**{f.name: getattr(windows, f.name) for f in fields(windows)})


def _scores(fitted: RollModel, learnt: Rolls, held_out: Rolls | None) -> dict[str, Any]:
    """Nats per moment of the held-out pieces: of the model, and of independent notes."""
    if held_out is None:
        return {"held_out": None, "independent": None}
    found = fitted.score(held_out)
    # pieces are the independent units: the error of a ratio of sums
    spread = np.std(found.log_prob - found.per_step * found.steps) / (found.steps.mean() * len(found.steps) ** 0.5)
    return {
        "held_out": {"per_step": found.per_step, "standard_error": float(spread), "exact": fitted.exact},
        "independent": independent(learnt, held_out),
    }


def independent(learnt: Rolls, scored: Rolls) -> float:
    """Mean log p of a moment, nats, where each note sounds independently, with add-one counts."""
    p = (learnt.values.sum(0, dtype=np.float64) + 1) / (len(learnt.values) + 2)
    return float(np.where(scored.values == 1, np.log(p), np.log1p(-p)).sum(1).mean())


def _kept(held_out: Rolls | None) -> dict[str, np.ndarray]:
    if held_out is None:
        return {}
    some = held_out.take(np.arange(min(_KEPT, len(held_out))))
    return {"held_out.values": some.values, "held_out.lengths": some.lengths}
