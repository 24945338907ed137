"""New rows for a training set, more of each label or as many of all, and whether they help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.data.columns import is_missing
from fluvial.data.forms import as_kind
from fluvial.data.tables import Columns, Table, read
from fluvial.data.words import counted, listed, nearest
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.privacy import Privacy, privacy
from fluvial.tasks.fit import fit
from fluvial.tasks.helped import Helped, check_folds, helped
from fluvial.tasks.wanted import about_rare, check_amount, check_wish, counts_of, each_of, wanted

_MOST_LABELS = 100
_UNUSUAL = 0.005  # share of held-out rows below, and above, whose log p a new row is left out
_SPARE = 1.2  # rows drawn for each one wanted
_MANY_NUMBERS = 20  # as labels


@dataclass(frozen=True)
class Augmented:
    """New rows, and what there is to know of them.

    Args:
        columns: of the new rows, by name, as the table has them.
        counts: how many of each label.
        helped: whether they help a classifier; None where that was not asked.
        privacy: what they tell of the rows they were made from; None where no rows were held out.
        model: the density that they were drawn from.
        notes: sentences about what was left out.
    """

    columns: Columns
    counts: Mapping[str, int]
    helped: Helped | None
    privacy: Privacy | None
    model: Model
    notes: tuple[str, ...] = ()
    kind: str = field(default="dict", repr=False)

    def frame(self) -> Any:  # noqa: ANN401  (a library's own type)
        """The new rows as a table of the kind that came in."""
        return as_kind(dict(self.columns), self.kind)

    @property
    def summary(self) -> list[str]:
        """All there is to say, in sentences."""
        total = sum(self.counts.values())
        told = [f"{counted(total, 'new row')}: {each_of(self.counts)}", *self.notes]
        return told + [str(part) for part in (self.helped, self.privacy) if part is not None]


def augment(
    data: object,
    target: str,
    *,
    rows: int | None = None,
    balance: bool = False,
    check: bool = True,
    folds: int = 5,
    budget: float | str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Augmented:
    """Draw rows of each label from the density of a table, to train a classifier on beside the table's own.

    Args:
        data: a table: a path, a frame, or named columns.
        target: the column of labels.
        rows: how many new rows, of each label by its share; or ``balance``, which is what is done without either: as
            many as make all labels as frequent as the most frequent one.
        check: whether they help, by cross-validation: a density is fitted again in each of the ``folds``, to the rows
            of its training part alone, so this takes as many fits more.
        budget, epochs: of each fit, see :func:`fluvial.fit`.
        seed: of the fits and the draws.
        options: of ``mixed``.

    Raises:
        DataError, UsageError: the table has no such column of labels, or a value does not fit.
    """
    whole = read(data)
    table, notes = _labelled(whole, target)
    wish = check_wish(rows, balance)
    check_amount(wish or 0, len(table.names))

    def learn(part: Table) -> Model:
        how: dict[str, Any] = {"budget": budget, "epochs": epochs, "seed": seed, "options": options}
        return fit(part, "mixed", kinds={target: "categorical"}, progress=False, **how)

    maker = _Maker(target, wish, seed)
    if check:
        check_folds(table.columns[target], folds)
    model = learn(table)
    new, left = maker.rows(model, table)
    if left:
        notes.append(
            f"{counted(left, 'row')} drawn and left out, since hardly any held-out row is as unlikely or likely"
        )
    judged = _check(maker, learn, model, table, folds) if check else None
    counts = counts_of(new[target])
    notes += about_rare(counts, counts_of(table.columns[target]), "row")
    private = _privacy(model, new)
    return Augmented(
        {name: new[name] for name in whole.names}, counts, judged, private, model, tuple(notes), table.kind
    )


@dataclass(frozen=True)
class _Maker:
    """What new rows are wanted: so many, or as many as balance the labels."""

    target: str
    number: int | None
    seed: int

    def rows(self, model: Model, table: Table) -> tuple[Columns, int]:
        """New rows from a density, and how many were left out as not typical."""
        counts = wanted(table.columns[self.target], self.number)
        if not counts:
            raise DataError(
                f"all labels of {self.target!r} are equally frequent: say how many new rows with --rows (rows=)"
            )
        column = next(c for c in model.schema.every if c.name == self.target)
        by_text = {str(label): label for label in column.categories}
        parts, left = list[Columns](), 0
        for k, (label, number) in enumerate(counts.items()):
            drawn, out = _typical(model, {self.target: by_text[label]}, number, self.seed + k)
            parts.append(drawn)
            left += out
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, left


def _typical(model: Model, given: Mapping[str, Any], number: int, seed: int) -> tuple[Columns, int]:
    """So many rows given a label whose log p is one that held-out rows have, and how many others were drawn."""
    density = model.given(given)
    drawn = density.sample_rows(int(number * _SPARE) + 10, seed)
    held_out = model.rows.get("held_out.x")
    kept = np.ones(len(drawn), dtype=bool)
    if held_out is not None and len(held_out) > 1:
        i = model.schema.names.index(next(iter(given)))
        low, high = np.quantile(_of_label(model, held_out, i), (_UNUSUAL, 1 - _UNUSUAL))
        values = _of_label(model, drawn, i)
        kept = (values >= low) & (values <= high)
    first = np.flatnonzero(kept)[:number]
    out = int((~kept[: first[-1] + 1]).sum()) if len(first) else len(drawn)
    if len(first) < number:  # a label whose rows are all unlike the others': better untypical ones than none
        first = np.concatenate((first, np.flatnonzero(~kept)[: number - len(first)]))
        out = 0
    return model.schema.decode(drawn[np.sort(first)]), out


def _of_label(model: Model, x: np.ndarray, i: int) -> np.ndarray:
    """log p(row | its label), (N,), by the labels' shares in the training rows."""
    known = model.rows["train.x"][:, i]
    codes = np.unique(known)
    shares = {code: float((known == code).mean()) for code in codes}
    return model.log_prob_rows(x) - np.log([shares.get(code, 1 / len(known)) for code in x[:, i]])


