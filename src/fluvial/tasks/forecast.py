"""What comes next in series, how probable events are, and how good such forecasts were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fluvial.core.errors import UsageError
from fluvial.data.tables import Columns

if TYPE_CHECKING:
    from fluvial.kinds.series.backtest import Backtest
    from fluvial.kinds.series.model import SeriesModel

_PATHS, _EVENT_PATHS = 1000, 10_000


def parse_quantiles(text: str) -> list[float]:
    """Shares separated by commas.

    >>> parse_quantiles("0.1, 0.9")
    [0.1, 0.9]
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"quantiles: expected shares separated by commas, such as 0.1,0.5,0.9, got {text!r}") from None


def forecast(
    model: SeriesModel, data: str | None, horizon: int | None, quantiles: Sequence[float], paths: int | None, seed: int
) -> Columns:
    """Columns of quantiles, or of so many ``paths`` where their number is given."""
    if paths is not None:
        return model.simulate(data, horizon, paths, seed).columns()
    return model.simulate(data, horizon, _PATHS, seed).quantiles(quantiles)


def probabilities(
    model: SeriesModel, event: str, data: str | None, horizon: int | None, paths: int | None, seed: int
) -> list[str]:
    """The probability of an event, one line for each series."""
    found = model.probability(event, data, horizon, paths=_EVENT_PATHS if paths is None else paths, seed=seed)
    return [f"{name}: {p}" for name, p in found.items()] if isinstance(found, dict) else [str(found)]


def backtest(source: str, folds: int, horizon: int | None, paths: int, budget: str | None, seed: int) -> Backtest:
    """Forecasts from several origins in a run's held-out steps, or in a table's last ones after a fit to the others.

    Raises:
        UsageError: it is no run of series, or there are too few steps.
    """
    from fluvial.kinds.series.backtest import backtested
    from fluvial.kinds.series.model import SeriesModel
    from fluvial.tasks.fit import load_model

    if not Path(source).is_dir():
        return backtested(_fitted_before(source, folds, horizon, budget, seed), folds, horizon, paths, seed)
    if budget is not None:
        raise UsageError("budget: a run is fitted already; give a table to fit first")
    model = load_model(source)
    if not isinstance(model, SeriesModel):
        raise UsageError(f"{source} is not a run of series, and nothing else is forecast")
    return backtested(model, folds, horizon, paths, seed)


def _fitted_before(source: str, folds: int, horizon: int | None, budget: str | None, seed: int) -> SeriesModel:
    """A model of the series in a table, fitted without the last ``folds`` horizons."""
    from fluvial.data.tables import read
    from fluvial.kinds.series.read import Roles, learn_schema, panel_of
    from fluvial.tasks.fit import fit

    table = read(source)
    schema, _ = learn_schema(table, Roles())
    longest = int(panel_of(table, schema).lengths.max())
    horizon = horizon or max(schema.steps.seasons[:1] or (24,))
    share = folds * horizon / longest
    if share > 0.5:
        raise UsageError(
            f"folds: {folds} forecasts of {horizon} steps are more than half of the {longest} that there are: ask for "
            "fewer, or for shorter ones"
        )
    return fit(table, budget=budget, seed=seed, holdout=share, progress=False)
