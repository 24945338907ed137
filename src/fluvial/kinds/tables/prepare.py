"""From a table to what training needs: the schema, the split, and the model's configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from fluvial.conditioners import ContextMap
from fluvial.core import Density
from fluvial.core.errors import DataError, UsageError
from fluvial.core.numbers import share
from fluvial.core.precision import deviation
from fluvial.core.randomness import drawing_from
from fluvial.data.columns import Column
from fluvial.data.infer import infer
from fluvial.data.look import ColumnKind
from fluvial.data.schema import Encoded, Schema
from fluvial.data.tables import Table
from fluvial.data.words import flag
from fluvial.kinds.parts import Parts, judged
from fluvial.kinds.tables.laws import law_of
from fluvial.kinds.tables.small import SMALL_CLASSES, is_small
from fluvial.models import Recipe, build, recipe_of, resolve
from fluvial.training import Data
from fluvial.transforms import CodeMap, ColumnMap
from fluvial.transforms.law import Law
from fluvial.transforms.laws import features_of

_SMALL = (192, 256, 320)  # event sizes from which the size of a large model is foreseen
_BYTES = 4 * 6  # a parameter: weight, gradient, two moments, the average, the best copy
_MOST_CLASSES = 1000
_MOST_WEIGHTS, _FEWEST_UNITS = 30_000_000, 4  # of the networks of columns, which grow with the square of these
_SLIM = ("nsf_coupling", "realnvp")  # what to try when memory is short


@dataclass(frozen=True)
class Prepared:
    """A table ready to be learnt.

    Args:
        recipe: of the model; of a density of the user's own one that gives it as it is.
        config: what ``models.build`` takes, plain JSON.
        train, validation, held_out: rows to train on, rows that stop the training, and rows that judge, encoded;
            the last two are the same where there are too few for a part of their own.
        parts: what to say of them, see ``kinds.parts.judged``.
        scales: (D,) standard deviations of the training rows, units of the columns; 1 where the model is of
            probabilities.
        warnings: sentences for the user.
    """

    schema: Schema
    recipe: Recipe
    config: dict[str, Any]
    train: Data
    validation: Data | None
    held_out: Data | None
    parts: dict[str, Any]
    scales: np.ndarray
    warnings: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each part, and columns."""
        return {
            "train": len(self.train),
            "validation": len(self.validation or ()),
            "held_out": len(self.held_out or ()),
            "columns": len(self.schema.columns),
        }


def prepare(
    table: Table,
    model: str | Density,
    options: Mapping[str, Any],
    *,
    context: Sequence[str] = (),
    kinds: Mapping[str, ColumnKind] | None = None,
    units: Mapping[str, str] | None = None,
    holdout: float = 0.1,
    seed: int = 0,
    drop_missing: bool = False,
    validation: Table | None = None,
    unseen: str = "impossible",
    whole: np.ndarray | None = None,
) -> Prepared:
    """Infer the schema, encode and split the rows, and fit each column's map on the training rows.

    Args:
        model: a name, or a density of the user's own.
        validation: rows that stop the training, where they are not to be taken from the table.
        unseen: what labels are that no row has, "impossible", or "other" where some probability is set aside for them.

    Raises:
        DataError: the table cannot be modelled as it is.
        UsageError: an unknown model, option or column, or a share of held-out rows outside [0, 0.5].
    """
    own = isinstance(model, Density)
    recipe = Recipe(lambda _: model, type(model).__name__) if isinstance(model, Density) else recipe_of(model)
    full = resolve(model, options) if isinstance(model, str) else {}
    holdout = share("holdout", holdout, "rows")
    discrete, cells = recipe.values == "whole", recipe.values == "any"
    _check_unseen(unseen, recipe)
    schema, warnings = infer(table, tuple(context), kinds, discrete, drop_missing, cells)
    for name, unit in (units or {}).items():
        schema = schema.edit(name, unit=unit)
    schema = replace(schema, others=unseen == "other")
    encoded = schema.encode(table, drop_missing=drop_missing)
    drawn = int((encoded.rows < len(table) - table.extra).sum())  # those behind are there for what they hold
    together = None if whole is None else whole[encoded.rows]
    parts = Parts.of(drawn, holdout, seed, stopping=validation is None and not recipe.closed_form, whole=together)
    stop = None if validation is None else schema.encode(validation, drop_missing=drop_missing)
    kept, aside = np.append(parts.train, np.arange(drawn, len(encoded.x))), parts.judges
    stopping = _data(encoded, parts.validation) if stop is None else _data(stop, np.arange(len(stop.x)))
    held_out = _data(encoded, aside) if len(aside) else stopping
    config: dict[str, Any] = {
        "model": recipe.name,
        "event_shape": [len(schema.columns)],
        "context_shape": [len(schema.context)] if schema.context else None,
        "context": _context_maps(schema, encoded, kept),
        "options": full,
    }
    if own:
        config["own"] = True
    if discrete:
        _add_codes(config, schema, encoded.x if stop is None else np.concatenate((encoded.x, stop.x)), options)
    elif cells:
        warnings = [*warnings, *_add_laws(config, schema, encoded.x, kept, options, kinds or {})]
    else:
        maps = [_column_map(c, v) for c, v in zip(schema.columns, encoded.x[kept].T)]
        config["columns"] = [asdict(m) for m in maps]
        # a preset is its paper's model, and no more
        config["whiten"] = not recipe.closed_form and "preset" not in options
    if not own:
        _check_size(config)
    return Prepared(
        schema,
        recipe,
        json.loads(json.dumps(config)),
        _data(encoded, kept),
        stopping if len(stopping) else None,
        held_out if len(held_out) else None,
        judged("rows", len(kept), len(stopping), len(parts.test), refitted=recipe.closed_form),
        np.ones(len(schema.columns)) if discrete or cells else deviation(encoded.x[kept]),
        tuple(dict.fromkeys([*warnings, *encoded.warnings, *(() if stop is None else stop.warnings)])),
    )


