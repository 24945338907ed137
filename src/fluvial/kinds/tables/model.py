"""A fitted model: a density, the schema of its table, and the record of its fit."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from fluvial.core import Density, Flow, randomness
from fluvial.core.batched import chunk_rows, score_parts, score_sums
from fluvial.core.errors import RunError, UsageError
from fluvial.core.numbers import whole
from fluvial.data.columns import Column
from fluvial.data.forms import as_kind
from fluvial.data.schema import Encoded, Schema
from fluvial.data.tables import read
from fluvial.data.words import counted
from fluvial.kinds import records
from fluvial.kinds.fitted import record_of
from fluvial.kinds.records import Kept, check_alike, check_context, check_kept, check_record
from fluvial.kinds.scores import Scores
from fluvial.kinds.tables.answers import Answers, tensor
from fluvial.models import VAE
from fluvial.training.saved import Saved
from fluvial.transforms import Columns

if TYPE_CHECKING:
    from fluvial.kinds.tables.detect import Detections

_CHUNKS = 8  # that a block has
_FILLS = 8  # ways to fill the cells of rounded columns that a score averages over
_REDRAWS = 10  # attempts to replace draws that are not finite


@dataclass(frozen=True, repr=False)
class Model(Answers):
    """What :func:`fit` and :func:`load` return: a density over the rows of a table like the one it was fitted to.

    Args:
        density: over raw rows (N, D), in the units of the table.
        schema: the table's columns.
        record, metrics: see :class:`~fluvial.kinds.fitted.Fitted`.
        rows: samples of the encoded rows, float64: "train.x", "train.context", "held_out.x",
            "held_out.context", and "contexts", which :meth:`sample` draws from if no context is given.
    """

    KIND: ClassVar[str] = "tables"
    density: Density
    schema: Schema

    @property
    def context_names(self) -> tuple[str, ...]:
        """The columns that the model is given."""
        return tuple(c.name for c in self.schema.context)

    def log_prob(self, data: object, *, drop_missing: bool = False) -> np.ndarray:
        """Log-density of each row (N,), float64, nats, in the units of the data; the same rows give the same numbers.

        In another table, among other rows, a row's score may differ by the rounding of float32: about 1e-6 of its size.

        Rows that are impossible (out of bounds, or against a constant or copied column) get -inf, and a warning.

        Args:
            data: anything that :func:`fit` takes; columns are found by name, in any order.
            drop_missing: leave out rows with missing values, which are else an error.

        Raises:
            DataError: the table does not fit the schema, as a sentence.
        """
        scores = self._scored(data, drop_missing, shares=False)
        _warn(scores.warnings)
        return scores.log_prob

    def score(self, data: object, *, drop_missing: bool = False, shares: bool = True) -> Scores:
        """As :meth:`log_prob`, with the numbers of the rows and what there is to say about them.

        Args:
            shares: give each column's share too, where the model has them; with flows about twice the work.
        """
        scores = self._scored(data, drop_missing, shares)
        return replace(scores, warnings=(*scores.warnings, *self.about_scores))

    @property
    def about_scores(self) -> tuple[str, ...]:
        """What there is to say of all scores, in sentences."""
        return () if self.exact else (f"the scores are lower bounds: {why_bound(self.density)}",)

    def _scored(self, data: object, drop_missing: bool, shares: bool) -> Scores:
        table = read(data)
        scores = self.score_encoded(self.schema.encode(table, drop_missing=drop_missing), shares)
        return replace(scores, warnings=(*table.notes, *scores.warnings), table=(table.kind, table.index))

    def score_encoded(self, encoded: Encoded, shares: bool = True) -> Scores:
        """As :meth:`score`, for a table that the schema has encoded."""
        parts = self._averaged(score_parts, encoded.x, encoded.context) if shares else None
        if parts is None or self._filled is not None:  # whose mean of sums is the sum of means but for rounding
            values = self.log_prob_rows(encoded.x, encoded.context)
        else:  # log p is the sum of its parts, which costs no second pass
            values = _without_nan(parts.sum(1))
        values[encoded.impossible] = -np.inf
        columns = [] if parts is None else parts.double().numpy().T
        named = {c.name: part for c, part in zip(self.schema.columns, columns)}
        notes = (*encoded.warnings, *_about_far(values, encoded.impossible))
        return Scores("row", encoded.rows, values, parts=named, warnings=notes)

    def log_prob_rows(self, x: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """As :meth:`log_prob`, for rows that the schema has encoded: x (N, D), context (N, C)."""
        return _without_nan(self._averaged(score_sums, x, context))

    def detect(self, data: object, rate: float | None = None, fdr: float | None = None) -> Detections:
        """Which rows of a table are unusual, how sure that is, and why (with ``mixed``, cell by cell).

        Each row is compared with the held-out rows of the fit: its p-value is the share of ordinary rows that score as
        high, and is valid whatever the model where the rows are exchangeable with those of the fit.

        Args:
            data: a table with the columns that the model was fitted to.
            rate: share of ordinary rows that may be flagged; 0.01 where neither is given.
            fdr: in its place, the share of the flagged rows that may be ordinary (Benjamini and Hochberg 1995).

        Raises:
            RunError: the fit held no rows out. UsageError: a share that is none, or both. DataError: the table does
            not fit the schema.
        """
        from fluvial.kinds.tables.detect import Detector

        found = Detector.of(self).detect(data, rate, fdr)
        _warn(found.warnings)
        return found

    def _averaged(self, function: Callable[..., Any], x: np.ndarray, context: np.ndarray | None) -> Any:  # noqa: ANN401
        """A score of rows; where noise must fill cells, its mean over a few fills that all rows share.

        So a row's score depends on the row alone, not on its place in the table.
        """
        rows, given, columns = torch.from_numpy(x), tensor(context), self._filled
        if columns is None or not isinstance(self.density, Flow):
            return function(self.density, rows, given)
        base, shape, given_shape = self.density.base, self.density.event_shape, self.density.context_shape
        filled = Flow(columns.filled(), base, shape, given_shape, self.density.embed)
        with randomness.drawing_from(0):
            shares = randomness.uniform((_FILLS, x.shape[1]), torch.float64)
        scores = [function(filled, columns.fill(rows, share), given) for share in shares]
        return None if scores[0] is None else torch.stack(scores).mean(0)

    @property
    def _filled(self) -> Columns | None:
        """The columns some of whose cells are filled with noise to be scored; None where none are."""
        columns = self.density.transform if isinstance(self.density, Flow) else None
        return columns if isinstance(columns, Columns) and not columns.exact else None

    def sample(self, n: int, context: object = None, seed: int | None = None) -> Any:  # noqa: ANN401
        """n new rows as a table of the kind that the model was fitted to, with its columns, dtypes and bounds.

        Args:
            n: how many.
            context: for a conditional model, one row for all draws or n rows: a table, or a dict such as
                ``{"Sex": "M"}``; without one, contexts are drawn from those of the training rows.
            seed: for the same rows again; None continues torch's global random state.

        Raises:
            DataError: the context does not fit the schema.
            UsageError: n is below 1.
        """
        columns = self.sample_columns(n, context, seed)
        return as_kind(columns, self.record.get("table", "dict"), self.record.get("number_names", ()))

    def sample_columns(self, n: int, context: object = None, seed: int | None = None) -> dict[str, np.ndarray]:
        """As :meth:`sample`, but as named columns, each (n,)."""
        return self.schema.decode(*self.sample_rows(n, context, seed))

    def sample_rows(
        self, n: int, context: object = None, seed: int | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """As :meth:`sample`, but encoded: x (n, D) and context (n, C), float64."""
        n, c = whole("n", n, 1, "a number of rows"), len(self.schema.context)
        try:
            x, given = np.full((n, len(self.schema.columns)), np.nan), np.full((n, c), np.nan) if c else None
        except (MemoryError, ValueError):
            raise UsageError(f"n: {n:,} rows do not fit into memory; draw them in parts") from None
        first = 0
        for rows, known in self.sample_blocks(n, context, seed):
            block = slice(first, first + len(rows))
            x[block], first = rows, block.stop
            if given is not None:
                given[block] = known
        return x, given

    def sample_blocks(
        self, n: int, context: object = None, seed: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """As :meth:`sample_rows`, the same rows, block by block, so that any number of them takes little memory."""
        n = whole("n", n, 1, "a number of rows")
        source = None if seed is None else randomness.Source(seed)
        lend, size = randomness.draws_by_itself(self.density), self.block_rows
        kept = self.rows.get("contexts", ()) if context is None and self.schema.context else ()
        given = None if len(kept) else self.schema.encode_context(context, n)
        _warn(self.schema.about_context(given))
        for first in range(0, n, size):
            rows = min(size, n - first)
            with randomness.drawing_from(source, lend):
                if len(kept):
                    known = kept[randomness.integers(len(kept), (rows,)).numpy()]
                else:
                    known = None if given is None else given[first : first + rows]
                x = self._draw(rows, known)
            yield x, known

    @property
    def draws_to_score(self) -> bool:
        """Whether scoring draws noise, so that a row's score depends on the rows before it; gridded columns do not."""
        density = self.density
        if isinstance(density, Flow) and isinstance(density.transform, Columns):
            return not density.base.exact
        return not density.exact

    @property
    def block_rows(self) -> int:
        """Rows that are worked on at a time where there are many: whole chunks of those that are scored at once."""
        return _CHUNKS * chunk_rows(self.density.event_shape)

    @property
    def _device(self) -> torch.device:
        return next(self.density.parameters(), torch.empty(0)).device

    @torch.no_grad()
    def _draw(self, n: int, context: np.ndarray | None) -> np.ndarray:
        x = np.full((n, len(self.schema.columns)), np.nan)
        missing, bad = np.arange(n), np.ones(n, dtype=bool)
        for _ in range(_REDRAWS):
            for rows in np.array_split(missing, -(-len(missing) // chunk_rows(self.density.event_shape))):
                given = None if context is None else torch.from_numpy(context[rows]).to(self._device)
                x[rows] = self.density.sample(len(rows), given).double().cpu().numpy()
            bad = ~(np.isfinite(x) | (np.isnan(x) & self.density.gaps)).all(1)
            missing = np.flatnonzero(bad | self.schema.strays(x))
            if not len(missing):
                return x
        missing = np.flatnonzero(bad)
        if not len(missing):
            return x
        raise RunError(f"{len(missing)} of {n} draws were not finite, {_REDRAWS} times over: fit the model again")


def restore(saved: Saved, path: str | os.PathLike[str]) -> Model:
    """The model in a run folder that has been read."""
    schema = Schema.from_json(saved.config["schema"])
    if (len(schema.columns),) != tuple(saved.density.event_shape):
        raise RunError(f"{path} is damaged: its schema has {len(schema.columns)} columns, its model does not")
    if schema.gaps != saved.density.gaps:
        raise RunError(f"{path} is damaged: its schema and its model disagree on whether cells may be missing")
    check_record(saved, path, records.TableSizes, records.TableScores)
    check_context(saved, path, [len(c.categories) for c in schema.context])
    for column, labels in zip(schema.columns, _labels(saved, len(schema.columns))):
        if column.categorical and labels != len(column.categories):
            raise RunError(f"{path} is damaged: its model has other categories of {column.name!r} than its schema")
    rows, given = _kept(schema.columns, schema.gaps), _kept(schema.context)
    names = {"train.x": rows, "held_out.x": rows, "train.context": given, "held_out.context": given, "contexts": given}
    check_kept(saved, path, names)
    check_alike(saved, path, "train.x", "train.context")
    check_alike(saved, path, "held_out.x", "held_out.context")
    return Model(saved.density, schema, record_of(saved), saved.metrics, saved.rows)


def _labels(saved: Saved, columns: int) -> list[int]:
    """How many labels the model of a run gives each column, 0 to one of numbers."""
    config = saved.config["model"]
    if config.get("laws"):
        return [0 if law["rest"] else len(law["atoms"]) for law in config["laws"]]
    codes = config.get("codes") or [{"lower": 0, "classes": 0}] * columns
    return [code["classes"] if code["lower"] == 0 else 0 for code in codes]


def _kept(columns: Sequence[Column], gaps: bool = False) -> Kept:
    """Rows of these columns, as the schema encodes them."""
    most = [len(c.categories) - 1 if c.categorical else np.inf for c in columns]
    return Kept((len(columns),), most, whole=False, gaps=gaps)


def why_bound(density: Density) -> str:
    """Why a density's scores are lower bounds, in words."""
    if isinstance(density, VAE):
        return f"each is an average over {counted(density.samples, 'draw')} of the model's latent variables"
    return "the table has rounded or integer columns"


def _without_nan(log_prob: torch.Tensor) -> np.ndarray:
    """As float64; rows so far out that float32 overflows on the way have no density to speak of."""
    values = log_prob.double().numpy()
    return np.where(np.isnan(values), -np.inf, values)


def _about_far(values: np.ndarray, known: np.ndarray) -> list[str]:
    """A sentence about rows (N,) of log-density -inf that nothing else explains."""
    far = int((np.isneginf(values) & ~known).sum())
    if not far:
        return []
    return [f"{counted(far, 'row')} of {len(values):,}: impossible to this model, or too far out to tell (-inf)"]


def _warn(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        warnings.warn(sentence, UserWarning, stacklevel=3)
