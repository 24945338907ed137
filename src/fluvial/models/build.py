"""Building any model from plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fluvial.conditioners import ContextEncoder, ContextMap
from fluvial.core import Chain, Density, Flow, Transform, UsageError
from fluvial.core.numbers import plain
from fluvial.core.transform import EventShape
from fluvial.models.gan import Game
from fluvial.models.mixed import AnyOrder
from fluvial.models.registry import hint, recipe_of
from fluvial.models.vae import VAE
from fluvial.transforms import CodeMap, Codes, ColumnMap, Columns
from fluvial.transforms.law import Law


def preset(model: str, name: str, event_shape: EventShape = ()) -> dict[str, Any]:
    """Options of ``model`` as its paper or its released code has them; of its model of images for (C, H, W).

    >>> preset("maf", "paper")["transforms"]
    5
    """
    known = recipe_of(model, event_shape).presets
    if name not in known:
        raise UsageError(f"preset: {model} has no preset named {name!r}{hint(name, known)}")
    return dict(known[name])


def resolve(model: str, options: Mapping[str, Any], event_shape: EventShape = ()) -> dict[str, Any]:
    """The recipe's full options: its defaults, overridden by ``options["preset"]`` if named, then by the rest.

    Raises:
        UsageError: an unknown model, preset or option.
    """
    full, given = recipe_of(model, event_shape).options, dict(options)
    if "preset" in given:
        full.update(preset(model, given.pop("preset"), event_shape))
    for name, value in given.items():
        if name not in full:
            raise UsageError(f"{model} has no option named {name!r}{hint(name, full)}")
        full[name] = _coerce(model, name, value, full[name])
    return full


def build(config: Mapping[str, Any]) -> Density:
    """Any model from plain JSON.

    ``config`` has "model" (a name) and "event_shape"; and may have "context_shape" (as the user gives it),
    "options" (the recipe's), "columns" (one :class:`ColumnMap` as a dict for each column), "whiten" (whether these
    are whitened together), or "codes" (one
    :class:`CodeMap` for each, where the model is of probabilities), and "context" (one :class:`ContextMap` as a
    dict for each context column).

    Raises:
        UsageError: an unknown name, or a value that does not fit, as a sentence.

    >>> build({"model": "maf", "event_shape": [3], "options": {"transforms": 2}}).event_shape
    (3,)
    """
    event_shape = tuple(config["event_shape"])
    name, recipe = config["model"], recipe_of(config["model"], event_shape)
    try:
        options = resolve(name, config.get("options") or {}, event_shape)
        laws = {"laws": laws_of(config.get("laws") or ())} if recipe.values == "any" else {}
        flow = behind_head(config, lambda inner: recipe.build(event_shape, context_shape=inner, **laws, **options))
        # a closed form is as exact as float64 makes it; what is trained gains nothing from that
        return flow.double() if recipe.closed_form else flow
    except (TypeError, ValueError) as error:
        raise UsageError(f"model {name}: {error}") from None


def behind_head(config: Mapping[str, Any], make: Callable[[EventShape | None], Density]) -> Density:
    """What ``make`` makes for contexts of a shape, behind the columns' own maps and contexts of a configuration.

    Raises:
        ValueError: what it makes is not a density of such events, given such contexts.
    """
    event_shape = tuple(config["event_shape"])
    outer = None if config.get("context_shape") is None else tuple(config["context_shape"])
    encoder = ContextEncoder([ContextMap(**m) for m in config["context"]]) if config.get("context") else None
    inner = (encoder.features,) if encoder else outer
    density = make(inner)
    if not isinstance(density, Density):  # pyright: ignore[reportUnnecessaryIsInstance]  (somebody's own recipe)
        raise ValueError(f"expected a fluvial.core.Density, got {type(density).__name__}")
    for what, want, got in (
        ("events", event_shape, density.event_shape),
        ("contexts", inner, density.context_shape),
    ):
        if (None if got is None else tuple(got)) != want:
            name = type(density).__name__
            raise ValueError(f"expected a density of {what} of shape {want}, got {name}, of {what} of shape {got}")
    head = _head(config)
    if isinstance(density, (AnyOrder, VAE, Game)) and head is None and encoder is not None:
        return density.reading(encoder, outer)  # it takes contexts itself, so nothing stands around it
    return density if head is None and encoder is None else Flow(head or Chain(), density, event_shape, outer, encoder)


def laws_of(config: Sequence[Mapping[str, Any]]) -> list[Law]:
    """Laws from plain JSON."""
    return [
        Law(
            tuple(law["atoms"]),
            law["missing"],
            law["labels"],
            None if law["rest"] is None else ColumnMap(**law["rest"]),
            tuple(law.get("periods", ())),
            law.get("other", 0.0),
            tuple(law.get("rounded", ())),
        )
        for law in config
    ]


def _head(config: Mapping[str, Any]) -> Transform | None:
    """The way from raw rows to what the recipe models."""
    if config.get("columns"):
        return Columns([ColumnMap(**m) for m in config["columns"]], bool(config.get("whiten")))
    if config.get("codes"):
        return Codes([CodeMap(**m) for m in config["codes"]])
    return None


def _coerce(model: str, name: str, value: Any, default: Any) -> Any:  # noqa: ANN401
    """Check an option against its default's type; JSON lists become tuples, a lone width a tuple of one."""
    value = plain(value)
    if isinstance(default, Sequence) and not isinstance(default, str):
        value = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        fits = bool(value or not default) and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    elif isinstance(default, bool):
        fits = isinstance(value, bool)
    elif isinstance(default, int):
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(default, float) or default is None:
        fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    else:
        fits = isinstance(value, str)
    if not fits:
        raise UsageError(f"option {name} of {model}: {value!r:.80} does not fit; its default is {default!r}")
    return value
