"""A fitted model of series: exact densities of paths, and what is likely to come next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from fluvial.core import UsageError
from fluvial.core.errors import RunError
from fluvial.core.numbers import whole
from fluvial.data.forms import as_kind
from fluvial.data.tables import read
from fluvial.kinds import records
from fluvial.kinds.fitted import Fitted, record_of
from fluvial.kinds.records import Kept, check_kept, check_record
from fluvial.kinds.scores import Scores
from fluvial.kinds.series.events import read_series_event
from fluvial.kinds.series.forecast import Forecast, simulate
from fluvial.kinds.series.panel import Panel
from fluvial.kinds.series.read import panel_of, stamps
from fluvial.kinds.series.schema import KIND, SeriesSchema
from fluvial.kinds.series.windows import SeriesWindows
from fluvial.models.wavenet_mixed import SeriesLaws
from fluvial.training.saved import Saved

_WINDOW = 256  # steps scored at once
_PATHS = 1000
_LONGEST = 1 << 16


@dataclass(frozen=True, repr=False)
class SeriesModel(Fitted):
    """What ``fit`` and ``load`` return for series: log p of each step given the past, exactly, and paths ahead.

    Args:
        density: over frames of the targets, step after step, in the units of the table.
        schema: the table's columns, and the steps.
        record, metrics: see :class:`~fluvial.kinds.fitted.Fitted`.
        rows: the last steps of each series, "past.values" (S, N), "past.known" (S, K), "past.lengths", "past.start" and
            "past.scored" (M,), of which the last ones were held out; and "ahead.known" (F, K), "ahead.coming" (M,).
    """

    KIND: ClassVar[str] = KIND
    density: SeriesLaws
    schema: SeriesSchema

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of what is forecast."""
        return tuple(c.name for c in self.schema.targets)

    @property
    def past(self) -> Panel:
        """The last steps of each series, behind which forecasts begin."""
        kept = {name.split(".")[1]: value for name, value in self.rows.items()}
        names = self.schema.names or ("",)
        return Panel(
            names, kept["lengths"], kept["start"], kept["values"], kept["known"], kept["ahead"], kept["coming"]
        )

    @property
    def horizon(self) -> int:
        """Steps of a forecast where nobody says how many: a season, or a tenth of the held-out steps."""
        return int(self.record.get("horizon") or max(self.schema.season, 24))

    def windows(self, panel: Panel, first: np.ndarray | None = None) -> SeriesWindows:
        """Series as windows that train or score the density; steps before ``first`` (M,) are past alone."""
        first = np.zeros(len(panel), dtype=np.int64) if first is None else first
        shape = self.density.context_shape
        given = None if shape is None else torch.from_numpy(self.context(panel)).to(torch.get_default_dtype())
        values, lengths, counted = (
            torch.from_numpy(np.ascontiguousarray(t)) for t in (panel.values, panel.lengths, first)
        )
        return SeriesWindows(values, lengths, counted, given, self.density.reads)

    def context(self, panel: Panel) -> np.ndarray:
        """What is known of each step beforehand, (S, C)."""
        return self.schema.context(panel.names, panel.series, panel.steps, panel.known)

    def score(self, data: object) -> Scores:
        """log p of each step given those before it, nats, and of each target given those before it in the step.

        Raises:
            DataError: the table has other columns, or its times are not regular.
        """
        panel = panel_of(read(data), self.schema)
        values = self.parts(panel)
        names = stamps(self.schema, self.schema.steps.time(panel.steps))
        label = {self.schema.label.name: np.array(panel.names)[panel.series]} if self.schema.label else {}
        parts = dict(zip(self.targets, values.T))
        return Scores("time", names, values.sum(1), "nats a step", parts=parts, others=label, warnings=panel.notes)

    def parts(self, panel: Panel) -> np.ndarray:
        """log p of each value given those before it, (S, N) float64, nats."""
        windows = replace(self.windows(panel), longest=_WINDOW)
        return _each(self.density, windows, "scored")

    def noise(self, panel: Panel, first: np.ndarray, seed: int = 0) -> np.ndarray:
        """P(a value below this one | those before it) of the steps from ``first`` on, (S', N), uniform if it is right.

        Values that have a probability are moved at random within it.
        """
        windows = replace(self.windows(panel, first), longest=_WINDOW)
        below, mass = (_each(self.density, windows, what) for what in ("below", "mass"))
        return below + mass * np.random.default_rng(seed).uniform(size=mass.shape)

    def log_prob(self, data: object) -> np.ndarray:
        """log p of each step given those before it, (S,) float64, nats.

        Raises:
            DataError: as :meth:`score`.
        """
        return self.score(data).log_prob

    def update(self, data: object) -> SeriesModel:
        """The model behind newly arrived rows: they follow the ones that it knows, and nothing is fitted again.

        Raises:
            DataError: the rows are not regular. UsageError: they begin before the end of what is known.
        """
        new, past = panel_of(read(data), self.schema), self.past
        for name, start in zip(new.names, new.start.tolist()):
            if name not in past.names:
                raise UsageError(f"update: there is no series {name!r}; give its past to forecast instead")
            i = past.names.index(name)
            end = int(past.start[i] + past.lengths[i])
            if start < end:
                when = stamps(self.schema, self.schema.steps.time(np.array([end - 1])))[0]
                raise UsageError(f"update: rows up to {when} are known already; give those that follow")
        joined = past.joined(new)
        room = np.maximum(joined.lengths - self.density.reads, 0)
        last = replace(joined.cut(room, joined.lengths), ahead=joined.ahead, coming=joined.coming)
        rows = rows_of(last, np.zeros(len(last), dtype=np.int64))
        return replace(self, rows=rows)

    def simulate(self, data: object = None, horizon: int | None = None, paths: int = _PATHS, seed: int = 0) -> Forecast:
        """Paths of the next steps, drawn from their joint density.

        Args:
            data: the past to go on from, as for the fit; None for the end of the data of the fit. Where columns are
                known beforehand, its rows go on for the steps ahead, with empty targets.
            horizon: steps; None for those of the report.
            paths: how many.
        """
        horizon = self.horizon if horizon is None else whole("horizon", horizon, 1, "a number of steps")
        if horizon > _LONGEST:
            raise UsageError(f"horizon: at most {_LONGEST:,} steps are forecast at once, got {horizon:,}")
        panel = self.past if data is None else panel_of(read(data), self.schema)
        return self.simulate_panel(panel, horizon, whole("paths", paths, 1, "a number"), seed)

    def simulate_panel(self, panel: Panel, horizon: int, paths: int, seed: int) -> Forecast:
        """As :meth:`simulate`, behind series that have been read."""
        return simulate(self.density, self.schema, panel, horizon, paths, seed)

    def forecast(
        self,
        data: object = None,
        horizon: int | None = None,
        *,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        paths: int | None = None,
        seed: int = 0,
    ) -> Any:  # noqa: ANN401  (a library's own type)
        """Quantiles of each target at each of the next steps, as a table of the kind that was fitted.

        Args:
            data, horizon: as of :meth:`simulate`.
            quantiles: shares; each has a column, "OT 0.9" for one.
            paths: so many paths instead, one below the other, with their number in a column "path".
            seed: of the draws.
        """
        if paths is None:
            found = self.simulate(data, horizon, _PATHS, seed).quantiles(quantiles)
        else:
            found = self.simulate(data, horizon, paths, seed).columns()
        return as_kind(found, self.schema.kind)

    def probability(
        self, event: str, data: object = None, horizon: int | None = None, *, paths: int = 10_000, seed: int = 0
    ) -> Any:  # noqa: ANN401  (a Probability, or one for each series)
        """P(an event about the next steps), by simulation, with its standard error; of many series, by their names.

        Args:
            event: in words, such as "max(demand) > 900" or "any(demand > 900 and price < 20)"; max, min, sum, mean,
                any, all, first and last go over the horizon.
            data, horizon: as of :meth:`simulate`.
        """
        asked = read_series_event(event, self.schema)
        drawn = self.simulate(data, horizon, paths, seed)
        found = {name: asked(drawn.draws[:, i]) for i, name in enumerate(drawn.panel.names)}
        return found if self.schema.label else found[""]

    def sample(self, n: int, horizon: int | None = None, *, seed: int = 0) -> Any:  # noqa: ANN401
        """n paths that go on from the end of the data, as :meth:`forecast` gives them."""
        return self.forecast(None, horizon, paths=n, seed=seed)


