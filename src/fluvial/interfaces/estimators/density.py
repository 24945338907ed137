# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (scikit-learn is not typed strictly)
"""The density of real columns for scikit-learn: pipelines, grid searches and cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import narwhals as nw
import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from fluvial.core.batched import draw
from fluvial.core.errors import DataError, UsageError
from fluvial.core.numbers import share
from fluvial.core.precision import deviation
from fluvial.core.randomness import drawing_from
from fluvial.data.words import listed
from fluvial.examine.scores import fit_closed_form
from fluvial.interfaces.estimators.frames import rows_like
from fluvial.interfaces.estimators.given import as_frame, given
from fluvial.interfaces.estimators.rows import in_batches, learn, seed_of, with_left_out
from fluvial.interfaces.estimators.weights import checked, copies
from fluvial.kinds.job import Job
from fluvial.kinds.parts import split
from fluvial.models import Recipe, build, default_of, named_recipes, recipes
from fluvial.models.registry import unknown
from fluvial.training import Data, Settings, score, train
from fluvial.transforms import ColumnMap

_RESOLVED = 1e-12  # a column whose spread is this share of its size or less is constant but for rounding


@dataclass(kw_only=True, eq=False, repr=False)  # see RowsEstimator
class FlowDensity(DensityMixin, BaseEstimator):
    """A normalizing flow as a scikit-learn density estimator.

    Models of real numbers take all columns as such: they are standardised, and nothing else is done to them. ``mixed``
    takes tables as they are: data frames with labels, dates, gaps and rounded numbers.

    Args:
        model: the name of a model of real numbers, or of tables as they are, see docs/models.md.
        options: of that recipe, such as ``{"transforms": 8}``.
        epochs: passes over the rows; None for as many as help.
        batch_size: rows a step; None for a size that suits the number of rows.
        learning_rate: its largest value; None for the default.
        holdout: share of the rows that decide when to stop; the model is not trained on them.
        device: a torch device; None for a GPU if there is one.
        random_state: an int for the same model again, a ``numpy.random.RandomState``, or None.

    Attributes:
        density_: the fitted :class:`fluvial.core.Density`.
        model_: of tables as they are, the fitted :class:`fluvial.Model`; else None.
        history_: of models of real numbers one :class:`fluvial.training.Record` for each epoch; empty where the model
            has a closed form.
        n_features_in_, feature_names_in_: of the table it was fitted to.

    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> flow = FlowDensity(model="gaussian", random_state=0).fit(X)
    >>> flow.score_samples(X[:3]).shape, flow.sample(5, random_state=0).shape
    ((3,), (5, 2))
    """

    model: str = default_of("tables", "real")
    options: Mapping[str, Any] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    holdout: float = 0.1
    device: str | None = None
    random_state: int | np.random.RandomState | None = None

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the density of the rows of X (n_samples, n_features); y is ignored.

        Args:
            sample_weight: how often each row counts, (n_samples,): 2 is the row twice, 0 leaves it out. Of weights that
                are not whole numbers the ratios count: they are scaled to a mean of 1, and rounded to copies at random.
                Copies of a row are held out together.

        Raises:
            ValueError: X or a parameter cannot be used, as a sentence.
        """
        holdout, recipe, seed = share("holdout", self.holdout, "rows"), self._recipe, seed_of(self.random_state)
        settings = Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
            device=self.device,
        )
        if recipe.values == "any":
            rows = given(self, X, reset=True, least=2)
            self.columns_ = rows.table.names
            self.model_ = learn(rows.table, self.model, Job(settings, holdout), self.options, weights=sample_weight)
            self.density_, self.history_, self.form_ = self.model_.density, [], _none_of(rows.frame)
            return self
        self.model_ = None
        x = validate_data(self, self._numbers(X), dtype=np.float64, ensure_min_samples=2)
        times = copies(checked(sample_weight, len(x)), seed)
        if np.count_nonzero(times) < 2:
            raise ValueError("sample_weight: a density needs at least 2 rows, and fewer have a weight that counts")
        self._learn(x, times, settings, holdout)
        return self

    def _learn(self, x: np.ndarray, times: np.ndarray, settings: Settings, holdout: float) -> None:
        """Train a model of real numbers on rows (N, D), each as often as ``times`` (N,) says."""
        kept, aside = (part.repeat(times[part]) for part in split(len(x), holdout, settings.seed))
        closed = self._recipe.closed_form
        config = {
            "model": self.model,
            "event_shape": [x.shape[1]],
            "columns": [asdict(_standardised(column)) for column in x[kept].T],
            "whiten": not closed and "preset" not in (self.options or {}),
            "options": dict(self.options or {}),
        }
        with drawing_from(settings.seed, lend=True):
            density = build(config)
        if closed:
            fit_closed_form(density, _data(x.repeat(times, axis=0)), settings.seed)
            self.history_ = []
        else:
            records = train(density, _data(x[kept]), _data(x[aside]) if len(aside) else None, settings)
            self.history_ = [record for record in records if record.ended]
        self.density_ = density.eval()

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Log-density of each row, (n_samples,), nats, in the units of X."""
        check_is_fitted(self)
        if self.model_ is not None:
            rows = given(self, X, reset=False).called(self.columns_)
            return in_batches(self.model_.log_prob, rows.table)
        x = validate_data(self, self._numbers(X), dtype=np.float64, reset=False)
        return score(self.density_, _data(x).x).numpy()

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Mean log-density of the rows of X, as ``GaussianMixture`` has it (``KernelDensity`` has the sum)."""
        return float(self.score_samples(X).mean(dtype=np.float64))

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> Any:  # noqa: ANN401
        """New rows, (n_samples, n_features): of ``mixed``, a data frame of the types of the fit's, if it was one."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples: expected at least 1, got {n_samples}")
        if self.model_ is None:
            return draw(self.density_, n_samples, seed=seed_of(random_state)).double().numpy()
        drawn = self.model_.sample_columns(n_samples, seed=seed_of(random_state))
        columns = with_left_out(drawn, self.columns_)
        return np.column_stack(list(columns.values())) if self.form_ is None else rows_like(self.form_, columns)

    @property
    def _recipe(self) -> Recipe:
        """Of the model.

        Raises:
            UsageError: there is none of this name that gives a density of rows of numbers, or of tables as they are.
        """
        named, fit_for = named_recipes(self.model), [r for r in recipes("tables") if r.values == "real" or _scores(r)]
        if found := [r for r in named if r in fit_for]:
            return found[0]
        if named:
            known = listed((r.name for r in fit_for), most=20)
            raise UsageError(f"model: {self.model} gives no density of rows of numbers; known are {known}")
        raise unknown(self.model, [r.name for r in fit_for])

    def _numbers(self, X: ArrayLike) -> ArrayLike:
        """X, unless a data frame holds anything but numbers, which is said."""
        frame = as_frame(X)
        kinds = {} if frame is None else nw.from_native(frame, eager_only=True).schema
        if other := [name for name, dtype in kinds.items() if not (dtype.is_numeric() or dtype == nw.Boolean)]:
            raise DataError(f"{self.model} takes numbers alone, and {listed(other)} hold others: take model='mixed'")
        return X if frame is None else frame

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = any(r.values == "any" for r in named_recipes(self.model) if r.kind == "tables")
        return tags


def _scores(recipe: Recipe) -> bool:
    """Whether a model of tables as they are has log-densities."""
    return recipe.values == "any" and recipe.training.objective != "adversarial"


def _none_of(frame: Any) -> Any:  # noqa: ANN401  (a frame of any library)
    """A data frame's names and types, without its rows; None of an array."""
    return None if frame is None else nw.from_native(frame, eager_only=True).head(0).to_native()


def _data(x: np.ndarray) -> Data:
    return Data(torch.from_numpy(x.copy()))  # the caller's memory may be read-only


def _standardised(column: np.ndarray) -> ColumnMap:
    """The column to mean 0 and variance 1; a constant one is only shifted."""
    mean, spread = float(column.mean()), float(deviation(column))
    return ColumnMap(location=mean, scale=spread if spread > _RESOLVED * abs(mean) else 1.0)
