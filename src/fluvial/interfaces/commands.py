"""What the commands do with a fitted model of each kind, one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fluvial.core.errors import RunError, UsageError
from fluvial.data.tables import read
from fluvial.interfaces import (
    commands_image,
    commands_music,
    commands_sound,
    commands_table,
    summary,
    summary_image,
    summary_sound,
)
from fluvial.interfaces.page import Report, Vector, need_extras, write_page
from fluvial.interfaces.scored import Scored
from fluvial.interfaces.summary import verdict_lines
from fluvial.interfaces.words import Draw, parse_context
from fluvial.tasks.image import ImageModel
from fluvial.tasks.kinds import AnyModel
from fluvial.tasks.model import Model
from fluvial.tasks.music import RollModel
from fluvial.tasks.sound import SoundModel
from fluvial.tasks.verdict import Verdict, split_checks
from fluvial.training.run import RunFolder

Data = str | list[str]


@dataclass(frozen=True)
class Commands:
    """What there is for models of one kind.

    Args:
        kind: what they are of.
        summary, details: texts about the run in a folder.
        score: the columns that ``score`` writes, and what it says beside them.
        sample: writes what ``sample`` draws, and prints where.
        report: what a report says.
        own: flags of ``score`` and ``sample`` that not all kinds have.
    """

    kind: str
    summary: Callable[[Any], str]
    details: Callable[[Any], str]
    score: Callable[..., Scored]
    sample: Callable[..., None]
    report: Callable[[Any], Report]
    own: frozenset[str]


def _table_report(model: Model) -> Report:
    from fluvial.interfaces.report import table_report

    return table_report(model)


def _sound_report(model: SoundModel) -> Report:
    from fluvial.interfaces.report_sound import sound_report

    return sound_report(model)


def _image_report(model: ImageModel) -> Report:
    from fluvial.interfaces.report_image import image_report

    return image_report(model)


def _music_report(model: RollModel) -> Report:
    from fluvial.interfaces.report_music import rolls_report

    return rolls_report(model)


COMMANDS: dict[type[AnyModel], Commands] = {
    Model: Commands(
        "tables",
        summary.table_summary,
        summary.table_details,
        commands_table.score,
        commands_table.sample,
        _table_report,
        frozenset({"escape-formulas", "drop-missing", "no-shares", "given"}),
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


def scored(fitted: AnyModel, data: Data | None, context: Sequence[str] | None, flags: Mapping[str, object]) -> Scored:
    """What ``score`` writes, and what it says beside it; ``flags`` are None or False where not given."""
    if data is None:
        raise UsageError("name the data to score")
    given = _checked(fitted, flags)
    return COMMANDS[type(fitted)].score(fitted, data, parse_context(context, given_names(fitted)), **given)


def sampled(
    fitted: AnyModel, wish: Draw, context: Sequence[str] | None, contexts: str | None, flags: Mapping[str, object]
) -> None:
    """Draw, write, and print where; ``contexts`` is a table with one row of context for each draw."""
    given: Mapping[str, object] | None = parse_context(context, given_names(fitted))
    number = wish.number
    if contexts is not None:
        if given or number is not None:
            raise UsageError("--contexts has one draw for each of its rows: leave out --context and --number")
        table = read(contexts)
        given, number = {name: table.columns[name] for name in table.names if name in given_names(fitted)}, len(table)
        if not given:
            names = ", ".join(given_names(fitted)) or "nothing"
            raise UsageError(f"--contexts: {contexts} has none of the columns that the model is given, {names}")
    COMMANDS[type(fitted)].sample(fitted, replace(wish, context=given, number=number), **_checked(fitted, flags))


def given_names(fitted: AnyModel) -> tuple[str, ...]:
    """What the model is given: context columns, or labels."""
    match fitted:
        case Model():
            return tuple(c.name for c in fitted.schema.context)
        case RollModel():
            return ()
        case _:
            return tuple(fitted.schema.context)


def examined(fitted: AnyModel) -> Report:
    """All that there is to say of a model, drawn and judged.

    Raises:
        RunError: the run kept nothing to examine it with. UsageError: an extra is not installed.
    """
    need_extras()
    report = COMMANDS[type(fitted)].report(fitted)
    return replace(report, checks=(*report.checks, *split_checks(fitted.record)))


def write_report(fitted: AnyModel, folder: Path, vector: Vector | None = None) -> tuple[Path, Verdict]:
    """Examine a model and write its report; the path of the page, and the verdict, which its run keeps.

    Raises:
        RunError, UsageError: as :func:`examined`, or a file cannot be written.
    """
    report = examined(fitted)
    verdict = Verdict.of(report.checks, fitted.record)
    fitted.record["verdict"] = verdict.to_json()
    page = write_page(folder, report, verdict, fitted, vector)
    RunFolder(folder).add("verdict", verdict.to_json())
    return page, verdict


def summarised(fitted: AnyModel, folder: Path | None) -> str:
    """What a fit came to, and where it is kept, if it is."""
    split = (fitted.record.get("split") or {}).get("sentence")
    where = [] if folder is None else [f"run: {folder}"]
    return "\n".join([COMMANDS[type(fitted)].summary(fitted), *([split] if split else []), *where])


def detailed(fitted: AnyModel, folder: Path) -> str:
    """All that a run folder says about its model.

    Raises:
        RunError: the record in the folder lacks something.
    """
    try:
        verdict = Verdict.from_json(fitted.record.get("verdict"))
        told = ["verdict: none yet; fluvial report examines the model"] if verdict is None else verdict_lines(verdict)
        return "\n".join([summarised(fitted, folder), COMMANDS[type(fitted)].details(fitted), *told])
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
