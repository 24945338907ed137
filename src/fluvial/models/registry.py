"""Names of models, their presets, and building any of them from plain JSON."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from fluvial.conditioners import ContextEncoder, ContextMap
from fluvial.core import Chain, Density, Flow, Transform, UsageError
from fluvial.core.numbers import plain
from fluvial.core.transform import EventShape
from fluvial.models import image, sequence, tabular
from fluvial.models.flowplusplus import flowpp
from fluvial.models.made import made, made_mog
from fluvial.models.mixed import AnyOrder, mixed
from fluvial.models.multiscale import multiscale
from fluvial.models.pixelcnn import pixelcnn
from fluvial.transforms import CodeMap, Codes, ColumnMap, Columns
from fluvial.transforms.laws import Law

Recipe = Callable[..., Density]

RECIPES: dict[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (
        tabular.gaussian,
        tabular.nice,
        tabular.realnvp,
        tabular.maf,
        tabular.maf_mog,
        tabular.iaf,
        tabular.nsf,
        tabular.nsf_coupling,
        made,
        made_mog,
        mixed,
        pixelcnn,
        sequence.wavenet,
        sequence.wavenet_made,
    )
}

IMAGES: dict[str, Recipe] = {r.__name__: r for r in (image.nice, image.realnvp, image.glow, flowpp, multiscale)}
"""Recipes for events of shape (C, H, W); a name that is in ``RECIPES`` too means the same paper's model of vectors."""

DEFAULT = "nsf"
"""The model that ``fit`` takes when none is named; chosen by measurement (benchmarks/tables/fidelity.py)."""

DEFAULT_DISCRETE = "made"
"""The same for rows of labels, or of zeros and ones."""

DEFAULT_SOUND = "wavenet"
"""The same for sound."""

DEFAULT_IMAGE = "multiscale"
"""The same for images; chosen by measurement (benchmarks/images/likelihood.py)."""

SOUND = frozenset({"wavenet"})
"""Models of recordings; those of neither sound nor music are of rows of a table."""

MUSIC = frozenset({"wavenet_made"})
"""Models of piano rolls."""

DEFAULT_MUSIC = "wavenet_made"
"""The one that ``fit`` takes for piano rolls when none is named."""

CLOSED_FORM = frozenset({"gaussian"})
"""Models that ``initialize`` with the whole training set fits completely."""

DEFAULT_MIXED = "mixed"
"""The same for tables with labels, dates or missing cells among the numbers."""

MIXED = frozenset({"mixed"})
"""Models of any cells: labels, numbers and missing ones."""

DISCRETE = frozenset({"made", "pixelcnn"})
"""Models of probabilities, for rows of labels and whole numbers; ``classes`` is their option."""

_MAF_PAPER = {"transforms": 5, "hidden": (512, 512), "batch_norm": True, "bound": None, "normal_init": True}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # Papamakarios et al. 2017, arXiv 1705.07057, appendix; widths of the sets with D >= 21
    "maf": {"paper": _MAF_PAPER},
    "maf_mog": {"paper": {**_MAF_PAPER, "components": 10}},
    "realnvp": {
        "paper": {
            "transforms": 5,
            "hidden": (512, 512),
            "activation": "tanh",
            "batch_norm": True,
            "bound": None,
        }
    },
    # Germain et al. 2015, arXiv 1502.03509, and the commands of its released code
    "made": {
        "adult": {"hidden": (500,), "activation": "tanh", "direct": False, "dropout": 0.0},
        "dna": {"hidden": (500,), "direct": False, "dropout": 0.0, "drawn": True, "orders": 100, "fresh": True},
        "mnist": {"hidden": (8000, 8000), "dropout": 0.0, "drawn": True, "orders": 32},
    },
    "made_mog": {"paper": {"hidden": (512, 512)}},
    # Dinh et al. 2014, arXiv 1410.8516, table 2 (MNIST)
    "nice": {"paper": {"transforms": 4, "hidden": (1000,) * 5}},
    # Durkan et al. 2019, arXiv 1906.04032, appendix B.1
    "nsf": {"paper": {"transforms": 10, "hidden": (256, 256), "residual": True, "bound": 3.0}},
    "nsf_coupling": {"paper": {"transforms": 10, "hidden": (256, 256), "residual": True, "bound": 3.0}},
    # the paper gives no widths; two open configurations do
    "wavenet": {
        "ibab": {"stacks": 5, "layers": 10, "kernel": 2, "channels": 32, "gates": 32, "skips": 512, "first": 2},
        "vocoder": {"stacks": 3, "layers": 10, "kernel": 3, "channels": 128, "gates": 128, "skips": 128},
        "vocoder16": {
            **{"levels": 65536, "components": 10},
            **{"stacks": 4, "layers": 6, "kernel": 3, "channels": 128, "gates": 128, "skips": 128},
        },
    },
}

