"""What the commands do with a table's model, with a model of sound, and with one of music."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fluvial.core.errors import RunError, UsageError
from fluvial.data.rolls import write_rolls
from fluvial.tasks.model import Model
from fluvial.tasks.music import RollModel
from fluvial.tasks.sound import SoundModel


def scored(
    fitted: Model | SoundModel | RollModel,
    data: str | list[str] | None,
    drop_missing: bool,
    context: Mapping[str, object] | None,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The columns that ``score`` writes, and what it says beside them."""
    if data is None:
        raise UsageError("name the data to score")
    if isinstance(fitted, SoundModel):
        if drop_missing:
            raise UsageError("--drop-missing is about tables; this run is of sound")
        sound = fitted.score(data, context)
        columns = {
            "recording": np.array(sound.names),
            "samples": sound.samples,
            "log_prob": sound.log_prob,
            "bits_per_sample": sound.bits,
        }
        return columns, [f"note: {warning}" for warning in sound.warnings]
    if isinstance(fitted, RollModel):
        if drop_missing or context is not None:
            raise UsageError("--drop-missing and --context are not about piano rolls, which this run is of")
        found = fitted.score(data)
        per_step = found.log_prob / found.steps
        columns = {"piece": np.array(found.names), "steps": found.steps, "log_prob": found.log_prob}
        mean = f"mean log-likelihood of a moment: {found.per_step:.4f} nats"
        return {**columns, "log_prob_per_step": per_step}, [mean]
    if context is not None:
        raise UsageError("--context is for scoring sound; of tables, the context is a column")
    if isinstance(data, list):
        raise UsageError(f"a table is one file, got {len(data)}")
    scores = fitted.score(data, drop_missing=drop_missing)
    notes = [f"note: {warning}" for warning in scores.warnings]
    if not fitted.exact:
        notes.append("the scores are lower bounds: the table has rounded or integer columns")
    parts = {f"log_prob {name}": part for name, part in scores.parts.items()}
    return {"row": scores.rows, "log_prob": scores.log_prob, **parts}, notes


def drawn(
    fitted: Model,
    number: int,
    context: Mapping[str, object] | None,
    seed: int,
    of_sound: tuple[object, ...],
) -> dict[str, np.ndarray]:
    """The columns that ``sample`` writes; ``of_sound`` are the flags that a table has no use for."""
    if any(flag is not None for flag in of_sound):
        raise UsageError("--seconds, --prompt and --temperature are about sound; this run is of a table")
    return fitted.sample_columns(number, context, seed)


def recorded(
    fitted: SoundModel,
    number: int,
    folder: Path,
    context: Mapping[str, object] | None,
    seed: int,
    seconds: float | None,
    prompt: Path | None,
    temperature: float | None,
) -> list[Path]:
    """The WAV files that ``sample`` writes."""
    samples = fitted.sample(
        number,
        seconds,
        context=context,
        prompt=prompt,
        temperature=1.0 if temperature is None else temperature,
        seed=seed,
    )
    return fitted.write_samples(folder, samples, fitted.draw_context(number, context, seed))


def composed(fitted: RollModel, number: int, out: Path, seed: int, of_others: tuple[object, ...]) -> Path:
    """The archive of piano rolls that ``sample`` writes; ``of_others`` are the flags that music has no use for."""
    if any(flag is not None for flag in of_others):
        raise UsageError("--context, --seconds and --prompt are not about piano rolls, which this run is of")
    pieces = fitted.sample(number, seed=seed)
    try:
        write_rolls(out, pieces)
    except OSError as error:
        raise RunError(f"{out} could not be written: {error.strerror or error}") from None
    return out


def write_columns(columns: Mapping[str, np.ndarray], out: Path | None, header: bool = True) -> None:
    """Named columns to a file, or as CSV to stdout."""
    if out is not None:
        from fluvial.data.files import write

        return write(dict(columns), out, header)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows(zip(*(values.tolist() for values in columns.values())))
    return None


def write_report(fitted: Model | SoundModel | RollModel, folder: Path) -> Path:
    """The report of any kind; returns the path of the page."""
    from fluvial.interfaces import report, report_music, report_sound

    if isinstance(fitted, RollModel):
        return report_music.write_rolls_report(fitted, folder)
    if isinstance(fitted, SoundModel):
        return report_sound.write_sound_report(fitted, folder)
    return report.write_report(fitted, folder)
