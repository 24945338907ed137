"""Paths of what comes next, drawn from their joint density, and what they say of each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core.errors import UsageError
from fluvial.core.numbers import is_real
from fluvial.core.randomness import drawing_from, uniform
from fluvial.data.columns import from_numbers
from fluvial.data.tables import Columns
from fluvial.kinds.series.panel import Panel
from fluvial.kinds.series.read import stamps
from fluvial.kinds.series.schema import SeriesSchema
from fluvial.models.wavenet_mixed import SeriesLaws
from fluvial.transforms.law import Around
from fluvial.transforms.laws import Laws

_ROWS = 8192  # paths that are drawn side by side


@dataclass(frozen=True)
class Forecast:
    """Paths of the next steps of each series.

    Args:
        draws: (paths, M, H, N), in units of the table.
        panel: the past that they go on from.
    """

    draws: np.ndarray
    panel: Panel
    schema: SeriesSchema

    @property
    def steps(self) -> np.ndarray:
        """The number of each step ahead, (M, H)."""
        return (self.panel.start + self.panel.lengths)[:, None] + np.arange(self.draws.shape[2])

    def quantiles(self, shares: Sequence[float]) -> Columns:
        """Quantiles of each target at each step, as columns (M H,)."""
        for share in shares:
            if not is_real(share) or not 0 <= share <= 1:
                raise UsageError(f"quantiles: expected shares from 0 to 1, got {share!r}")
        found = self._times(1)
        values = np.quantile(self.draws, shares, axis=0, method="inverted_cdf")  # so counts stay counts
        for i, column in enumerate(self.schema.targets):
            found |= {f"{column.name} {q:g}": v[:, :, i].ravel() for q, v in zip(shares, values)}
        return found

    def columns(self) -> Columns:
        """The paths themselves, one below the other, as the table has its columns, with their number in "path"."""
        n, m, h, _ = self.draws.shape
        found: Columns = {"path": np.repeat(np.arange(1, n + 1), m * h), **self._times(n)}
        for i, column in enumerate(self.schema.targets):
            found[column.name] = from_numbers(column, self.draws[..., i].ravel())
        return found

    def _times(self, repeats: int) -> Columns:
        schema, steps = self.schema, self.steps
        at = stamps(schema, schema.steps.time(steps.ravel()))
        found: Columns = {schema.time.name: np.tile(at, repeats)}
        if schema.label is not None:
            names = np.array(self.panel.names, dtype=object if schema.label.dtype == "str" else schema.label.dtype)
            found[schema.label.name] = np.tile(np.repeat(names, steps.shape[1]), repeats)
        return found


def simulate(density: SeriesLaws, schema: SeriesSchema, panel: Panel, horizon: int, paths: int, seed: int) -> Forecast:
    """Draw paths behind each series of a panel; values that can be missing are drawn as there."""
    known = _ahead(schema, panel, horizon)
    some = max(1, _ROWS // paths)
    draws = np.empty((paths, len(panel), horizon, density.values))
    training = density.training
    density.eval()
    try:
        with torch.no_grad(), drawing_from(seed):
            for first in range(0, len(panel), some):
                which = np.arange(first, min(first + some, len(panel)))
                for begin in range(0, paths, _ROWS):
                    part = slice(begin, min(begin + _ROWS, paths))
                    size = part.stop - part.start
                    draws[part, which] = _drawn(density, schema, panel.take(which), known[which], horizon, size)
    finally:
        density.train(training)
    return Forecast(draws, panel, schema)


def _drawn(
    density: SeriesLaws, schema: SeriesSchema, panel: Panel, known: np.ndarray, horizon: int, paths: int
) -> np.ndarray:
    """(paths, M, H, N) of a few series."""
    device = density.direct.device
    past, context = _past(density, schema, panel)
    walk = density.walk(len(panel), past.to(device), None if context is None else context.to(device))
    walk.spread(paths)
    steps = (panel.start + panel.lengths)[:, None] + np.arange(horizon)
    given = schema.context(
        panel.names, np.repeat(np.arange(len(panel)), horizon), steps.ravel(), known.reshape(steps.size, known.shape[2])
    )
    told = torch.from_numpy(given).view(*steps.shape, given.shape[1]).to(device, torch.get_default_dtype())
    frames: list[Tensor] = []
    for t in range(horizon):
        row = None if context is None else told[:, t].repeat_interleave(paths, 0)
        frames.append(walk.step(_present, row))
    found = torch.stack(frames, 1).view(len(panel), paths, horizon, -1)
    return found.transpose(0, 1).cpu().numpy()


def _present(law: Laws, theta: Tensor, around: Around, i: int) -> Tensor:
    """A value from its law, given that it is there."""
    return law.draw(law.present(theta), uniform((len(theta), 1), torch.float64, theta.device), around)


def _past(density: SeriesLaws, schema: SeriesSchema, panel: Panel) -> tuple[Tensor, Tensor | None]:
    """The last steps of each series, (M, P, N), as far as the model reads, and their context; NaN before the first."""
    reads = int(min(density.reads, panel.lengths.max()))
    panel = panel.cut(np.maximum(panel.lengths - reads, 0), panel.lengths)
    values = np.full((len(panel), reads, panel.values.shape[1]), np.nan)
    told = schema.context(panel.names, panel.series, panel.steps, panel.known)
    context = np.full((len(panel), reads, told.shape[1]), np.nan)
    ends = np.cumsum(panel.lengths)
    for i, (end, n) in enumerate(zip(ends.tolist(), panel.lengths.tolist())):
        values[i, reads - n :], context[i, reads - n :] = panel.values[end - n : end], told[end - n : end]
    there = density.context_shape is not None
    return torch.from_numpy(values), torch.from_numpy(context).to(torch.get_default_dtype()) if there else None


def _ahead(schema: SeriesSchema, panel: Panel, horizon: int) -> np.ndarray:
    """What is known of the steps ahead, (M, H, K): what never changes in a series needs no rows of its own."""
    width = panel.known.shape[1]
    known = np.full((len(panel), horizon, width), np.nan)
    if not width:
        return known
    before = np.split(panel.known, np.cumsum(panel.lengths)[:-1])
    after = np.split(panel.ahead, np.cumsum(panel.coming)[:-1])
    still = all(bool((b == b[:1]).all()) for b in before)
    if not still:
        schema.check_known(panel.coming, horizon)
    for i, (b, a) in enumerate(zip(before, after)):
        known[i] = b[-1] if still else a[:horizon]
    return known
