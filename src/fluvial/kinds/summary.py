"""A fitted model in a few lines of text, whatever it is of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvial.core.errors import RunError
from fluvial.data.words import counted
from fluvial.examine.verdict import Verdict
from fluvial.kinds.scores import spaced

if TYPE_CHECKING:
    from fluvial.kinds.fitted import Fitted


def described(model: Fitted) -> str:
    """What the fit came to, as the command line prints it; a line on the model alone where its record says no more."""
    config = model.record.get("model") or {}
    if "scores" not in model.record:
        return f"<{type(model).__name__}: {config.get('model', 'untrained')}>"
    lines = summarised(model, None).splitlines()
    verdict = Verdict.from_json(model.record.get("verdict"))
    return "\n".join([f"<{type(model).__name__}> {lines[0]}", *lines[1:], *(verdict_lines(verdict) if verdict else [])])


def summarised(model: Fitted, folder: Path | None) -> str:
    """What a fit came to, and where it is kept, if it is."""
    split = (model.record.get("split") or {}).get("sentence")
    where = [] if folder is None else [f"run: {folder}"]
    return "\n".join([*model.kind.summary(model), *([split] if split else []), *where])


def detailed(model: Fitted, folder: Path) -> str:
    """All that a run folder says about its model.

    Raises:
        RunError: the record in the folder lacks something.
    """
    record = model.record
    try:
        verdict = Verdict.from_json(record.get("verdict"))
        judged = ["verdict: none yet; fluvial report examines the model"] if verdict is None else verdict_lines(verdict)
        options = [f"options: {json.dumps(record['model']['options'])}", f"seed: {record['seed']}"]
        lines = [summarised(model, folder), *options, *model.kind.details(model), *_how_it_was_made(record), *judged]
        return "\n".join(lines)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(f"the record in {folder} is damaged or not fluvial's: {error!r}") from None


def verdict_lines(verdict: Verdict) -> list[str]:
    """How far the model can be trusted, why no further, and what to try."""
    lines = [f"verdict: {verdict.level}. {verdict.sentence}", *(f"  - {reason}" for reason in verdict.reasons)]
    if verdict.remedies:
        lines.append("to try:")
        lines += [line for r in verdict.remedies for line in (f"  - {r.sentence}:", f"    {r.command}")]
    return lines


def fitted_line(record: dict[str, Any], data: str) -> str:
    """The first line of a summary: the model, the ``data``, its size and its training."""
    parameters, training = counted(record["sizes"]["parameters"], "parameter"), record["training"]
    took = f"{counted(training['epochs'], 'epoch')} in {training['seconds']:.0f} s (best: {training['best_epoch']})"
    return f"{record['model']['model']}: {data}, {parameters}, {took}"


def held_out_lines(heading: str, model: dict[str, Any] | None, others: dict[str, float | None]) -> list[str]:
    """Mean log-likelihoods a step of what was held out: the ``model``'s with its error, and of ``others`` by name."""
    if model is None:
        return ["nothing was held out to judge it by"]
    own = f"  {'model':20}{spaced(model['per_step'], model['standard_error'], 8)}"
    known = {name: value for name, value in others.items() if value is not None}
    return [heading, own, *(f"  {name:20}{value:8.3f}" for name, value in known.items())]


def labels(known: dict[str, Any]) -> list[str]:
    """The labels that a model is given, and the values of each that it knows."""
    if not known:
        return []
    return ["given:", *(f"  {name}: one of {', '.join(values)}" for name, values in known.items())]


def _how_it_was_made(record: dict[str, Any]) -> list[str]:
    """Notes, the command, versions."""
    lines = [f"note: {warning}" for warning in record["warnings"]]
    if record["command"]:
        lines.append(f"command: {record['command']}")
    return [*lines, "versions: " + ", ".join(f"{k} {v}" for k, v in record["versions"].items())]
