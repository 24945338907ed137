"""Piano rolls in, a fitted model of them out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fluvial.core import randomness
from fluvial.core.errors import DataError, UsageError
from fluvial.examine.scores import ratio
from fluvial.kinds.job import Job, Lesson, Words, a_flow
from fluvial.kinds.music.model import SHIFT, RollModel, restore
from fluvial.kinds.music.rolls import SPLITS, Rolls, RollSchema, read_rolls
from fluvial.kinds.parts import Parts, judged
from fluvial.models import default_of, resolve
from fluvial.training import Continuation, Windows

_KEPT = 32  # held-out pieces that a run keeps


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
        lowest = torch.where(sounds, note, self.frame).amin(1).clamp(max=SHIFT)
        highest = (self.frame - 1 - torch.where(sounds, note, -1).amax(1)).clamp(max=SHIFT)
        share = randomness.uniform((len(values),)).to(values.device)
        shift = (share * (lowest + highest + 1)).long() - lowest
        source = (note - shift[:, None]) % self.frame  # what leaves at one end is silent
        return moments.gather(2, source[:, None].expand_as(moments)).flatten(1)


def fit_rolls(
    data: object,
    model: str | None,
    job: Job,
    *,
    context: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> RollModel:
    """Learn the density of pieces: p(notes | length), exactly.

    Args: as of :func:`fluvial.fit`, but
        data: a .mat or .npz file (see ``kinds.music.rolls.read_rolls``). Where it gives a split, pieces for training
            are learnt from, those for validation stop the training, and those for testing judge; else shares of the
            pieces do.

    Raises:
        DataError, UsageError, RunError: as :func:`fluvial.fit`.
    """
    job.check_holdout("pieces")
    name, rolls = model or default_of("piano rolls"), read_rolls(data)
    if context:
        raise UsageError(f"context: piano rolls have no labels; leave out {', '.join(context)}")
    if "values" in (options or {}):
        raise UsageError("option values: the rolls tell how many notes a moment has; leave it out")
    learnt, stopping, judges = _split(rolls, job)
    held_out = judges or stopping
    full = resolve(name, {**(options or {}), "values": rolls.notes})
    config = json.loads(json.dumps({"model": name, "event_shape": [None], "options": full}))
    density = a_flow(job.build(config), name, "music is scored and drawn moment by moment")
    schema = RollSchema(rolls.notes, int(np.median(learnt.lengths)))
    fitted = RollModel(density, schema, {}, rows=_kept(held_out))
    sizes = {
        "train": len(learnt),
        "train_steps": len(learnt.values),
        "validation": len(stopping or ()),
        "held_out": 0 if held_out is None else len(held_out),
        "held_out_steps": 0 if held_out is None else len(held_out.values),
        "reads": fitted.reads,
    }
    lesson = Lesson(
        Continuation(density),
        config,
        schema,
        _transposed(fitted.windows(learnt)),
        None if stopping is None else fitted.windows(stopping),
        rolls_words(rolls.notes),
        sizes,
        judged("pieces", len(learnt), len(stopping or ()), len(judges or ())),
    )

    def conclude(record: dict[str, Any], metrics: list[dict[str, Any]]) -> RollModel:
        return replace(fitted, record={**record, "scores": _scores(fitted, learnt, held_out)}, metrics=metrics)

    return job.learn(lesson, restore, conclude)


def rolls_words(notes: int) -> Words:
    """The unit of scores: nats a moment."""
    return Words("nats a moment", -1 / notes, "notes")


def _split(rolls: Rolls, job: Job) -> tuple[Rolls, Rolls | None, Rolls | None]:
    """Pieces that train, that stop the training, and that judge: as the file says, or at random."""
    known = [rolls.part(name) for name in SPLITS]
    if not len(known[0]):
        free = rolls.part("")
        parts = Parts.of(len(free), job.holdout, job.seed)
        known = [free[part] for part in (parts.train, parts.validation, parts.test)]
    if not len(known[0]) or rolls.lengths[known[0]].sum() < 2:
        raise DataError("there are no two moments of music to learn from")
    kept, stops, judges = (rolls.take(part) if len(part) else None for part in known)
    return kept or rolls, stops, judges


def _transposed(windows: Windows) -> Transposed:
    return Transposed(**{f.name: getattr(windows, f.name) for f in fields(windows)})


def _scores(fitted: RollModel, learnt: Rolls, held_out: Rolls | None) -> dict[str, Any]:
    """Nats per moment of the held-out pieces: of the model, and of independent notes."""
    if held_out is None:
        return {"held_out": None, "independent": None}
    found = fitted.score(held_out)
    mean, error = ratio(found.log_prob, held_out.lengths)  # pieces are the independent units
    return {
        "held_out": {
            "per_step": mean,
            "standard_error": error if math.isfinite(error) else None,
            "exact": fitted.exact,
        },
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
