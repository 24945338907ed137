"""Commands about what comes next in series: forecast and backtest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fluvial.interfaces.streams import check_out, seekable
from fluvial.interfaces.whole import Whole
from fluvial.terminal import note, say

if TYPE_CHECKING:
    from fluvial.kinds.series.model import SeriesModel

_Data = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
_Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]


def forecast(
    run: Path,
    series: _Data = None,
    /,
    *,
    horizon: Whole | None = None,
    quantiles: str = "0.1,0.5,0.9",
    paths: Whole | None = None,
    probability: str | None = None,
    out: _Out = None,
    seed: Whole = 0,
) -> None:
    """What comes next: quantiles of each target at each step, paths of them, or how probable an event is.

    Parameters
    ----------
    run
        Run folder of a fit of series.
    series
        A table like that of the fit, to go on from its end. Where columns are known beforehand, its rows go on for the
        steps ahead, with empty targets. A dash for standard input. By default the end of the data of the fit.
    horizon
        How many steps, by default as in the report.
    quantiles
        Shares, separated by commas.
    paths
        Write so many paths in place of quantiles; of an event, how many are drawn (10000 where it is left open).
    probability
        An event about the steps ahead, in quotes: "max(demand) > 900", "any(demand > 900 and price < 20)". max, min,
        sum, mean, first, last, any and all go over the horizon. Its probability is printed with its standard error.
    out
        File for the forecast: .csv, .parquet, .feather, .npy or .npz; by default CSV on stdout.
    seed
        Of the draws.
    """
    from fluvial.tasks.forecast import forecast as ahead
    from fluvial.tasks.forecast import parse_quantiles, probabilities

    model = _of_series(run)
    check_out(out, *([series] if series else []))
    with seekable([series] if series else []) as files:
        data = next(iter(files), None)
        if probability is not None:
            for line in probabilities(model, probability, data, horizon, paths, seed):
                say(line)
            return
        _write(ahead(model, data, horizon, parse_quantiles(quantiles), paths, seed), out)


def backtest(
    source: str,
    /,
    *,
    folds: Whole = 5,
    horizon: Whole | None = None,
    paths: Whole = 200,
    budget: str | None = None,
    out: _Out = None,
    seed: Whole = 0,
) -> None:
    """How good forecasts were: from several origins in steps that the model has not learnt from, beside naive ones.

    Parameters
    ----------
    source
        Run folder of a fit of series, which is tested in its held-out steps; or a table, to which a model is fitted
        first, once, without the steps that are forecast.
    folds
        Origins, a horizon apart, the last one a horizon before the end.
    horizon
        How many steps, by default as in the report.
    paths
        How many are drawn at each origin.
    budget
        Of a table: time for the fit, such as 90s or 5m.
    out
        File for the scores at each step ahead; by default CSV on stdout.
    seed
        Of the fit and of the draws.
    """
    from fluvial.tasks.forecast import backtest as rolled

    check_out(out, source)
    with seekable([source]) as (name,):
        found = rolled(name, folds, horizon, paths, budget, seed)
    for line in found.lines:
        note(line)
    _write(found.columns, out)


def _of_series(run: Path) -> SeriesModel:
    """The model of a run that is of series."""
    from fluvial.core.errors import UsageError
    from fluvial.kinds.series.model import SeriesModel
    from fluvial.tasks.fit import load_model

    model = load_model(run)
    if not isinstance(model, SeriesModel):
        raise UsageError(f"{run} is not a run of series, and nothing else is forecast")
    return model


def _write(columns: dict, out: Path | None) -> None:  # pyright: ignore
    from fluvial.kinds.tables.written import write_columns

    write_columns(columns, out)
