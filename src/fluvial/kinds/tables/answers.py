"""Questions to a fitted table: what follows from what is known, probabilities of events, gaps, predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fluvial.core.errors import DataError, UsageError
from fluvial.data.cells import tidy
from fluvial.data.checks import FOREIGN
from fluvial.data.columns import Column, from_codes, from_numbers
from fluvial.data.forms import as_kind
from fluvial.data.schema import Encoded, Schema
from fluvial.data.sentinels import blanked
from fluvial.data.tables import Table, is_missing, read
from fluvial.data.words import listed, nearest
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.tables.conditions import Condition
from fluvial.kinds.tables.events import Probability, probability
from fluvial.kinds.tables.impute import filled
from fluvial.kinds.tables.predict import mean_of_numbers, quantiles_of_numbers, shares_of_labels
from fluvial.kinds.tables.questions import Conditional, given
from fluvial.models import AnyOrder


@dataclass(frozen=True, repr=False)
class Answers(Fitted):
    """The questions that a ``Model`` answers; all but some probabilities need ``mixed``."""

    schema: Schema

    def given(self, conditions: Mapping[str, Condition], context: object = None) -> Conditional:
        """The model given what is known of any columns: to sample, score and ask probabilities of.

        Args:
            conditions: by column: a value (None: missing); a range (low, high), ends included, None for no end; or a
                list or set of values.
            context: one row, for a conditional model.

        Raises:
            UsageError: the model answers no such questions, there is no such column, or a condition makes no sense.
        """
        density = self._any_order()
        encoded = self.schema.encode_context(context, 1)
        return given(density, self.schema, conditions, self.record.get("table", "dict"), tensor(encoded))

    def impute(self, data: object, draws: int | None = None, seed: int = 0) -> Any:  # noqa: ANN401
        """The table with its missing cells filled in; observed cells come back as they are.

        Args:
            draws: None for one table of best guesses (most frequent labels, medians); else a list of so many tables,
                each drawn from p(missing cells | observed ones).
            seed: of the draws.

        Raises:
            UsageError: the model does not condition on any columns. DataError: the table does not fit the schema.
        """
        density, encoded, table = self._of_any_cells(data)
        found = filled(density, encoded.x, tensor(encoded.context), draws, seed)
        tables = [as_kind(self._filled_in(table, encoded, rows), table.kind, index=table.index) for rows in found]
        return tables[0] if draws is None else tables

    def _filled_in(self, table: Table, encoded: Encoded, x: np.ndarray) -> dict[str, np.ndarray]:
        """The table's own columns, with the values of x where they were missing."""
        decoded, columns = self.schema.decode(x), dict(table.columns)
        for name, values in decoded.items():
            gaps = is_missing(columns[name])
            if gaps.any():
                kept = columns[name].astype(object) if columns[name].dtype != values.dtype else columns[name].copy()
                kept[gaps] = values[gaps]
                columns[name] = _whole(tidy(kept), values.dtype)
        zoned = [c.name for c in self.schema.every if c.clock is not None and c.clock.zone and c.name in decoded]
        return columns | {name: decoded[name] for name in zoned}

    def predict(self, data: object, target: str) -> np.ndarray:
        """The target given the other columns of each row, (N,): the likeliest label, or the mean of a number.

        Raises:
            UsageError: there is no such column, or the model does not condition on any columns.
        """
        if target in {d.column.name for d in self.schema.dropped}:
            return self._computed(data, target)
        column, i = self._target(target)
        if column.categorical:
            shares = self.predict_proba(data, target)
            return from_codes(column, shares.argmax(1).astype(np.float64))
        density, encoded, _ = self._of_any_cells(data, without=target)
        means = mean_of_numbers(density, encoded.x, i, tensor(encoded.context))
        means = self._unless_said(target, means, encoded.x[:, i])
        return means if column.clock is None else from_numbers(column, means)

    def predict_proba(self, data: object, target: str) -> np.ndarray:
        """P(label | the other columns) of each row, (N, labels), in the order of the column's categories; exact."""
        column, i = self._target(target)
        if not column.categorical:
            raise UsageError(f"{target!r} holds numbers: ask for predict or predict_quantiles")
        density, encoded, _ = self._of_any_cells(data, without=target)
        return shares_of_labels(density, encoded.x, i, tensor(encoded.context))

    def predict_quantiles(self, data: object, target: str, q: Sequence[float] = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Quantiles of a number given the other columns of each row, (N, len(q)); exact."""
        column, i = self._target(target)
        if column.categorical:
            raise UsageError(f"{target!r} holds labels: ask for predict or predict_proba")
        shares = np.asarray(q)
        if (
            shares.ndim != 1
            or not shares.size
            or shares.dtype.kind not in "fiu"
            or not ((shares > 0) & (shares < 1)).all()
        ):
            raise UsageError(f"q: expected shares between 0 and 1, such as (0.05, 0.5, 0.95), got {q!r}")
        density, encoded, _ = self._of_any_cells(data, without=target)
        found = quantiles_of_numbers(density, encoded.x, i, tensor(encoded.context), shares.tolist())
        found = self._unless_said(target, found, encoded.x[:, i, None])
        return found if column.clock is None else from_numbers(column, found.ravel()).reshape(found.shape)

    def _unless_said(self, target: str, found: np.ndarray, said: np.ndarray) -> np.ndarray:
        """What was found of a column of numbers, unless a sum or product of it and others says it exactly."""
        told = any(d.terms and target in d.sources for d in self.schema.dropped)
        return np.where(np.isnan(said), found, said) if told else found

    def _computed(self, data: object, target: str) -> np.ndarray:
        """A column (N,) that follows from several others, missing where one of them is."""
        _, encoded, _ = self._of_any_cells(data, without=target)
        return self.schema.decode(encoded.x)[target]

    def _target(self, name: str) -> tuple[Column, int]:
        if name not in self.schema.names:
            if derived := next((d for d in self.schema.dropped if d.column.name == name), None):
                follows = f"follows from {derived.stated()}" if derived.sources else "is always the same"
                raise UsageError(f"target: column {name!r} {follows}; predict says what it is")
            raise UsageError(f"target: there is no modelled column {name!r}{nearest(str(name), self.schema.names)}")
        i = self.schema.names.index(name)
        return self.schema.columns[i], i

    def _of_any_cells(self, data: object, without: str | None = None) -> tuple[AnyOrder, Encoded, Table]:
        """The density, and the table encoded; its column ``without`` need not be there, and is not looked at.

        Neither is what follows from that column alone, its copy in other units: it would give the answer away.
        """
        density = self._any_order()
        table = read(data)
        if without is not None:
            name = without if table.header else self.schema.find(table, list(self.schema.order))[without]
            table = table.with_missing(name)
            if table.header:
                for copy in (d.column.name for d in self.schema.dropped if d.source == name):
                    table = table.with_missing(copy)
        codes = {c.name: c.missing for c in self.schema.every}
        table = replace(table, columns={n: blanked(v, codes.get(n, ())) for n, v in table.columns.items()})
        encoded = self.schema.encode(table, complete=True)
        labels = [i for i, c in enumerate(self.schema.columns) if c.categorical and c.name != without]
        unknown = [self.schema.names[i] for i in labels if (encoded.x[:, i] == FOREIGN).any()]
        if unknown:
            raise DataError(
                f"labels that the fit never saw, in {listed(unknown)}: nothing follows from them; correct them, or "
                "clear these cells (then missing)"
            )
        return density, encoded, table

    def _any_order(self) -> AnyOrder:
        if not isinstance(self.density, AnyOrder):
            raise UsageError(
                f"{self.record['model']['model']} does not condition on any columns; fit with model='mixed', which does"
            )
        return self.density

    def probability(
        self,
        event: str | Callable[[dict[str, np.ndarray]], np.ndarray],
        given: Mapping[str, object] | None = None,
        context: object = None,
        *,
        steps: int | None = None,
        draws: int = 10_000,
        seed: int = 0,
    ) -> Probability:
        """P(event | given, context), with its standard error where it is not exact.

        Of a model of any cells (``mixed``), given any columns, see :meth:`given`; the event may be written as
        comparisons, ``"Rings > 12 and Sex == 'M'"``. Of other models, given the first columns: exact for an event of
        the next column alone, else by simulation.

        Values of first columns can be given to models that predict one column after the other in one step; without
        any, every model has an answer.

        Args:
            event: columns by name, each (n,), those given and ``steps`` more, to whether it holds in each row.
            given: values of the first columns; None for none.
            context: one row, for a conditional model.
            steps, draws, seed: see :func:`fluvial.kinds.tables.events.probability`.

        Raises:
            DataError: given or context do not fit the table. UsageError: the model does not predict one column after
            the other.
        """
        if isinstance(self.density, AnyOrder):
            return self.given(given or {}, context).probability(event, draws, seed)
        if isinstance(event, str):
            raise UsageError("events in words are for a model of any cells: fit with model='mixed', or give a function")
        numbers = self.schema.encode_first(given or {})
        encoded = self.schema.encode_context(context, 1)

        def holds(rows: Tensor) -> Tensor:
            seen = self.schema.decode_first(rows.double().cpu().numpy())
            try:
                return torch.as_tensor(np.asarray(event(seen)))
            except KeyError as error:
                raise UsageError(
                    f"event: it reads {error}, and is shown {', '.join(seen)}: name one of these, or leave out steps"
                ) from None

        return probability(
            self.density,
            holds,
            torch.from_numpy(numbers),
            context=tensor(encoded),
            steps=steps,
            draws=draws,
            seed=seed,
        )


def _whole(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Whole numbers that were floats for their gaps alone, in the dtype of the fit's table."""
    if dtype.kind not in "iu" or values.dtype.kind != "f" or (values != np.rint(values)).any():
        return values
    return values.astype(dtype)


def tensor(rows: np.ndarray | None) -> Tensor | None:
    """Encoded rows as the density takes them."""
    return None if rows is None else torch.from_numpy(rows)
