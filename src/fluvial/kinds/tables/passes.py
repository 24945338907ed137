"""All rows of a table larger than memory, for a fit that knows a sample of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fluvial.core.errors import DataError
from fluvial.data.checks import FOREIGN
from fluvial.data.limits import limit
from fluvial.data.parquet import Group
from fluvial.data.sampled import Sampled
from fluvial.data.schema import Encoded, Schema
from fluvial.data.tables import Table
from fluvial.kinds.tables.blocks import Notes, placed
from fluvial.kinds.tables.prepare import Prepared
from fluvial.terminal import Pace
from fluvial.training import Passes

_MOST, _SHARE = 1 << 15, 64  # rows of a slice at most, which fills no more than such a part of the limit


@dataclass(frozen=True)
class ParquetGroups:
    """Row groups as a schema encodes them, without the rows that a sample holds; see :class:`~fluvial.training.Passes`.

    Left out are the rows that can teach nothing: those that are impossible under the schema, those without a value,
    and, where they are to be dropped, those that miss one.
    """

    sampled: Sampled
    schema: Schema
    drop_missing: bool

    @cached_property
    def groups(self) -> list[Group]:
        return self.sampled.files.groups

    @cached_property
    def rows(self) -> int:
        """Rows of the files in a slice."""
        files = self.sampled.files
        return max(1, min(_MOST, limit() // _SHARE * len(files) // max(1, files.size)))

    @property
    def counts(self) -> list[list[int]]:
        return self._looked[0]

    @property
    def left_out(self) -> int:
        """How many rows can teach nothing."""
        return len(self.sampled.files) - self._looked[1] - sum(map(sum, self.counts))

    @property
    def notes(self) -> list[str]:
        """What there is to say of the rows, in sentences."""
        return self._looked[2].sentences

    @property
    def marks(self) -> str:
        sizes = [(path.name, path.stat().st_size) for path in self.sampled.files.paths]
        return str((sizes, self.counts))  # wherever the files lie: workers may have copies

    def slices(self, group: int, start: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The rows of a row group that are to be trained on, slice by slice."""
        for number, (first, table) in enumerate(self.groups[group].tables(self.rows)):
            if number >= start:
                encoded, kept = self._encoded(first, table)
                context = None if encoded.context is None else torch.from_numpy(encoded.context[kept])
                yield torch.from_numpy(encoded.x[kept]), context

    @cached_property
    def _looked(self) -> tuple[list[list[int]], int, Notes]:
        """Rows of each slice, how many rows the sample has, and what there is to say: one pass over everything."""
        counts, sampled, notes, pace = list[list[int]](), 0, Notes(), Pace(len(self.sampled.files), "rows looked at")
        for group in self.groups:
            counts.append([])
            for first, table in group.tables(self.rows):
                counts[-1].append(int(self._encoded(first, table, notes)[1].sum()))
                pace.add(min(self.rows, group.first + group.rows - first))
            rows = np.arange(group.first, group.first + group.rows)
            sampled += int(self.sampled.holds(rows).sum())
        return counts, sampled, notes

    def _encoded(
        self, first: int, table: Callable[[], Table], notes: Notes | None = None
    ) -> tuple[Encoded, np.ndarray]:
        """Rows from number ``first`` on, and which of them are to be trained on."""
        read = table()
        try:
            with placed(first, read):
                encoded = self.schema.encode(read, drop_missing=self.drop_missing)
        except DataError as error:
            if self.drop_missing and ": every row misses" in str(error):
                nothing = np.empty((0, len(self.schema.columns)))
                given = np.empty((0, len(self.schema.context))) if self.schema.context else None
                return Encoded(nothing, given, np.empty(0, int), np.empty(0, bool)), np.empty(0, bool)
            raise
        if notes is not None:
            notes.add((*read.notes, *encoded.warnings))
        labels = [i for i, column in enumerate(self.schema.columns) if column.categorical]
        foreign = (encoded.x[:, labels] == FOREIGN).any(1) & (not self.schema.others)
        poor = encoded.impossible | foreign | np.isnan(encoded.x).all(1)
        return encoded, ~poor & ~self.sampled.holds(encoded.rows + first)


def passes(sampled: Sampled, prepared: Prepared, drop_missing: bool) -> tuple[Passes, list[str]]:
    """What to train on: the sample's own rows, and all others as they are read; and what to say of that."""
    groups = ParquetGroups(sampled, prepared.schema, drop_missing)
    rows = Passes(prepared.train.x, prepared.train.context, groups=groups)
    known = len(prepared.train) + len(prepared.validation or ()) + len(prepared.held_out or ())
    sentences = [
        f"all {len(sampled.files):,} rows were read: {rows.count():,} train, shuffled in windows of four times "
        f"{groups.rows:,}; about {known:,} drawn at random, beside those with the ends and labels of all columns, say "
        "what the columns are like, and of these were taken the rows that stop and judge the training",
        *groups.notes,
    ]
    if groups.left_out:
        sentences.append(f"{groups.left_out:,} rows that are impossible, empty or to be dropped do not train")
    return rows, sentences