def _check_unseen(unseen: str, recipe: Recipe) -> None:
    """UsageError, a sentence, unless the model can take labels that the table does not have for this."""
    if unseen not in ("impossible", "other"):
        raise UsageError(f"unseen: expected impossible or other, got {unseen!r}")
    if unseen == "other" and recipe.values != "any":
        raise UsageError(f"unseen: {recipe.name} gives no probabilities to labels; this is for model mixed")


def _add_codes(config: dict[str, Any], schema: Schema, known: np.ndarray, options: Mapping[str, Any]) -> None:
    """What a model of probabilities has to know of the columns: their classes."""
    if "classes" in options:
        raise UsageError("option classes: the table itself shows how many values each column has; leave it out")
    maps = [_code_map(c, v) for c, v in zip(schema.columns, known.T)]
    config["codes"] = [asdict(m) for m in maps]
    config["options"]["classes"] = _classes(maps, config["options"]["classes"])


def _add_laws(
    config: dict[str, Any],
    schema: Schema,
    x: np.ndarray,
    kept: np.ndarray,
    options: Mapping[str, Any],
    kinds: Mapping[str, ColumnKind],
) -> list[str]:
    """What a model of any cells has to know of the columns: their laws; what there is to say of them, in sentences."""
    sources = {d.source for d in schema.dropped if d.mapping}
    small = is_small(len(x), len(schema.columns), bool(schema.context))
    laws = [
        law_of(c, v[kept], v, c.name in sources, c.name in kinds, schema.others, small)
        for c, v in zip(schema.columns, x.T)
    ]
    config["laws"] = [asdict(law) for law in laws]
    if "classes" in config["options"] and small:
        config["options"]["classes"] = options.get("classes", SMALL_CLASSES)
    narrowed = [] if {"hidden", "preset"} & set(options) else _narrow(config["options"], laws)
    return [*narrowed, *_at_spikes(schema.columns, laws)]


