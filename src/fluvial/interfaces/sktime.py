# pyright: basic, reportMissingImports=false, reportIncompatibleMethodOverride=false
# (sktime is heavy, so not among what the development of fluvial installs)
"""Models of series as a forecaster of sktime, which its splitters, tuners and metrics take as they take its own.

from fluvial.interfaces.sktime import SeriesForecaster

forecaster = SeriesForecaster(budget=60).fit(y)
forecaster.predict_quantiles([1, 2, 3], alpha=[0.1, 0.9])
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from fluvial.kinds.series.model import SeriesModel

try:
    from sktime.forecasting.base import BaseForecaster
except ImportError:
    raise ImportError(
        'a forecaster of sktime needs it, which is not installed: pip install "fluvial[sktime]"'
    ) from None

_TIME = "time"


class SeriesForecaster(BaseForecaster):
    """The joint density of the paths that series take, fitted by :func:`fluvial.fit`; see sktime for its methods.

    ``predict`` gives medians; ``predict_quantiles`` and ``predict_interval`` are of the same paths. ``model_`` is what
    the fit returned: log p of steps, probabilities of events. When ``update`` brings new steps without refitting, the
    model goes on from their end.

    Args:
        epochs, budget, options: as of :func:`fluvial.fit`.
        paths: how many are drawn for a forecast.
        seed: of the fit and of the draws.

    >>> from sktime.datasets import load_airline
    >>> forecaster = SeriesForecaster(epochs=1).fit(load_airline())  # doctest: +SKIP
    >>> forecaster.predict_interval([1, 2, 3])  # doctest: +SKIP
    """

    _tags: ClassVar[dict[str, Any]] = {
        "scitype:y": "both",
        "y_inner_mtype": "pd.DataFrame",
        "X_inner_mtype": "pd.DataFrame",
        "capability:exogenous": False,
        "requires-fh-in-fit": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:insample": False,
        "capability:missing_values": True,
        "python_dependencies": "fluvial",
    }

    def __init__(
        self,
        epochs: int | None = None,
        budget: float | str | None = None,
        options: dict[str, Any] | None = None,
        paths: int = 1000,
        seed: int = 0,
    ) -> None:
        self.epochs, self.budget, self.options, self.paths, self.seed = epochs, budget, options, paths, seed
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: object, fh: object) -> SeriesForecaster:
        from fluvial.tasks.fit import fit

        model = fit(
            _table(y),
            epochs=self.epochs,
            budget=self.budget,
            seed=self.seed,
            options=self.options,
            time=_TIME,
            progress=False,
        )
        self.model_: SeriesModel = model
        self._seen: pd.DataFrame = y
        return self

    def _update(self, y: pd.DataFrame, X: object = None, update_params: bool = True) -> SeriesForecaster:
        self._seen = pd.DataFrame(y.combine_first(self._seen), columns=self._seen.columns)
        return self._fit(self._seen, None, None) if update_params else self

    def _predict(self, fh: Any, X: object = None) -> pd.DataFrame:  # noqa: ANN401
        middle = self._predict_quantiles(fh, None, [0.5])
        return pd.DataFrame(middle.to_numpy(), index=middle.index, columns=self._seen.columns)

    def _predict_quantiles(self, fh: Any, X: object, alpha: list[float]) -> pd.DataFrame:  # noqa: ANN401
        steps = np.asarray(fh.to_relative(self.cutoff)).astype(int)
        draws = self.model_.simulate(_table(self._seen), int(steps.max()), self.paths, self.seed).draws[:, 0, steps - 1]
        found = np.moveaxis(np.quantile(draws, alpha, axis=0, method="inverted_cdf"), 0, 2)  # (steps, targets, alpha)
        names = self._get_varnames()
        columns = pd.MultiIndex.from_product([names, alpha])
        return pd.DataFrame(found.reshape(len(steps), -1), index=fh.to_absolute_index(self.cutoff), columns=columns)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Small models, for sktime's own checks."""
        small = {"layers": 2, "channels": 4, "gates": 4, "skips": 4, "hidden": (4,), "components": 2}
        return [{"epochs": 1, "options": small, "paths": 20}, {"epochs": 2, "options": small, "paths": 30, "seed": 1}]


def _table(y: pd.DataFrame) -> pd.DataFrame:
    """The frame with its index as a column of times."""
    index = y.index.to_timestamp() if isinstance(y.index, pd.PeriodIndex) else y.index
    return pd.DataFrame({_TIME: index, **{str(name): y[name].to_numpy(dtype=float) for name in y.columns}})
