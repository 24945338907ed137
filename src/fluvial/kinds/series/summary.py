"""A fitted model of series in a few lines of text."""

from __future__ import annotations

from fluvial.data.words import counted, listed
from fluvial.kinds.series.model import SeriesModel
from fluvial.kinds.summary import fitted_line, held_out_lines


def series_summary(model: SeriesModel) -> list[str]:
    """What a fit came to: nats per step beside those of a forecast that learns nothing."""
    record, sizes, schema = model.record, model.record["sizes"], model.schema
    data = f"{counted(sizes['train'], 'step')} of {sizes['series']:,} series to train on"
    about = f", seasons of {listed(schema.seasons)} steps" if schema.seasons else ""
    scores = record["scores"]
    heading = "log-likelihood of a held-out step given the past, nats, exactly:"
    return [
        fitted_line(record, f"{data}, {sizes['held_out']:,} held out"),
        f"of {listed(model.targets)}, {schema.steps} by {schema.time.name!r}{about}; each step is predicted from the "
        f"{sizes['reads']:,} before it",
        *held_out_lines(heading, scores["held_out"], {"naive, Gaussian": scores["naive"]}),
    ]


def series_details(model: SeriesModel) -> list[str]:
    """The columns, and how long a forecast is where nobody says."""
    schema = model.schema
    lines = [f"forecasts of {model.horizon} steps where --horizon does not say"]
    if schema.names:
        lines.append(f"series: {listed(schema.names)}")
    if schema.known:
        lines.append(f"known beforehand: {listed(k.name for k in schema.known)}")
    return lines
