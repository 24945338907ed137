# pyright: basic, reportMissingImports=false, reportIncompatibleMethodOverride=false
# (GluonTS is heavy, so not among what the development of fluvial installs)
"""A fitted model of series as a predictor of GluonTS, whose evaluators then judge it as they judge its own.

from gluonts.evaluation import make_evaluation_predictions
from fluvial.interfaces.gluonts import SeriesPredictor

forecasts, truth = make_evaluation_predictions(dataset, SeriesPredictor(model, 24), num_samples=100)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.data.steps import on_grid
from fluvial.kinds.series.model import SeriesModel
from fluvial.kinds.series.panel import Panel

try:
    from gluonts.model.forecast import SampleForecast
    from gluonts.model.predictor import Predictor
except ImportError:
    raise ImportError(
        'a predictor of GluonTS needs it, which is not installed: pip install "fluvial[gluonts]"'
    ) from None

_BATCH = 64  # series that are forecast together


class SeriesPredictor(Predictor):
    """Paths of a fitted model behind each item of a data set of GluonTS.

    Items have the targets of the fit, (T,) of one and (N, T) of several, and an ``item_id`` that names the series; a
    name that the fit does not know is a new series. Models with columns that are known beforehand are refused, since
    GluonTS does not name its covariates.

    Args:
        model: fitted to series.
        prediction_length: steps of a forecast.
        seed: of the draws.

    Raises:
        UsageError: the model is not of series, or reads columns that are known beforehand.
    """

    def __init__(self, model: SeriesModel, prediction_length: int, seed: int = 0) -> None:
        super().__init__(prediction_length)
        if not isinstance(model, SeriesModel):
            raise UsageError(f"model: expected a fitted model of series, got {type(model).__name__}")
        if model.schema.known:
            raise UsageError("a model that reads columns known beforehand cannot forecast what GluonTS gives it")
        self.model, self.seed = model, seed

    def predict(
        self, dataset: Iterable[Mapping[str, Any]], num_samples: int = 100, **_: object
    ) -> Iterator[SampleForecast]:
        """One forecast for each item, in their order.

        Raises:
            DataError: an item has other targets than the model, or begins between two of its steps.
        """
        every = list(dataset)
        for number, items in enumerate(every[i : i + _BATCH] for i in range(0, len(every), _BATCH)):
            panel = _joined([self._panel(item) for item in items])
            drawn = self.model.simulate_panel(panel, self.prediction_length, num_samples, self.seed + number)
            for i, item in enumerate(items):
                samples, target = drawn.draws[:, i], np.asarray(item["target"])
                yield SampleForecast(
                    samples=samples[..., 0] if target.ndim == 1 else samples,
                    start_date=item["start"] + target.shape[-1],
                    item_id=item.get("item_id"),
                )

    def _panel(self, item: Mapping[str, Any]) -> Panel:
        """One item as a panel of one series."""
        schema, values = self.model.schema, np.atleast_2d(np.asarray(item["target"], dtype=np.float64)).T
        if values.shape[1] != len(schema.targets):
            raise DataError(f"an item has {values.shape[1]} targets, and the model {len(schema.targets)}")
        for i, column in enumerate(schema.targets):
            if column.step is not None:
                values[:, i] = on_grid(values[:, i], column.step)
        at = item["start"]
        moment = at.to_timestamp().value / 1000 if schema.time.clock else float(at)
        place = schema.steps.place(np.array([moment]))
        if abs(place[0] - round(place[0])) > 1e-6:
            raise DataError(f"an item begins at {at}, between two steps of the model ({schema.steps})")
        none = np.zeros((0, 0))
        name = str(item.get("item_id", "")) if schema.names else ""
        start = np.array([round(place[0])])
        return Panel(
            (name,), np.array([len(values)]), start, values, np.zeros((len(values), 0)), none, np.zeros(1, int)
        )


def _joined(panels: list[Panel]) -> Panel:
    return Panel(
        tuple(p.names[0] for p in panels),
        np.concatenate([p.lengths for p in panels]),
        np.concatenate([p.start for p in panels]),
        np.concatenate([p.values for p in panels]),
        np.concatenate([p.known for p in panels]),
        panels[0].ahead,
        np.concatenate([p.coming for p in panels]),
    )