_GLOW_CODE = {"levels": 3, "steps": 32, "width": 512, "sigmoid": True, "linear": "full", "factor": 3.0, "border": True}
_GLOW_PAPER = {"levels": 3, "steps": 32, "width": 512, "bound": None}
_GLOW_SIZES: dict[str, dict[str, Any]] = {
    "cifar10": {},
    "imagenet32": {"steps": 48},
    "imagenet64": {"levels": 4, "steps": 48},
    "celeba_hq": {"levels": 6, "additive": True, "bits": 5},
}

IMAGE_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # Dinh et al. 2014, arXiv 1410.8516, table 2, and the released code; whitening is a matter of the data
    "nice": {
        "paper_mnist": {"width": 1000, "layers": (5, 5, 5, 5)},
        "paper_tfd": {"width": 5000, "layers": (4, 4, 4, 4), "gaussian": True},
        "paper_svhn": {"width": 2000, "layers": (4, 4, 4, 4)},
        "paper_cifar10": {"width": 2000, "layers": (4, 4, 4, 4), "centered": True},
        "code_mnist": {"width": 1000, "layers": (5, 5, 5, 5)},
        "code_tfd": {"width": 2000, "layers": (3, 3, 2, 2, 1, 1, 1, 1)},
        "code_cifar10": {"width": 2400, "layers": (1, 1, 3, 3, 2, 2, 1, 1), "gaussian": True, "centered": True},
    },
    # Dinh et al. 2016, arXiv 1605.08803, section 4.1, and the released code
    "realnvp": {
        "paper_cifar10": {"scales": 2, "blocks": 8, "width": 64},
        "paper_imagenet32": {"scales": 4, "blocks": 4, "width": 32},
        "paper_imagenet64": {"scales": 5, "blocks": 2, "width": 32},
        "code_imagenet32": {"scales": 4, "blocks": 4, "width": 32, "zeros_count": True},
        "code_imagenet64": {"scales": 5, "blocks": 4, "width": 32, "zeros_count": True},
    },
    # Kingma and Dhariwal 2018, arXiv 1807.03039, table 4, and the released code; labels reach the last prior alone
    "glow": {
        f"{source}_{data}": {**options, **size, "condition_couplings": False}
        for source, options in (("paper", _GLOW_PAPER), ("code", _GLOW_CODE))
        for data, size in _GLOW_SIZES.items()
    },
    # Ho et al. 2019, arXiv 1902.00275, section 4, and the released code (CIFAR-10)
    "flowpp": {
        "code_cifar10": {
            "couplings": (4, 2, 3),
            "blocks": 10,
            "width": 96,
            "heads": 4,
            "components": 32,
            "dropout": 0.2,
            "noise_couplings": 4,
        },
    },
}


ENTRY_POINTS = "fluvial.models"
"""The group under which installed packages name recipes of their own."""