@torch.no_grad()
def _each(density: SeriesLaws, windows: SeriesWindows, what: str) -> np.ndarray:
    """A score of each value that counts, (steps that count, N), in the order of the steps."""
    density.eval()
    device, parts = density.direct.device, list[np.ndarray]()
    for index in torch.arange(len(windows)).split(8):
        x, given = windows.rows(index, device)
        length = (windows.table[index, 3] - windows.table[index, 2]).tolist()
        found = getattr(density, what)(x[:, 0], given, max(length))
        found = found.double().reshape(len(found), -1, density.values).cpu().numpy()
        parts += [row[len(row) - n :] for row, n in zip(found, length)]
    return np.concatenate(parts)


def rows_of(panel: Panel, scored: np.ndarray) -> dict[str, np.ndarray]:
    """What a run keeps of its series; ``scored`` (M,) of their last steps were held out."""
    return {
        "past.values": panel.values,
        "past.known": panel.known,
        "past.lengths": panel.lengths,
        "past.start": panel.start,
        "past.scored": scored,
        "ahead.ahead": panel.ahead,
        "ahead.coming": panel.coming,
    }


def restore(saved: Saved, path: str | os.PathLike[str]) -> SeriesModel:
    """The model in a run folder that has been read."""
    schema = SeriesSchema.from_json(saved.config["schema"])
    damaged = RunError(f"{Path(path)} is damaged: its model is not one of the series that it names")
    if not isinstance(saved.density, SeriesLaws) or saved.density.values != len(schema.targets):
        raise damaged
    check_record(saved, path, records.SeriesSizes, records.SeriesScores)
    n, k = len(schema.targets), sum(known.width for known in schema.known)
    kept = {"past.values": Kept((n,), whole=False, gaps=True), "past.known": Kept((k,), whole=False, gaps=True)}
    kept |= {f"past.{name}": Kept() for name in ("lengths", "start", "scored")}
    kept |= {"ahead.ahead": Kept((k,), whole=False, gaps=True), "ahead.coming": Kept()}
    check_kept(saved, path, kept)
    lengths, coming = saved.rows.get("past.lengths"), saved.rows.get("ahead.coming")
    if set(saved.rows) != set(kept) or lengths is None or coming is None:
        raise damaged
    m = len(schema.names) or 1
    alike = all(len(saved.rows[f"past.{name}"]) == m for name in ("start", "lengths", "scored")) and len(coming) == m
    whole_ = lengths.min() >= 1 and lengths.sum() == len(saved.rows["past.values"]) == len(saved.rows["past.known"])
    if not alike or not whole_ or coming.sum() != len(saved.rows["ahead.ahead"]):
        raise damaged
    return SeriesModel(saved.density, schema, record_of(saved), saved.metrics, saved.rows)
