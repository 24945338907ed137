"""Series behind the door: what comes next, how probable an event is, and what came before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import Request
from fastapi.responses import Response

from fluvial.core.errors import UsageError
from fluvial.core.numbers import whole
from fluvial.data.columns import from_numbers
from fluvial.data.tables import Columns
from fluvial.data.words import counted, listed, nearest
from fluvial.interfaces.server import answers
from fluvial.interfaces.server.bodies import Ahead, Behind, Forecast, Past, parsed
from fluvial.interfaces.server.served import Answer, Served, table_in
from fluvial.kinds.series.events import read_series_event
from fluvial.kinds.series.forecast import Forecast as Paths
from fluvial.kinds.series.model import SeriesModel
from fluvial.kinds.series.panel import Panel
from fluvial.kinds.series.read import panel_of, stamps
from fluvial.kinds.tables.events import Probability

_PATHS = 1000  # that quantiles are of
_MOST = 5_000_000  # values that are drawn for one request
_SHOWN = 10_000  # steps of the past in one answer


class ServedSeries(Served[SeriesModel]):
    """A model of series."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        return {
            "forecast": self.forecast,
            "probability": self.probability,
            "score": self.score,
            "past": self.past,
        }

    def details(self) -> dict[str, Any]:
        """Targets, series, what is known beforehand, and how far a forecast goes."""
        schema = self.model.schema
        return {
            "time": schema.time.name,
            "label": schema.label.name if schema.label else None,
            "series": list(schema.names),
            "targets": [{"name": c.name, "unit": c.unit} for c in schema.targets],
            "known": [known.name for known in schema.known],
            "horizon": self.model.horizon,
        }

    async def forecast(self, request: Request) -> Response:
        """Quantiles of each target at each step ahead, or paths."""
        wish = parsed(await request.body(), Forecast)
        paths = _PATHS if wish.paths is None else wish.paths

        def ahead() -> Columns:
            drawn = self._simulated(wish, wish.horizon, paths, wish.seed)
            return drawn.quantiles(wish.quantiles) if wish.paths is None else drawn.columns()

        columns = await self.desk.run(ahead)
        self.count("forecast", paths)
        return answers.table(columns, request, {})

    async def probability(self, request: Request) -> Response:
        """The probability of an event about the steps ahead, of each series."""
        asked = parsed(await request.body(), Ahead)
        event = read_series_event(asked.event, self.model.schema)

        def found() -> tuple[tuple[str, ...], list[Probability]]:
            drawn = self._simulated(asked, asked.horizon, asked.draws, asked.seed)
            return drawn.panel.names, [event(drawn.draws[:, i]) for i in range(len(drawn.panel))]

        names, each = await self.desk.run(found)
        columns: Columns = {"series": np.array(names, dtype=object)} if self.model.schema.label else {}
        columns["probability"] = np.array([p.value for p in each])
        columns["error"] = np.array([p.error for p in each])
        self.count("probability", asked.draws)
        return answers.table(columns, request, {"draws": asked.draws})

    async def score(self, request: Request) -> Response:
        """log p of each step given those before it."""
        table = await table_in(request)
        found = await self.desk.run(self.model.score, table)
        self.count("score", len(found.log_prob))
        return answers.table(found.columns, request, {"unit": found.unit, "notes": list(found.warnings)})

    async def past(self, request: Request) -> Response:
        """The last steps of each series that the run keeps, behind which forecasts begin."""
        wish = parsed(await request.body(), Past)
        panel = _some(self.model.past, wish.series)
        answers.check_number("steps", wish.steps, _SHOWN // len(panel))
        last = panel.cut(np.maximum(panel.lengths - wish.steps, 0), panel.lengths)
        return answers.table(_written(self.model, last), request, {})

    def _simulated(self, wish: Behind, horizon: int | None, paths: int, seed: int) -> Paths:
        """UsageError, a sentence, if that is more than one request may ask for."""
        answers.check_number("paths", paths, self.desk.limits.draws)
        past, model = wish.past, self.model
        panel = _some(model.past if past is None else panel_of(past, model.schema), wish.series)
        steps = whole("horizon", model.horizon if horizon is None else horizon, 1)
        if steps * paths * len(panel) * len(model.targets) > _MOST:
            raise UsageError(
                f"horizon: {steps:,} steps of {counted(paths, 'path')} of {len(panel):,} series are more than "
                f"{_MOST:,} values, the most that one request may ask for"
            )
        return model.simulate_panel(panel, steps, paths, seed)


def _some(panel: Panel, names: list[str] | None) -> Panel:
    """Those of the series that have these names; UsageError, a sentence, if one is not there."""
    if names is None:
        return panel
    for name in names:
        if name not in panel.names:
            raise UsageError(
                f"series: there is no {name!r}{nearest(name, panel.names)} ({listed(panel.names, most=12)})"
            )
    if not names:
        raise UsageError("series: name one, or leave it out for all")
    return panel.take(np.array([panel.names.index(name) for name in names]))


def _written(model: SeriesModel, panel: Panel) -> Columns:
    """Steps as the table has them."""
    schema = model.schema
    found: Columns = {schema.time.name: stamps(schema, schema.steps.time(panel.steps))}
    if schema.label is not None:
        found[schema.label.name] = np.array(panel.names, dtype=object)[panel.series]
    return found | {c.name: from_numbers(c, v) for c, v in zip(schema.targets, panel.values.T)}
