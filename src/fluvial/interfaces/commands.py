"""What the commands do with a table's model and with a model of sound."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.tasks.model import Model
from fluvial.tasks.sound import SoundModel


def scored(
    fitted: Model | SoundModel,
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


def write_report(fitted: Model | SoundModel, folder: Path) -> Path:
    """The report of either kind; returns the path of the page."""
    from fluvial.interfaces import report, report_sound

    if isinstance(fitted, SoundModel):
        return report_sound.write_sound_report(fitted, folder)
    return report.write_report(fitted, folder)