def register(name: str, recipe: Recipe) -> Recipe:
    """Add a recipe of your own for rows of tables: ``fit``, the command line and saved runs then know it by name.

    A run that was saved is loaded where its recipe is registered: by this call, or by a package that is installed, in
    its entry points of the group "fluvial.models".

    Args:
        recipe: (event_shape, \\*, context_shape, **options) -> Density over standardised rows; the defaults of its
            keywords are its options, numbers, words, or tuples of whole numbers.

    Returns:
        The recipe.

    Raises:
        UsageError: the name is taken, or the recipe is none.

    >>> from fluvial.models import maf
    >>> def narrow(event_shape, *, width=8, context_shape=None):
    ...     return maf(event_shape, hidden=(width,), context_shape=context_shape)
    >>> build({"model": register("narrow", narrow).__name__, "event_shape": [3], "options": {"width": 4}}).event_shape
    (3,)
    """
    if RECIPES.get(name, IMAGES.get(name, recipe)) is not recipe:
        raise UsageError(f"there is a model named {name!r} already: register yours under another name")
    parameters = inspect.signature(recipe).parameters.values() if callable(recipe) else ()  # pyright: ignore
    keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    if "context_shape" not in keywords or inspect.Parameter.empty in keywords.values():
        raise UsageError(
            f"recipe {name}: expected a function (event_shape, *, context_shape=None, ...) with a default for every "
            f"option, got {recipe!r}"
        )
    RECIPES[name] = recipe
    return recipe


def _installed(name: str) -> None:
    """Register the recipe of this name that an installed package has, if there is one."""
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        register(name, entry.load())


def preset(model: str, name: str, event_shape: Sequence[int] = ()) -> dict[str, Any]:
    """Options of ``model`` as its paper or its released code has them; of its model of images for (C, H, W).

    >>> preset("maf", "paper")["transforms"]
    5
    """
    presets = IMAGE_PRESETS if len(event_shape) == 3 else PRESETS
    known = presets.get(recipe_name(model, event_shape), {})
    if name not in known:
        raise UsageError(f"preset: {model} has no preset named {name!r}{_hint(name, known)}")
    return dict(known[name])


def recipe_name(name: str, event_shape: Sequence[int] = ()) -> str:
    """``name`` if it is a model's of such events, else a sentence with the nearest one."""
    if name not in RECIPES and name not in IMAGES:
        _installed(name)
    known, others = (IMAGES, RECIPES) if len(event_shape) == 3 else (RECIPES, IMAGES)
    if name not in known and name in others:
        expects = "images, (C, H, W)" if others is IMAGES else "vectors, (D,)"
        raise UsageError(f"{name} is a model of {expects}, but the events have shape {tuple(event_shape)}")
    if name not in known:
        raise UsageError(f"there is no model named {name!r}{_hint(name, known)}")
    return name


def recipe_of(name: str, event_shape: Sequence[int] = ()) -> Recipe:
    """The recipe ``name`` for events of this shape: of images for (C, H, W)."""
    return (IMAGES if len(event_shape) == 3 else RECIPES)[recipe_name(name, event_shape)]


_OF_THE_DATA = ("context_shape", "laws")  # arguments of recipes that no user gives


def resolve(model: str, options: Mapping[str, Any], event_shape: Sequence[int] = ()) -> dict[str, Any]:
    """The recipe's full options: its defaults, overridden by ``options["preset"]`` if named, then by the rest.

    Raises:
        UsageError: an unknown model, preset or option.
    """
    parameters = inspect.signature(recipe_of(model, event_shape)).parameters.values()
    full = {
        p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("context_shape", "laws")
    }
    given = dict(options)
    if "preset" in given:
        full.update(preset(model, given.pop("preset"), event_shape))
    for name, value in given.items():
        if name not in full:
            raise UsageError(f"{model} has no option named {name!r}{_hint(name, full)}")
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
        laws = {"laws": laws_of(config.get("laws") or ())} if name in MIXED else {}
        flow = behind_head(config, lambda inner: recipe(event_shape, context_shape=inner, **laws, **options))
        # a closed form is as exact as float64 makes it; what is trained gains nothing from that
        return flow.double() if name in CLOSED_FORM else flow
    except (TypeError, ValueError) as error:
        raise UsageError(f"model {name}: {error}") from None


def behind_head(config: Mapping[str, Any], make: Callable[[EventShape | None], Density]) -> Density:
    """What ``make`` makes for contexts of a shape, behind the columns' own maps and contexts of a configuration.

    Raises:
        ValueError: what it makes is no density of such events, given such contexts.
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
    if isinstance(density, AnyOrder) and head is None and encoder is not None:
        return density.reading(encoder, outer)  # it answers for any columns itself, so nothing stands around it
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


def _hint(name: str, known: Mapping[str, Any]) -> str:
    if not known:
        return ""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
