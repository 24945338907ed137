"""A fitted model of a table in a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluvial.core import Sampler
from fluvial.data.columns import Column
from fluvial.data.words import counted
from fluvial.kinds.summary import fitted_line
from fluvial.kinds.tables.model import Model, why_bound

_DRAWS = "It only draws samples: it has no log-likelihood. Its report compares them with held-out rows."


def table_summary(model: Model) -> list[str]:
    """What a fit came to: scores beside those of simple models."""
    record, sizes = model.record, model.record["sizes"]
    rows = f"{counted(sizes['train'], 'row')} to train on, {sizes['held_out']:,} held out"
    lines = [
        fitted_line(record, f"{counted(sizes['columns'], 'column')}, {rows}"),
        *([_DRAWS] if isinstance(model.density, Sampler) else _scores(record["scores"], record["model"])),
    ]
    if not model.exact and not isinstance(model.density, Sampler):
        lines.append(f"These are lower bounds: {why_bound(model.density)}.")
    return lines


def table_details(model: Model) -> list[str]:
    """All that a run folder says about its model."""
    codes: list[Any] = model.record["model"].get("codes") or [None] * len(model.schema.columns)
    lines = ["columns:", *(f"  {_column(*each)}" for each in zip(model.schema.columns, codes))]
    if model.schema.context:
        lines += ["given:", *(f"  {_column(c)}" for c in model.schema.context)]
    if model.schema.dropped:
        lines += ["left out, as others determine them:", *(f"  {d.column.name}" for d in model.schema.dropped)]
    return lines


def _scores(scores: dict[str, Any], model: Mapping[str, Any]) -> list[str]:
    simple = scores.get("baseline")
    rows = [("the model", scores.get("held_out")), (simple["name"] if simple else "", simple)]
    known = [(name, s) for name, s in rows if s is not None and s["log_likelihood"] is not None]
    if not known:
        return ["no rows were held out to judge it by"]
    width = max(len(name) for name, _ in known)
    mixed = bool(model.get("laws"))
    units = " (numbers as densities per unit, labels and missing cells as probabilities)" if mixed else ""
    lines = [f"log-likelihood of held-out rows, nats a row{units}:"]
    for name, s in known:
        error = "" if s["standard_error"] is None else f" ± {s['standard_error']:.3f}"
        lines.append(f"  {name:{width}}{s['log_likelihood']:10.3f}{error}{'' if mixed else _units(s, model)}")
    return lines


def _units(score: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """A score in other units; a mixture of densities and probabilities has none."""
    bits = f"{score['bits_per_dimension']:.3f} bits per "
    if model.get("codes"):
        return f", {bits}column"
    return f", in units of the data, {score['standardised']:.3f} standardised, {bits}dimension"


def _column(c: Column, codes: Mapping[str, Any] | None = None) -> str:
    """One column in words; ``codes`` are the values that a model of probabilities knows."""
    if codes is not None and not c.categorical:
        least, most = codes["lower"], codes["lower"] + codes["classes"] - 1
        return f"{c.name}: {f'{least} or {most}' if most == least + 1 else f'a whole number from {least} to {most}'}"
    if c.clock is not None:
        return f"{c.name}: {c.kind}, {c.clock}"
    parts = [c.kind]
    if c.categories:
        parts.append("one of " + ", ".join(map(str, c.categories)))
    bounds = [f"{word} {v:g}" for word, v in (("at least", c.lower), ("at most", c.upper)) if v is not None]
    if bounds:
        parts.append(" and ".join(bounds))
    if c.step is not None and c.kind != "integer":
        parts.append(f"in steps of {c.step:g}")
    return f"{c.name}: {', '.join(parts)}{f' ({c.unit})' if c.unit else ''}"
