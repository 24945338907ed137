# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# (scikit-learn is not typed strictly)
"""What the estimators of whole tables share: their parameters, their fit, and what they know of new rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from fluvial.data.checks import FOREIGN
from fluvial.data.columns import to_codes
from fluvial.data.tables import Columns, Table, is_missing
from fluvial.data.words import counted, listed
from fluvial.interfaces.estimators.given import Given, given
from fluvial.interfaces.estimators.weights import checked, copies, in_one_order
from fluvial.kinds.job import Job
from fluvial.kinds.tables.fit import fit_table
from fluvial.kinds.tables.model import Model
from fluvial.training import Settings

_FEWEST = 10  # rows that a density is fitted to
_BATCH = 256  # rows scored together


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

    def _given(self, X: ArrayLike, *, fit: bool = False, least: int = 1) -> Given:
        """X as a table; of new rows, with the names that the model knows its columns by."""
        if not fit:
            check_is_fitted(self)
        found = given(self, X, reset=fit, least=least)
        if fit:
            self.columns_ = found.table.names
            return found
        return found.called(self.columns_)

    def _known(self, X: ArrayLike) -> Table:
        """New rows without the labels that the fit never saw, of which nothing follows."""
        table = self._given(X).table
        return without_unseen(self.model_, table)

    @property
    def _target(self) -> str:
        """What the model calls y: "target", with strokes behind it where a column of X has this name."""
        return target_beside(self.columns_)

    def _learn(self, table: Table, kinds: Mapping[str, Any] | None = None, weights: ArrayLike | None = None) -> Model:
        """The density of these rows, each as often as its weight says."""
        settings = Settings(epochs=self.epochs, budget=self.budget, seed=seed_of(self.random_state), device=self.device)
        return learn(table, "mixed", Job(settings, self.holdout), self.options, kinds, weights)


def learn(
    table: Table,
    model: str,
    job: Job,
    options: Mapping[str, Any] | None = None,
    kinds: Mapping[str, Any] | None = None,
    weights: ArrayLike | None = None,
) -> Model:
    """The density of these rows, each as often as its weight says; copies of one are all held out, or none is."""
    n, seed = len(table), job.seed
    kept = np.arange(n).repeat(copies(checked(weights, n), seed))
    kept = kept[in_one_order((column[kept] for column in table.columns.values()), seed)]
    if len(kept) < _FEWEST:
        raise ValueError(f"a density needs at least {_FEWEST} rows: got {len(kept)} (n_samples={len(kept)})")
    job.settings.torch_device()
    whole = None if weights is None else kept
    how = {"options": dict(options or {}), "kinds": kinds, "missing": [], "judge": False, "whole": whole}
    fitted = fit_table(table.rows(kept), model, job, **how)
    if said := _about_left_out(fitted, table):
        warnings.warn(said, UserWarning, stacklevel=4)
    return fitted


def _about_left_out(model: Model, table: Table) -> str:
    """A sentence about columns of which the model knows nothing, empty if there are none."""
    left = [name for name in table.names if name not in model.schema.order]
    empty = [name for name in left if is_missing(table.columns[name]).all()]
    texts = [name for name in left if name not in empty]
    said = [f"no row has a value in {listed(empty)}"] if empty else []
    if texts:
        said.append(
            f"hardly any text repeats in {listed(texts)} (labels all the same? make the column categorical, as by "
            "astype('category'))"
        )
    return f"{counted(len(left), 'column')} left out of the fit: {'; '.join(said)}" if left else ""


def target_beside(names: tuple[str, ...]) -> str:
    """A name for y that none of these columns has."""
    return next(name for k in range(len(names) + 1) if (name := "target" + "_" * k) not in names)


def without_unseen(model: Model, table: Table) -> Table:
    """The table with labels that the fit never saw as missing cells, and a warning that names them."""
    columns, said = dict(table.columns), list[str]()
    for column in model.schema.columns:
        if column.categorical and column.name in columns:
            values = columns[column.name]
            unseen = to_codes(column, values, FOREIGN) == FOREIGN
            if unseen.any():
                said.append(f"{column.name!r} ({listed(dict.fromkeys(values[unseen].tolist()), most=4)})")
                columns[column.name] = np.where(unseen, None, values.astype(object))
    if said:
        warnings.warn(
            f"labels that the fit never saw are taken for missing cells: {', '.join(said)}", UserWarning, stacklevel=4
        )
    return replace(table, columns=columns)


def in_batches(function: Callable[[Table], np.ndarray], table: Table) -> np.ndarray:
    """A score of each row, (N,), in whole batches of one size, so that its rounding does not hang on other rows."""
    n = len(table)
    rows = np.resize(np.arange(n), -(-n // _BATCH) * _BATCH)
    return np.concatenate([function(table.rows(part)) for part in np.split(rows, len(rows) // _BATCH)])[:n]


def with_left_out(drawn: Columns, names: Sequence[str]) -> Columns:
    """Drawn columns, each (n,), in the order of X's; those of which the fit knows nothing are missing in all rows."""
    n = len(next(iter(drawn.values())))
    return {name: drawn.get(name, np.full(n, np.nan)) for name in names}


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """A seed for fluvial from what scikit-learn calls a random state."""
    return int(check_random_state(random_state).randint(2**31 - 1))