def _labelled(table: Table, target: str) -> tuple[Table, list[str]]:
    """The rows that have a label, the label their first column, and what there is to say about others and about it.

    The first of columns that follow from one another is the one that a schema keeps.
    """
    if target not in table.names:
        known = listed(table.names)
        raise UsageError(f"target: there is no column {target!r}{nearest(str(target), table.names)} (columns: {known})")
    values = table.columns[target]
    if values.dtype.kind in "Mm":
        raise DataError(f"target: {target!r} holds times; new rows are drawn for labels: name a column of labels")
    gaps = is_missing(values)
    distinct = len(np.unique(values[~gaps].astype(str)))
    if not 2 <= distinct <= _MOST_LABELS:
        raise DataError(
            f"target: {target!r} holds {counted(distinct, 'value')}; new rows are drawn for labels, of which there are "
            f"2 to {_MOST_LABELS}"
        )
    notes: list[str] = []
    if values.dtype.kind in "iuf" and distinct > _MANY_NUMBERS:
        notes.append(f"target: each of the {distinct} numbers that {target!r} holds is taken for a label of its own")
    if gaps.any():
        notes.append(f"{counted(int(gaps.sum()), 'row')} without a label left out")
    names = [target, *(name for name in table.names if name != target)]
    return Table({name: table.columns[name][~gaps] for name in names}, table.kind, table.header), notes


def _check(maker: _Maker, learn: Any, model: Model, table: Table, folds: int) -> Helped:  # noqa: ANN401
    """Whether new rows help: densities are fitted to the training part of each fold alone."""
    schema = model.schema
    if maker.target not in schema.names:
        raise DataError(f"target: {maker.target!r} follows from other columns, so there is nothing to learn")
    i = schema.names.index(maker.target)
    x = schema.encode(table).x
    others = np.arange(x.shape[1]) != i
    labels = np.array([c.categorical for c in schema.columns])[others]

    def more(train: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray]:
        part = Table({name: values[train] for name, values in table.columns.items()}, table.kind, table.header)
        new, _ = maker.rows(learn(part), part)
        encoded = schema.encode(Table(new)).x
        return _without_foreign(encoded[:, others], labels), encoded[:, i].astype(np.int64)

    return helped(_without_foreign(x[:, others], labels), x[:, i].astype(np.int64), labels, more, folds, maker.seed)


def _without_foreign(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels that the fit never saw as gaps, which gradient boosting takes."""
    return np.where(labels & (x < 0), np.nan, x)


def _privacy(model: Model, new: Columns) -> Privacy | None:
    train, held_out = model.rows["train.x"], model.rows.get("held_out.x")
    if held_out is None or len(held_out) < 2:
        return None
    encoded = model.schema.encode(Table(new)).x
    labels = np.array([c.categorical for c in model.schema.columns])
    scores = model.log_prob_rows(train), model.log_prob_rows(held_out)
    return privacy(encoded, train, held_out, labels, scores)
