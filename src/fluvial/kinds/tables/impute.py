"""Missing cells filled in from what the rest of their row says; observed cells stay as they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fluvial.core.batched import chunk_rows
from fluvial.core.numbers import whole
from fluvial.core.randomness import drawing_from
from fluvial.models import AnyOrder

_DRAWS = 40  # that a best guess is made of


def filled(density: AnyOrder, x: np.ndarray, context: Tensor | None, draws: int | None, seed: int) -> list[np.ndarray]:
    """Encoded rows (N, D) with every NaN filled in: one best guess, or so many draws.

    A draw is of p(the missing cells | the observed ones, and that they are not missing). The best guess of a label is
    its most frequent draw, of a number the median.
    """
    count = _DRAWS if draws is None else whole("draws", draws, 1)
    results = np.repeat(x[None], count, axis=0)
    patterns, which = np.unique(np.isnan(x), axis=0, return_inverse=True)
    with drawing_from(seed):
        for p, missing in enumerate(patterns):
            if not missing.any():
                continue
            rows = np.flatnonzero(which.ravel() == p)
            size = max(1, chunk_rows(density.event_shape) // count)
            for part in np.array_split(rows, -(-len(rows) // size)):
                results[:, part] = _draws(density, x[part], missing, context, part, count)
    return list(results) if draws is not None else [_best(density, x, results)]


def _draws(
    density: AnyOrder, x: np.ndarray, missing: np.ndarray, context: Tensor | None, rows: np.ndarray, count: int
) -> np.ndarray:
    """(count, n, D) draws of rows that miss the same cells."""
    repeated = torch.from_numpy(np.tile(np.nan_to_num(x), (count, 1)))
    given = None if context is None else context[rows].repeat(count, 1)
    known = torch.from_numpy(~missing)
    drawn = density.complete(repeated, known, given, present=True)
    return drawn.numpy().reshape(count, len(x), -1)


def _best(density: AnyOrder, x: np.ndarray, draws: np.ndarray) -> np.ndarray:
    best = x.copy()
    for i, law in enumerate(density.laws.laws):
        rows = np.flatnonzero(np.isnan(x[:, i]))
        if not len(rows):
            continue
        values = draws[:, rows, i]
        if law.labels:
            counts = np.stack([(values == label).sum(0) for label in law.atoms])
            best[rows, i] = np.array(law.atoms)[counts.argmax(0)]
        else:
            # a value that was drawn, so on its grid
            best[rows, i] = np.sort(values, axis=0)[len(values) // 2]
    return best