def _narrow(options: dict[str, Any], laws: Sequence[Law]) -> list[str]:
    """Fewer units for each column's network where there are many columns to read; a sentence where that is so."""
    widths, each = options.get("hidden", ()), sum(map(features_of, laws)) * len(laws)
    if len(widths) != 1 or each * widths[0] <= _MOST_WEIGHTS:
        return []
    options["hidden"] = [max(_FEWEST_UNITS, _MOST_WEIGHTS // each)]
    return [
        f"{len(laws):,} columns read each other, so each one's network has {options['hidden'][0]} units in place of "
        f"{widths[0]}, which would be {each * widths[0] / 1e6:,.0f} million weights; choose fewer columns, "
        "or set hidden"
    ]


def _at_spikes(columns: Sequence[Column], laws: Sequence[Law]) -> list[str]:
    """What to say of columns whose bounds are spikes that no value lies beyond."""
    sentences: list[str] = []
    for column, law in zip(columns, laws):
        ends = (("below", column.lower, law.rest.lower), ("above", column.upper, law.rest.upper)) if law.rest else ()
        sentences += [
            f"many rows of {column.name!r} hold exactly {found:g} and none a value {side} it, so such values are taken "
            f"to be impossible (log-density -inf); where they can occur, say {flag('kind', f'{column.name}=real')}"
            for side, known, found in ends
            if known is None and found is not None
        ]
    return sentences


def _column_map(column: Column, values: np.ndarray) -> ColumnMap:
    try:
        return ColumnMap.fit(values, column.step, column.lower, column.upper)
    except DataError as error:
        raise DataError(f"column {column.name!r}, in the rows to train on: {error}") from None


def _classes(maps: Sequence[CodeMap], option: object) -> int | list[int]:
    """Classes as the model's option has them: one number, or one for each column where they differ."""
    counts = [m.classes for m in maps]
    if isinstance(option, int):
        return max(counts)
    return counts[:1] if len(set(counts)) == 1 else counts


def _code_map(column: Column, values: np.ndarray) -> CodeMap:
    """A column's classes, from all rows of the table, since a value that is only held out is possible too."""
    if column.categorical:
        return CodeMap(classes=len(column.categories))
    least = int(values.min())
    lower = 0 if least in (0, 1) else least
    upper = max(int(values.max()), lower + 1)
    if upper - lower >= _MOST_CLASSES:
        raise DataError(
            f"column {column.name!r} has whole numbers from {lower} to {upper}; a model of probabilities takes at most "
            f"{_MOST_CLASSES:,} values a column: leave it out, make context of it, or choose another model"
        )
    return CodeMap(lower, upper - lower + 1)


def _context_maps(schema: Schema, encoded: Encoded, kept: np.ndarray) -> list[dict[str, Any]] | None:
    if encoded.context is None:
        return None
    maps: list[ContextMap] = []
    for column, values in zip(schema.context, encoded.context[kept].T):
        scale = float(deviation(values)) or 1.0
        numeric = ContextMap(location=float(values.mean()), scale=scale)
        maps.append(ContextMap(categories=len(column.categories)) if column.categorical else numeric)
    return [asdict(m) for m in maps]


def _data(encoded: Encoded, rows: np.ndarray) -> Data:
    context = None if encoded.context is None else torch.from_numpy(encoded.context[rows])
    return Data(torch.from_numpy(encoded.x[rows]), context)


def _check_size(config: dict[str, Any]) -> None:
    """Refuse a model that memory cannot hold, before it is built, and name one that it can."""
    d, free = config["event_shape"][0], _free_memory()
    if d <= 2 * _SMALL[-1] or free is None:
        return
    needed = _BYTES * _parameters(config)
    if needed <= free:
        return
    fits = (f"--model {m}" for m in _SLIM if _BYTES * _parameters({**config, "model": m, "options": {}}) <= free)
    raise UsageError(
        f"{config['model']} would have {needed // _BYTES / 1e6:,.0f} million parameters for {d:,} columns and "
        f"needs about {needed / 1e9:.1f} GB, with {free / 1e9:.1f} GB free: choose fewer columns"
        f"{''.join(f', or {words}' for words in list(fits)[:1])}"
    )


def _parameters(config: Mapping[str, Any]) -> int:
    """How many parameters a wide model would have.

    Where D exceeds the hidden widths, which grow with it, their number is a polynomial of degree two in D, so
    three smaller models foretell it.
    """
    counts: list[int] = []
    options, laws = dict(config["options"]), config.get("laws")
    if "classes" in options:
        classes = options["classes"]
        options["classes"] = classes if isinstance(classes, int) else [max(classes)]
    for size in _SMALL:
        with drawing_from(0, lend=True):
            own = {"columns": None, "codes": None, "options": options, "laws": laws and laws[:size]}
            small = build({**config, "event_shape": [size], **own})
        counts.append(sum(p.numel() for p in small.parameters()))
    return round(float(np.polyval(np.polyfit(_SMALL, counts, 2), config["event_shape"][0])))


def _free_memory() -> int | None:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
