# pyright: basic
# (scikit-learn is not typed strictly)
"""What the estimators of whole tables share: their parameters, and a fit of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state

from fluvial.data.tables import Columns
from fluvial.interfaces.estimators.weights import checked, copies, in_one_order
from fluvial.kinds.job import Job
from fluvial.kinds.tables.fit import fit_table
from fluvial.kinds.tables.model import Model
from fluvial.training import Settings

TARGET = "target"
_FEWEST = 10  # rows that a density is fitted to


# a data class's constructor has its parameters one by one in its signature, which is where scikit-learn finds them
@dataclass(kw_only=True, eq=False, repr=False)
class RowsEstimator(BaseEstimator):
    """An estimator that stands on ``mixed``, the density of tables as they are.

    Its docstrings' *parameters* are these:

    Args:
        options: of ``mixed``, such as ``{"hidden": [128]}``.
        epochs, budget: passes over the rows; seconds that the fit may take, or "5m"; with neither, as long as it helps.
        holdout: share of the rows that judge the model; it is not trained on them.
        device: a torch device; None for a GPU if there is one.
        random_state: an int for the same model again, a ``numpy.random.RandomState``, or None.
    """

    options: Mapping[str, Any] | None = None
    epochs: int | None = None
    budget: float | str | None = None
    holdout: float = 0.1
    device: str | None = None
    random_state: int | np.random.RandomState | None = None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _learn(
        self, columns: Columns, kinds: Mapping[str, Any] | None = None, weights: ArrayLike | None = None
    ) -> Model:
        """The density of these rows, each as often as its weight says; copies of one are all held out, or none is."""
        n, seed = len(next(iter(columns.values()))), seed_of(self.random_state)
        kept = np.arange(n).repeat(copies(checked(weights, n), seed))
        kept = kept[in_one_order((column[kept] for column in columns.values()), seed)]
        if len(kept) < _FEWEST:
            raise ValueError(f"a density needs at least {_FEWEST} rows: got {len(kept)} (n_samples={len(kept)})")
        settings = Settings(epochs=self.epochs, budget=self.budget, seed=seed, device=self.device)
        settings.torch_device()
        rows, whole = {name: column[kept] for name, column in columns.items()}, None if weights is None else kept
        how = {"options": dict(self.options or {}), "kinds": kinds, "missing": [], "judge": False, "whole": whole}
        return fit_table(rows, "mixed", Job(settings, self.holdout), **how)


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """A seed for fluvial from what scikit-learn calls a random state."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def named(x: np.ndarray) -> Columns:
    """The columns of an array (N, D) as x0, x1, ..."""
    return {f"x{j}": column for j, column in enumerate(np.array(x, dtype=np.float64).T)}


def determined(model: Model, columns: Columns) -> np.ndarray | None:
    """The target of these rows where other columns determine it, (N,), encoded; None where it is modelled."""
    derived = next((d for d in model.schema.dropped if d.column.name == TARGET), None)
    if derived is None:
        return None
    known, n = dict(columns), len(next(iter(columns.values())))
    for d in model.schema.dropped:
        if TARGET not in d.sources:
            known[d.column.name] = d.values(d.combined(known, n))
    return known[TARGET]
