"""Recordings in, a fitted model of sound out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fluvial.conditioners import ContextMap
from fluvial.core.errors import DataError
from fluvial.data.words import counted
from fluvial.examine.scores import ratio
from fluvial.kinds.job import Job, Lesson, Words, a_flow
from fluvial.kinds.parts import Parts, judged
from fluvial.kinds.sound.model import SoundModel, restore
from fluvial.kinds.sound.read import Sound, read_sound
from fluvial.kinds.sound.references import histogram, linear_prediction
from fluvial.kinds.sound.schema import SoundSchema
from fluvial.models import default_of, resolve
from fluvial.training import Continuation, Windows

_KEPT, _CONTEXTS = 40, 10_000  # held-out recordings and rows of labels that a run keeps
_TENTH = 10  # of the training recordings, on which the order of the linear prediction is chosen
_REFERENCE = 2_000_000  # training samples at most that the references are fitted to


@dataclass(frozen=True)
class _Prepared:
    """Recordings ready to be learnt: the split, and what ``models.build`` takes."""

    schema: SoundSchema
    config: dict[str, Any]
    train: Sound
    validation: Sound | None
    held_out: Sound | None
    parts: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """How much there is of each part."""
        return {
            "train": len(self.train),
            "train_samples": len(self.train.samples),
            "validation": len(self.validation or ()),
            "held_out": len(self.held_out or ()),
            "held_out_samples": 0 if self.held_out is None else len(self.held_out.samples),
        }


def fit_sound(
    data: object,
    model: str | None,
    job: Job,
    *,
    context: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    rate: int | None = None,
    labels: str | None = None,
) -> SoundModel:
    """Learn the density of recordings: p(samples | length, labels), exactly, in codes of 8 or 16 bits.

    Args: as of :func:`fluvial.fit`, but
        data: a sound file, a folder, a list of those, or an .npz archive (see ``kinds.sound.read.read_sound``).
        context: labels to condition on.
        rate: samples per second, None for that of most files.
        labels: how file names tell labels, such as ``{digit}_{speaker}_{take}``; None for the names of folders.

    Of fewer than three recordings, the parts that judge and that stop the training are cut off the end of each; else
    whole ones are held out.

    Raises:
        DataError, UsageError, RunError: as :func:`fluvial.fit`.
    """
    name = model or default_of("sound")
    job.check_holdout("recordings")
    full = resolve(name, options or {})
    prepared = _prepare(read_sound(data, rate, labels), name, full, context, labels, job)
    density = a_flow(job.build(prepared.config), name, "sound is scored and drawn sample by sample")
    fitted = SoundModel(density, prepared.schema, {}, rows=_kept(prepared))
    validation, held_out = (
        None if part is None else fitted.windows(part) for part in (prepared.validation, prepared.held_out)
    )
    lesson = Lesson(
        Continuation(density),
        prepared.config,
        prepared.schema,
        fitted.windows(prepared.train),
        validation,
        sound_line,
        {**prepared.sizes, "receptive_field": fitted.receptive_field},
        prepared.parts,
        prepared.warnings,
    )

    def conclude(record: dict[str, Any], metrics: list[dict[str, Any]]) -> SoundModel:
        return replace(fitted, record={**record, "scores": _scores(fitted, prepared, held_out)}, metrics=metrics)

    return job.learn(lesson, restore, conclude)


sound_line = Words("bits per sample", math.log(2), "samples")


def _prepare(
    sound: Sound, model: str, full: dict[str, Any], context: Sequence[str], pattern: str | None, job: Job
) -> _Prepared:
    schema = SoundSchema.of(sound, full["levels"], context, pattern)
    maps = [asdict(ContextMap(categories=len(v))) for v in schema.context.values()]
    config = {
        "model": model,
        "event_shape": [None],
        "context_shape": [len(maps)] if maps else None,
        "context": maps or None,
        "options": full,
    }
    kept, validation, aside, notes = _split(sound, job.holdout, job.seed)
    if len(kept.samples) < 2:
        raise DataError("one sample is not enough to learn from")
    if not kept.samples.any():
        said = f"{counted(len(kept), 'recording')} to learn from"
        raise DataError(f"silent throughout: {said}, so nothing can be learnt")
    parts = judged("recordings", len(kept), len(validation or ()), len(aside or ()))
    judges = aside or validation
    return _Prepared(schema, json.loads(json.dumps(config)), kept, validation, judges, parts, (*sound.notes, *notes))


def _split(sound: Sound, holdout: float, seed: int) -> tuple[Sound, Sound | None, Sound | None, tuple[str, ...]]:
    """Whole recordings train, stop and judge; where there are too few, parts of each: the judges are its end."""
    if len(sound) > 2:
        parts = Parts.of(len(sound), holdout, seed)
        stops, judges = (sound.take(p) if len(p) else None for p in (parts.validation, parts.test))
        return sound.take(parts.train), stops, judges, ()
    cuts = [np.ceil(sound.lengths * (1 - n * holdout)).astype(int) for n in (2, 1)]
    if not holdout or (cuts[0] < 1).any() or (cuts[0] == cuts[1]).any() or (cuts[1] == sound.lengths).any():
        return sound, None, None, ()
    pieces = [np.split(wave, ends) for wave, ends in zip(sound.recordings, np.transpose(cuts))]
    lengths = np.diff([np.zeros_like(cuts[0]), *cuts, sound.lengths], axis=0)
    kept, stops, judges = (
        replace(sound, samples=np.concatenate([p[i] for p in pieces]), lengths=lengths[i]) for i in range(3)
    )
    said = f"the last {holdout:.0%} of each recording judge, and the {holdout:.0%} before that stop the training"
    return kept, stops, judges, (f"{said}, as there are fewer than three recordings",)


def _scores(fitted: SoundModel, prepared: _Prepared, held_out: Windows | None) -> dict[str, Any]:
    """Bits per sample of the held-out recordings, of the model and of simple predictors."""
    if held_out is None or prepared.held_out is None:
        return {"held_out": None, "histogram": None, "linear_prediction": None}
    nats = held_out.totals(Continuation(fitted.density)).numpy()
    lengths = prepared.held_out.lengths
    bits, error = ratio(-nats / math.log(2), lengths)  # recordings are the independent units
    train = prepared.train.take(np.arange(len(prepared.train))[:: _stride(prepared.train)])
    schema, waves = prepared.schema, train.recordings
    some = waves[::_TENTH] if len(waves) >= _TENTH else waves
    rest = [w for i, w in enumerate(waves) if i % _TENTH] or waves
    predictor = linear_prediction(rest, some, schema.coding)
    return {
        "held_out": {
            "recordings": len(lengths),
            "samples": int(lengths.sum()),
            "bits_per_sample": bits,
            "standard_error": error if math.isfinite(error) else None,
            "log_likelihood": float(nats.sum()),
            "exact": fitted.exact,
        },
        "histogram": histogram(schema.encode(train), schema.encode(prepared.held_out), schema.levels),
        "linear_prediction": {
            "bits_per_sample": predictor.bits(prepared.held_out.recordings),
            "order": len(predictor.weights),
        },
    }


def _stride(sound: Sound) -> int:
    return max(1, len(sound.samples) // _REFERENCE)


def _kept(prepared: _Prepared) -> dict[str, np.ndarray]:
    """Some held-out recordings, which the split has put in random order, and the training recordings' labels."""
    rows: dict[str, np.ndarray] = {}
    schema, aside = prepared.schema, prepared.held_out
    if aside is not None:
        some = aside.take(np.arange(min(_KEPT, len(aside))))
        rows["held_out.values"] = schema.encode(some)
        rows["held_out.lengths"] = some.lengths.astype(np.int64)
        given = schema.encode_labels(some)
        if given is not None:
            rows["held_out.context"] = given
    contexts = schema.encode_labels(prepared.train)
    if contexts is not None:
        rows["contexts"] = contexts[:_CONTEXTS]
    return rows
