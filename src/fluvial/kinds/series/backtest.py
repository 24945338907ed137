"""How good forecasts were: several origins, each with the past alone, scored step by step beside naive ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.data.tables import Columns
from fluvial.kinds.series.forecast import simulate
from fluvial.kinds.series.model import SeriesModel
from fluvial.kinds.series.naive import naive_forecast
from fluvial.kinds.series.panel import Panel

_BAND = (0.1, 0.9)


@dataclass(frozen=True)
class Backtest:
    """Scores of forecasts at each step ahead, of W windows.

    Args:
        crps, naive: continuous ranked probability scores, (W, H, N), NaN where nothing was measured.
        scale: (W, N) mean absolute errors of the naive forecast in the past, in which MASE counts.
        error: absolute errors of the medians, (W, H, N).
        inside: whether values lay within the 80 % interval, (W, H, N), NaN likewise.
        pit: share of the draws below the values, (W, H, N); ``paths`` of sums and maxima over the steps, (W, 2, N).
        width: of the 80 % interval, (W, H, N).
    """

    crps: np.ndarray
    naive: np.ndarray
    scale: np.ndarray
    error: np.ndarray
    inside: np.ndarray
    pit: np.ndarray
    paths: np.ndarray
    width: np.ndarray
    targets: tuple[str, ...]
    windows: tuple[Window, ...]

    @property
    def columns(self) -> Columns:
        """Means over windows and targets at each step ahead, each series and target counted in its own scale."""
        steps = self.crps.shape[1]
        found: Columns = {"step": np.arange(1, steps + 1)}
        for name, values in (("crps", self._scaled(self.crps)), ("crps naive", self._scaled(self.naive))):
            found[name] = np.array([_mean(values[:, t]) for t in range(steps)])
        found["mase"] = np.array([_mean(self._scaled(self.error)[:, t]) for t in range(steps)])
        found["coverage 80 %"] = np.array([_mean(self.inside[:, t]) for t in range(steps)])
        return found

    @property
    def lines(self) -> list[str]:
        """What it comes to, in sentences."""
        ours, naive = _mean(self._scaled(self.crps)), _mean(self._scaled(self.naive))
        steps = self.crps.shape[1]
        return [
            f"{len(self.crps)} forecasts of {steps} steps: CRPS {ours:.3f} naive errors, seasonal naive {naive:.3f}; "
            f"MASE {_mean(self._scaled(self.error)):.3f}; {100 * _mean(self.inside):.0f} % of values inside the 80 % "
            "interval"
        ]

    def skill(self) -> tuple[float, float]:
        """The CRPS saved, as a share of the naive one, and its standard error over windows."""
        ours, naive = (np.array([_mean(w) for w in self._scaled(v)]) for v in (self.crps, self.naive))
        kept = np.isfinite(ours) & np.isfinite(naive)
        ours, naive = ours[kept], naive[kept]
        if not len(ours) or not naive.sum():
            return math.nan, math.nan
        ratio = ours.sum() / naive.sum()
        error = (
            np.std(ours - ratio * naive, ddof=1) / (naive.mean() * math.sqrt(len(ours))) if len(ours) > 1 else math.nan
        )
        return float(1 - ratio), float(error)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return values / self.scale[:, None]


@dataclass(frozen=True)
class Window:
    """One forecast beside what came: the past (P, N), draws (paths, H, N) and the values (H, N)."""

    name: str
    start: int
    past: np.ndarray
    draws: np.ndarray
    came: np.ndarray


def backtested(
    model: SeriesModel,
    folds: int | None = None,
    horizon: int | None = None,
    paths: int = 200,
    seed: int = 0,
    most: int = 0,
) -> Backtest:
    """Forecast from origins a horizon apart, in the held-out steps of a run, each with the past before it alone.

    Args:
        folds: origins of each series, the last ones that there are; None for as many as fit.
        most: forecasts in all, evenly among series; 0 for no limit.

    Raises:
        UsageError: the held-out steps are too few for one forecast.
    """
    past, scored = model.past, model.rows["past.scored"]
    horizon = model.horizon if horizon is None else horizon
    first = past.lengths - scored
    windows: list[Window] = []
    for back in range(folds or int(scored.max(initial=0)) // horizon, 0, -1):
        origin = past.lengths - back * horizon
        which = np.flatnonzero((origin >= first) & (scored > 0) & (origin > 1))
        if most and len(which) > most:
            which = which[np.linspace(0, len(which) - 1, most).round().astype(int)]
        if len(which):
            windows += _forecasts(model, past.take(which), origin[which], horizon, paths, seed)
    if not windows:
        held_out = int(scored.max(initial=0))
        raise UsageError(
            f"there are {held_out} held-out steps, too few for a forecast of {horizon}: fit with a larger --holdout, "
            "or ask for a shorter --horizon"
        )
    if folds is not None and len(windows) < folds:
        raise UsageError(
            f"folds: {folds} forecasts of {horizon} steps need {folds * horizon} held-out steps, there are "
            f"{int(scored.max())}: fit with a larger --holdout, or ask for fewer"
        )
    if most and len(windows) > most:
        windows = [windows[i] for i in np.linspace(0, len(windows) - 1, most).round().astype(int)]
    return _scored(model, windows, horizon)


def _forecasts(
    model: SeriesModel, panel: Panel, origin: np.ndarray, horizon: int, paths: int, seed: int
) -> list[Window]:
    """One forecast of each series from its origin."""
    zero = np.zeros_like(origin)
    before, after = panel.cut(zero, origin), panel.cut(origin, origin + horizon)
    before = _told(before, after)
    drawn = simulate(model.density, model.schema, before, horizon, paths, seed)
    values = (np.split(p.values, np.cumsum(p.lengths)[:-1]) for p in (before, after))
    found = zip(before.names, origin.tolist(), *values)
    return [Window(name, at, b, drawn.draws[:, i], a) for i, (name, at, b, a) in enumerate(found)]


def _told(before: Panel, after: Panel) -> Panel:
    """The past with what is known of the steps ahead, whose targets stay unseen."""
    return replace(before, ahead=after.known, coming=after.lengths)


def _scored(model: SeriesModel, windows: list[Window], horizon: int) -> Backtest:
    found: dict[str, list[np.ndarray]] = {
        n: [] for n in ("crps", "naive", "scale", "error", "inside", "pit", "paths", "width")
    }
    for w in windows:
        low, middle, high = np.quantile(w.draws, (_BAND[0], 0.5, _BAND[1]), axis=0)
        there = ~np.isnan(w.came)
        means, spreads, scales = _naive(w, model.schema.seasons, horizon)
        found["crps"].append(crps(w.draws, w.came))
        found["naive"].append(gaussian_crps(w.came, means, spreads))
        found["scale"].append(scales)
        found["error"].append(np.abs(w.came - middle))
        found["inside"].append(np.where(there, (w.came >= low) & (w.came <= high), np.nan))
        found["pit"].append(np.where(there, _share(w.draws, w.came), np.nan))
        found["paths"].append(np.stack([_share(f(w.draws, 1), f(w.came, 0)) for f in (np.sum, np.max)]))
        found["width"].append(high - low)
    return Backtest(**{k: np.stack(v) for k, v in found.items()}, targets=model.targets, windows=tuple(windows))


def _naive(w: Window, seasons: tuple[int, ...], horizon: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The naive forecast of a window: means and deviations (H, N), and its mean absolute error in the past (N,)."""
    parts = []
    lag = seasons[0] if seasons else 1
    for column in w.past.T:
        moves = np.abs(column[lag:] - column[:-lag])
        scale = float(np.nanmean(moves)) if (~np.isnan(moves)).any() else math.nan
        parts.append((*naive_forecast(column, lag, horizon), scale or math.nan))
    means, spreads, scales = zip(*parts)
    return np.stack(means, 1), np.stack(spreads, 1), np.array(scales)


def crps(draws: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of draws (n, ...) for a value (...), unbiased in their number.

    E|X - y| - E|X - X'| / 2 (Gneiting and Raftery 2007).

    >>> crps(np.array([0.0, 1.0]), np.array(0.0)).item()
    0.0
    """
    n = len(draws)
    ordered = np.sort(draws, axis=0)
    weight = (2 * np.arange(1, n + 1) - n - 1).reshape(-1, *[1] * value.ndim)
    apart = (weight * ordered).sum(0) / (n * (n - 1)) if n > 1 else 0.0
    return np.abs(draws - value).mean(0) - apart


def gaussian_crps(value: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The same of a normal distribution, in closed form; the absolute error where it has no spread."""
    from scipy.special import ndtr

    safe = np.where(spread > 0, spread, 1.0)
    z = (value - mean) / safe
    pdf = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    found = safe * (z * (2 * ndtr(z) - 1) + 2 * pdf - 1 / math.sqrt(math.pi))
    return np.where(spread > 0, found, np.abs(value - mean))


def _share(draws: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The share of draws below a value, ties counted half."""
    return (draws < value).mean(0) + 0.5 * (draws == value).mean(0)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
