"""What to try after a verdict that is not good, with the command to try it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from fluvial.models import Recipe, recipe_of
from fluvial.training import Settings

_WIDTHS = ("hidden", "width", "channels")  # options that set the size of a model
_OTHERS = {
    ("tables", "real"): ("nsf_coupling", "nsf", "made_mog"),
    ("tables", "whole"): ("made", "pixelcnn"),
    ("images", "whole"): ("multiscale", "flowpp"),
}
_MOST = 4  # that are named
_DROPPED = ("--resume", "--force")  # flags of a command that a new try does not take along, and those with a value
_VALUED = ("--out",)


@dataclass(frozen=True)
class Remedy:
    """What to try, in words, and the command or the line of Python for it."""

    sentence: str
    command: str


def remedies(faults: Sequence[str], record: Mapping[str, Any]) -> tuple[Remedy, ...]:
    """What to try about these faults, the gravest first; see :data:`_WAYS` for their names."""
    found: dict[str, Remedy] = {}
    for fault in faults:
        for way in _WAYS.get(fault, ()):
            if way is _larger and "overfitted" in faults:
                continue  # it would learn yet more rows by heart
            remedy = way(record)
            if remedy is not None:
                found.setdefault(remedy.command, remedy)
    return tuple(found.values())[:_MOST]


def _smaller(record: Mapping[str, Any]) -> Remedy | None:
    return _sized(record, 0.5, "A smaller model has less room to learn rows by heart")


def _larger(record: Mapping[str, Any]) -> Remedy | None:
    return _sized(record, 2, "A larger model can follow the data more closely")


def _sized(record: Mapping[str, Any], factor: float, sentence: str) -> Remedy | None:
    options = record["model"]["options"]
    for name in _WIDTHS:
        if name in options:
            old = options[name]
            new = [max(1, int(factor * n)) for n in old] if isinstance(old, list) else max(1, int(factor * old))
            return None if new == old else Remedy(sentence, _again(record, {name: new}))
    return None


def untrained(record: Mapping[str, Any]) -> bool:
    """Whether a fit that the record tells of ended before it had learnt anything, of a model that learns by steps."""
    if (record.get("training") or {}).get("epochs") != 0:
        return False
    recipe = _recipe(record)
    return recipe is None or not recipe.closed_form


def _regularised(record: Mapping[str, Any]) -> Remedy | None:
    recipe = _recipe(record)
    if recipe is not None and recipe.closed_form:
        return None
    decay = (record.get("settings") or {}).get("weight_decay")
    stronger = 4.0 * decay if decay else 5.0
    return Remedy("A stronger weight decay keeps it simpler", _again(record, {"weight_decay": stronger}))


def _more_data(record: Mapping[str, Any]) -> Remedy | None:
    return Remedy("More rows help most: add what you have, and fit again", _again(record, {}))


def _longer(record: Mapping[str, Any]) -> Remedy | None:
    settings, training = record.get("settings") or {}, record.get("training") or {}
    ended = settings.get("epochs") or settings.get("budget")
    if not ended or training.get("best_epoch", 0) < 0.8 * training.get("epochs", 1):
        return None
    sentence = "It was still getting better when its epochs or its budget ended: train for as long as that helps"
    if not training.get("epochs"):
        sentence = "Its budget ended before the first epoch: train for as long as that helps, or give more time"
    return Remedy(sentence, _again(record, {}, without=("--epochs", "--budget")))


def _another(record: Mapping[str, Any]) -> Remedy | None:
    recipe = _recipe(record)
    others = _OTHERS.get(("tables", "real") if recipe is None else (recipe.kind, recipe.values))
    if others is None:
        return None  # of sound and of music there is one model each, as of tables with labels and gaps
    other = next(m for m in others if m != record["model"]["model"])
    return Remedy(f"Another kind of model, {other}, may suit the data better", _again(record, {}, other))


def _recipe(record: Mapping[str, Any]) -> Recipe | None:
    """Of the model that was fitted; a density that was given as an object has none."""
    model = record["model"]
    return None if model.get("own") else recipe_of(model["model"], tuple(model["event_shape"]))


def _slower(record: Mapping[str, Any]) -> Remedy | None:
    rate = (record.get("settings") or {}).get("learning_rate")
    return None if not rate else Remedy("Smaller steps are steadier", _again(record, {"learning_rate": rate / 3}))


def _shallower(record: Mapping[str, Any]) -> Remedy | None:
    depth = record["model"]["options"].get("transforms")
    if not isinstance(depth, int) or depth < 2:
        return None
    return Remedy("Fewer transforms lose less in rounding", _again(record, {"transforms": depth // 2}))


_WAYS: dict[str, tuple[Callable[[Mapping[str, Any]], Remedy | None], ...]] = {
    "untrained": (_longer,),
    "overfitted": (_smaller, _regularised, _more_data),
    "underfitted": (_longer, _another, _larger),
    "misfit": (_longer, _another, _larger),
    "tails": (_another, _more_data),
    "impossible": (_another, _more_data),
    "few": (_more_data,),
    "unstable": (_slower, _shallower),
}


def _again(
    record: Mapping[str, Any], values: Mapping[str, Any], model: str | None = None, without: Sequence[str] = ()
) -> str:
    """The command of the fit, or a line of Python where there was none, with other options or another model."""
    trained = {f.name for f in fields(Settings)}
    if not record.get("command"):
        named = repr(model or record["model"]["model"])
        named = "my_density" if record["model"].get("own") and model is None else named
        options = {k: v for k, v in values.items() if k not in trained}
        settings = ", ".join(f"{k}={v!r}" for k, v in values.items() if k in trained)
        parts = ["data", named, *([f"options={options}"] if options else [])]
        parts += [f"settings=fluvial.training.Settings({settings})"] if settings else []
        return f"fluvial.fit({', '.join(parts)})"
    words = _stripped(shlex.split(record["command"]), {*_VALUED, *without, *(["--model"] if model else [])})
    words = _unset(words, lambda name: name in values or (model is not None and name not in trained))
    words += ["--model", model] if model else []
    for name, value in values.items():
        words += ["--set", f"{name}={','.join(map(str, value)) if isinstance(value, list) else f'{value:.3g}'}"]
    return shlex.join(words)


def _stripped(words: Sequence[str], valued: set[str]) -> list[str]:
    """The words without some flags and their values."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word not in valued and word.partition("=")[0] not in valued and word not in _DROPPED:
            kept.append(word)
        skip = not skip and word in valued
    return kept


def _unset(words: Sequence[str], named: Callable[[str], bool]) -> list[str]:
    """The words without ``--set NAME=...`` of names that are ``named``."""
    joined = [f"--set={words[i + 1]}" if w == "--set" and i + 1 < len(words) else w for i, w in enumerate(words)]
    after = {i + 1 for i, w in enumerate(words) if w == "--set"}
    kept = [w for i, w in enumerate(joined) if i not in after]
    sets = [w for w in kept if w.startswith("--set=")]
    gone = {w for w in sets if named(w.removeprefix("--set=").partition("=")[0])}
    return [part for w in kept if w not in gone for part in (["--set", w[6:]] if w in sets else [w])]
