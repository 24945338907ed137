"""Series in, a fitted model of them out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from fluvial.core.errors import DataError, UsageError
from fluvial.data.columns import Column
from fluvial.data.tables import read
from fluvial.examine.scores import ratio
from fluvial.kinds.job import Job, Lesson, Words
from fluvial.kinds.parts import judged
from fluvial.kinds.series.model import SeriesModel, restore, rows_of
from fluvial.kinds.series.naive import naive_log_prob
from fluvial.kinds.series.panel import Panel
from fluvial.kinds.series.read import Roles, learn_schema, panel_of
from fluvial.kinds.series.schema import SeriesSchema
from fluvial.kinds.series.seasons import seasons_of
from fluvial.kinds.series.windows import Scored
from fluvial.kinds.tables.laws import law_of
from fluvial.models import default_of, recipe_of, resolve
from fluvial.models.wavenet_mixed import SeriesLaws
from fluvial.transforms import ColumnMap
from fluvial.transforms.law import Law

_STOPPING = 0.1  # of the steps, at most, that stop the training
_FEWEST = 15  # steps of the longest series
_LONG = 60  # steps that a scale is taken over, at least
_OURS = ("values", "series")
_TOGETHER = 32  # targets at most that are read side by side
_WORTH = 0.01  # of the errors, which the past of the others has to take away


def fit_series(
    data: object,
    model: str | None,
    job: Job,
    *,
    context: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    time: str | None = None,
    series: str | None = None,
    targets: Sequence[str] = (),
    known: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> SeriesModel:
    """Learn the density of the paths that series take: p(a step | those before it), exactly.

    Of each series the last steps judge the model, those before them stop the training, and the first ones train it.

    Args: as of :func:`fluvial.fit`, but
        data: a table, long or wide: a row for each step, or for each step of each series.
        time: the column of regular dates or times, or of whole numbers; None for the one there is.
        series: the column that tells series apart, of a long table.
        targets: columns to forecast; () for all numbers that are nothing else.
        known: columns whose values are known ahead, such as holidays and prices.
        drop: columns to leave out.

    Raises:
        DataError, UsageError, RunError: as :func:`fluvial.fit`.
    """
    job.check_holdout("steps")
    if context:
        raise UsageError(f"context: of series, name what is known beforehand with known (--known {context[0]})")
    for name in _OURS:
        if name in (options or {}):
            raise UsageError(f"option {name}: the table itself tells it; leave it out")
    table = read(data)
    schema, notes = learn_schema(table, Roles(time, series, tuple(targets), tuple(known), tuple(drop)))
    panel = panel_of(table.without(drop), schema)
    names = tuple(n for n in panel.names if n)
    parts = _Parts.of(panel, job.holdout)
    train = panel.cut(parts.none, parts.train)
    seasons = schema.steps.seasons or seasons_of(train)
    seasons = tuple(s for s in seasons if 3 * s <= panel.lengths.max())
    schema = replace(schema, names=names, seasons=seasons, length=int(train.lengths.max()), kind=table.kind)
    config = _config(model or default_of("series"), options or {}, schema, panel, train)
    if 1 < len(schema.targets) <= _TOGETHER and "together" not in (options or {}):
        helps = _relief(SeriesModel(_built(job, config), schema, {}), train)
        config["options"]["together"] = helps > _WORTH
        notes = [*notes, _said(helps)]
    density = _built(job, config)
    fitted = SeriesModel(density, schema, {})
    stopping, held_out = panel.cut(parts.none, parts.validation), parts.ends - parts.validation
    counts = [int(n.sum()) for n in (parts.train, parts.validation - parts.train, held_out)]
    sizes = {"series": len(panel), "train": counts[0], "validation": counts[1], "held_out": counts[2]}
    learnt = fitted.windows(train)
    decay = recipe_of(config["model"]).training.decay
    if decay is not None and job.settings.weight_decay is None:
        job = replace(job, settings=replace(job.settings, weight_decay=decay(*learnt.size)))
    lesson = Lesson(
        Scored(density),
        config,
        schema,
        learnt,
        fitted.windows(stopping, parts.train) if counts[1] else None,
        Words("nats a step", -1.0, "steps"),
        {**sizes, "reads": density.reads},
        judged("steps", counts[0], counts[1], counts[2]),
        [*table.notes, *notes, *panel.notes],
    )

    def conclude(record: dict[str, Any], metrics: list[dict[str, Any]]) -> SeriesModel:
        horizon = int(max(2, min(max(schema.season, 24), held_out.max() // 2 or 24)))
        scores = _scores(fitted, panel, parts)
        room = np.maximum(parts.validation - density.reads, 0)
        last = replace(panel.cut(room, parts.ends), ahead=panel.ahead, coming=panel.coming)
        record = {**record, "horizon": horizon, "scores": scores}
        return replace(fitted, record=record, metrics=metrics, rows=rows_of(last, held_out))

    return job.learn(lesson, restore, conclude)


def _built(job: Job, config: dict[str, Any]) -> SeriesLaws:
    density = job.build(config)
    if not isinstance(density, SeriesLaws):
        raise UsageError(f"{config['model']} is no model of series")
    return density


def _relief(model: SeriesModel, train: Panel) -> float:
    """What the past of the other targets is worth, see :meth:`SeriesLaws.relief`."""
    windows = model.windows(train)
    some = torch.arange(0, len(windows), -(-len(windows) // windows.initial))
    x, given = windows.rows(some, torch.device("cpu"))
    counts = x[:, 1].unflatten(1, (-1, model.density.values)) > 0
    return model.density.relief(x[:, 0], given, counts.any(2))


def _said(helps: float) -> str:
    if not math.isfinite(helps):
        return (
            "each target is forecast from its own past: no errors of linear forecasts tell whether that of the others "
            "would help; option together=true decides otherwise"
        )
    size = f"{abs(helps):.1%} {'smaller' if helps > 0 else 'larger'}"
    how = "from the past of all targets" if helps > _WORTH else "from its own past"
    return (
        f"each target is forecast {how}: that of the others made the errors of linear forecasts of the later training "
        f"steps {size}; option together=true or false decides otherwise"
    )


class _Parts:
    """Of each series the step at which training, stopping and judging end, (M,) each."""

    def __init__(self, train: np.ndarray, validation: np.ndarray, ends: np.ndarray) -> None:
        self.train, self.validation, self.ends, self.none = train, validation, ends, np.zeros_like(ends)

    @classmethod
    def of(cls, panel: Panel, holdout: float) -> _Parts:
        n = panel.lengths
        if n.max() < _FEWEST:
            raise DataError(
                f"the longest series has {n.max()} steps; learning what comes next needs at least {_FEWEST}"
            )
        aside, stopping = (np.floor(share * n + 0.5).astype(np.int64) for share in (holdout, min(holdout, _STOPPING)))
        return cls(n - aside - stopping, n - aside, n)


def _config(name: str, options: Mapping[str, Any], schema: SeriesSchema, panel: Panel, train: Panel) -> dict[str, Any]:
    """The model's, plain JSON."""
    values = len(schema.targets)
    longest = max([s for s in schema.seasons if s <= 200], default=1)
    own = {"values": values, "series": len(schema.names) if len(schema.names) > 1 else 0}
    own["together"] = 1 < values <= _TOGETHER
    own |= {"lags": lags_of(schema.seasons, int(panel.lengths.max())), "window": -(-_LONG // longest) * longest}
    full = resolve(name, {**own, **options})
    width = fitted_context(schema, panel)
    laws = [law(c, train.values[:, i], panel.values[:, i]) for i, c in enumerate(schema.targets)]
    config: dict[str, Any] = {
        "model": name,
        "event_shape": [None],
        "options": full,
        "laws": [asdict(each) for each in laws],
    }
    config["context_shape"] = [None, width] if width else None
    return json.loads(json.dumps(config))


def fitted_context(schema: SeriesSchema, panel: Panel) -> int:
    """How many numbers are known of a step beforehand."""
    one = np.zeros(1, dtype=np.int64)
    return schema.context(panel.names, one, panel.start[:1], panel.known[:1]).shape[1]


def lags_of(seasons: Sequence[int], longest: int) -> list[int]:
    """How many steps ago values are read too: the last ones, those about a season ago, and whole seasons ago.

    >>> lags_of((24, 168), 8000)
    [2, 3, 4, 5, 6, 23, 24, 25, 47, 48, 49, 72, 96, 120, 144, 167, 168, 169]
    >>> lags_of((12,), 100)
    [2, 3, 4, 5, 6, 11, 12, 13, 23, 24, 25]
    """
    found = {2, 3, 4, 5, 6}
    for i, season in enumerate(seasons):
        about = (season, 2 * season) if i == 0 else (season,)
        found |= {a + near for a in about for near in (-1, 0, 1)}
        found |= {k * season for k in range(3, 7)} if i == 0 else set()
    return sorted(lag for lag in found if 1 < lag < longest / 3)


def law(column: Column, train: np.ndarray, every: np.ndarray) -> Law:
    """The law of a target: as of a table's column, but that its only spikes are zero and its bounds.

    Other values that repeat do so because series move slowly, which is no property of the value. Heavy tails are not
    bent: moves along a bent axis would multiply, and paths run away.
    """
    found = law_of(column, train, every, few=False)
    if found.rest is None:
        return found
    ends = {0.0, column.lower, column.upper, found.rest.lower, found.rest.upper}
    straight = found.rest.center is None
    rest = found.rest if straight else ColumnMap.fit(train[~np.isnan(train)], found.rest.step)
    return replace(found, atoms=tuple(a for a in found.atoms if a in ends), rest=rest)


def _scores(fitted: SeriesModel, panel: Panel, parts: _Parts) -> dict[str, Any]:
    """Nats per step of the held-out steps: of the model, and of Gaussian moves from the last or a season-old value."""
    if not (parts.ends > parts.validation).any():
        return {"held_out": None, "naive": None}
    windows = fitted.windows(panel, parts.validation)
    scored = Scored(fitted.density).eval()
    totals: list[torch.Tensor] = []
    with torch.no_grad():
        for index in torch.arange(len(windows)).split(8):
            totals.append(scored.log_prob(*windows.rows(index, torch.device("cpu"))).double())
    counts = (windows.table[:, 3] - windows.table[:, 2]).numpy()
    mean, error = ratio(torch.cat(totals).numpy(), counts)  # windows of about a hundred steps are nearly independent
    own = {"per_step": mean, "standard_error": error if math.isfinite(error) else None, "exact": fitted.exact}
    naive = naive_log_prob(panel, parts.train, parts.validation, fitted.schema.seasons)
    return {"held_out": own, "naive": naive if math.isfinite(naive) else None}
