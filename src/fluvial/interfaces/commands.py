"""What the commands do with a fitted model of each kind, one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import RunError, UsageError
from fluvial.interfaces import (
    commands_image,
    commands_music,
    commands_sound,
    commands_table,
    summary,
    summary_image,
    summary_sound,
)
from fluvial.interfaces.words import Draw
from fluvial.tasks.image import ImageModel
from fluvial.tasks.kinds import AnyModel
from fluvial.tasks.model import Model
from fluvial.tasks.music import RollModel
from fluvial.tasks.sound import SoundModel

Data = str | list[str]


@dataclass(frozen=True)
class Commands:
    """What there is for models of one kind.

    Args:
        kind: what they are of.
        summary, details: texts about the run in a folder.
        score: the columns that ``score`` writes, and what it says beside them.
        sample: writes what ``sample`` draws, and prints where.
        report: writes a report into a folder; the path of its page.
        own: flags of ``score`` and ``sample`` that not all kinds have.
    """

    kind: str
    summary: Callable[[Any, Path], str]
    details: Callable[[Any, Path], str]
    score: Callable[..., tuple[dict[str, np.ndarray], list[str]]]
    sample: Callable[..., None]
    report: Callable[[Any, Path], Path]
    own: frozenset[str]


def _table_report(model: Model, folder: Path) -> Path:
    from fluvial.interfaces.report import write_report

    return write_report(model, folder)


def _sound_report(model: SoundModel, folder: Path) -> Path:
    from fluvial.interfaces.report_sound import write_sound_report

    return write_sound_report(model, folder)


def _image_report(model: ImageModel, folder: Path) -> Path:
    from fluvial.interfaces.report_image import write_image_report

    return write_image_report(model, folder)


def _music_report(model: RollModel, folder: Path) -> Path:
    from fluvial.interfaces.report_music import write_rolls_report

    return write_rolls_report(model, folder)


COMMANDS: dict[type[AnyModel], Commands] = {
    Model: Commands(
        "tables",
        summary.table_summary,
        summary.table_details,
        commands_table.score,
        commands_table.sample,
        _table_report,
        frozenset({"drop-missing"}),
    ),
    SoundModel: Commands(
        "sound",
        summary_sound.sound_summary,
        summary_sound.sound_details,
        commands_sound.score,
        commands_sound.sample,
        _sound_report,
        frozenset({"seconds", "prompt", "temperature"}),
    ),
    ImageModel: Commands(
        "images",
        summary_image.image_summary,
        summary_image.image_details,
        commands_image.score,
        commands_image.sample,
        _image_report,
        frozenset({"labels", "temperature", "background"}),
    ),
    RollModel: Commands(
        "piano rolls",
        commands_music.rolls_summary,
        commands_music.rolls_details,
        commands_music.score,
        commands_music.sample,
        _music_report,
        frozenset({"temperature"}),
    ),
}


def scored(
    fitted: AnyModel, data: Data | None, context: Mapping[str, object] | None, flags: Mapping[str, object]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The columns that ``score`` writes, and what it says beside them; ``flags`` are None or False where not given."""
    if data is None:
        raise UsageError("name the data to score")
    given = _checked(fitted, flags)
    return COMMANDS[type(fitted)].score(fitted, data, context, **given)


def sampled(fitted: AnyModel, wish: Draw, flags: Mapping[str, object]) -> None:
    """Draw, write, and print where."""
    COMMANDS[type(fitted)].sample(fitted, wish, **_checked(fitted, flags))


def write_report(fitted: AnyModel, folder: Path) -> Path:
    """The report of a run; returns the path of the page."""
    return COMMANDS[type(fitted)].report(fitted, folder)


def summarised(fitted: AnyModel, folder: Path) -> str:
    """What a fit came to, and where it is kept."""
    return COMMANDS[type(fitted)].summary(fitted, folder)


def detailed(fitted: AnyModel, folder: Path) -> str:
    """All that a run folder says about its model.

    Raises:
        RunError: the record in the folder lacks something.
    """
    try:
        return COMMANDS[type(fitted)].details(fitted, folder)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(f"the record in {folder} is damaged or not fluvial's: {error!r}") from None


def _checked(fitted: AnyModel, flags: Mapping[str, object]) -> dict[str, Any]:
    """The flags that are given, as arguments; a sentence about one of another kind."""
    given = {name: value for name, value in flags.items() if value is not None and value is not False}
    own = COMMANDS[type(fitted)]
    for name in given:
        if name not in own.own:
            owners = " and ".join(c.kind for c in COMMANDS.values() if name in c.own)
            raise UsageError(f"--{name} is about {owners}; this run is of {own.kind}")
    return {name.replace("-", "_"): value for name, value in given.items()}
