"""Scores of a table larger than memory, from file to file, in memory that does not grow with its rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fluvial
from fluvial.core.errors import DataError, UsageError
from fluvial.data.copied import Expected
from fluvial.data.large import in_parts
from fluvial.data.named import PARQUET, about_others, format_of, is_small, table_paths
from fluvial.data.parquet import ParquetFiles
from fluvial.data.pieces import Pieces
from fluvial.data.tables import Columns
from fluvial.kinds.fitted import Fitted
from fluvial.kinds.scores import Scores, said_mean
from fluvial.kinds.tables.blocks import Notes, scored_blocks
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.written import escaped, write_parts
from fluvial.terminal import Pace, note

_WRITTEN = (*PARQUET, ".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Mean:
    """Number, mean and sum of squared deviations of scores that come in parts, and how many were -inf.

    >>> parts = [np.array([1.0, 2.0]), np.array([3.0, -np.inf])]
    >>> str(Mean.of(parts[0]) + Mean.of(parts[1]))
    'not finite, since 1 of 4 are impossible under the model; 2.0000 ± 0.5774 without them'
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    impossible: int = 0

    @classmethod
    def of(cls, values: np.ndarray) -> Mean:
        finite = values[np.isfinite(values)]
        mean = float(finite.mean()) if len(finite) else 0.0
        return cls(len(finite), mean, float(np.square(finite - mean).sum()), len(values) - len(finite))

    def __add__(self, other: Mean) -> Mean:
        """Of both parts (Chan, Golub and LeVeque 1979)."""
        count, apart = self.count + other.count, other.mean - self.mean
        share = other.count / count if count else 0.0
        squares = self.squares + other.squares + apart**2 * self.count * share
        return Mean(count, self.mean + apart * share, squares, self.impossible + other.impossible)

    def __str__(self) -> str:
        error = math.sqrt(self.squares / (self.count - 1) / self.count) if self.count > 1 else math.nan
        return said_mean(self.mean, error, self.count, self.impossible)


def score_stream(
    model: Fitted, data: str | Sequence[str] | None, out: Path | None, options: Mapping[str, Any], safe: bool = False
) -> list[str] | None:
    """Score block by block, and write as the scores come; what there is to say, the mean last.

    None where the data are to be scored in one piece: what is no file of a table, or a small one, a file whose scores
    go into a format that has to be written in one, and models whose scores draw noise.

    Scores that go into a Parquet file are kept in pieces beside it until it is whole, so a scoring that was killed goes
    on where it stopped when it is asked for again, of the same model, data and options; of others it begins anew.

    Args:
        options: ``drop_missing`` and ``no_shares``, as of the command line's ``score``.
        safe: nothing in the file is what a spreadsheet runs as a formula.

    Raises:
        DataError: as :func:`~fluvial.data.large.in_parts`, or rows do not fit the model. UsageError: the scores
        of several files are to go into a format that has to be written in one piece.
    """
    if (files := files_to_stream(model, data, out)) is None or not isinstance(model, Model):
        return None
    arguments, notes = {"drop_missing": "drop_missing" in options, "shares": "no_shares" not in options}, Notes()
    mean = _scored(model, files, out, arguments, notes, safe)
    notes.add(model.about_scores)
    return [*(f"note: {sentence}" for sentence in notes.sentences), f"mean: {mean} nats a row"]


def files_to_stream(
    model: Fitted, data: str | Sequence[str] | None, out: Path | None, every: bool = False
) -> ParquetFiles | None:
    """The files whose rows are answered block by block; None where they are answered in one piece.

    Args:
        every: columns that the model does not have are asked for as well.

    Raises: as of :func:`score_stream`.
    """
    if not isinstance(model, Model) or data is None or not (paths := table_paths(data)):
        return None
    single = isinstance(data, str) and paths == [Path(data).expanduser()]  # the file itself, not a folder that has it
    whole = out is not None and not _grows(out)
    if not single and (whole or model.draws_to_score):
        why = "a model that draws noise to score with takes one file" if model.draws_to_score else f"--out {out}"
        raise UsageError(f"{why}: a folder, or several files, are scored in blocks, and written as .parquet or .csv")
    parquet = format_of(paths) == "Parquet"
    if single and (whole or model.draws_to_score or (not parquet and is_small(paths[0]))):
        return None
    files = in_parts(paths, Expected.by(model.schema, every))
    if single and parquet and len(files) <= model.block_rows:
        return None
    if not len(files):
        raise DataError("the table is empty: the files have no rows")
    if others := about_others(data):
        note(f"note: {others}")
    return files


def _grows(out: Path) -> bool:
    return out.suffix.lower() in _WRITTEN


def _scored(
    model: Model, files: ParquetFiles, out: Path | None, arguments: dict[str, bool], notes: Notes, safe: bool
) -> Mean:
    if out is not None and out.suffix.lower() in PARQUET:
        return _in_pieces(model, files, out.expanduser(), arguments, notes, safe)
    means = [Mean()]
    scored = scored_blocks(model, files, notes, **arguments)
    write_parts(_columns(_watched(scored, Pace(len(files), "rows"), means), safe), out)
    return sum(means, Mean())


def _in_pieces(
    model: Model, files: ParquetFiles, out: Path, arguments: dict[str, bool], notes: Notes, safe: bool
) -> Mean:
    tag = {"version": fluvial.__version__, "model": fingerprint(model), "files": files.marks, **arguments}
    pieces = Pieces(out, {**tag, "safe": safe, "rows": model.block_rows})
    if pieces.replaced:
        note(f"note: {pieces.folder} held pieces of other scores, which have been thrown away")
    start = max((int(rows[-1]) + 1 for rows in pieces.column("row")), default=0)
    if start:
        note(f"goes on behind row {start:,}, where an earlier scoring stopped; its notes are not repeated")
    scored = scored_blocks(model, files, notes, start, **arguments)
    for columns in _columns(_watched(scored, Pace(len(files), "rows", start), []), safe):
        pieces.add(columns)
    if not pieces.found:
        raise DataError("every row misses values or holds infinite ones, so none is left")
    mean = sum(map(Mean.of, pieces.column("log_prob")), Mean())
    pieces.finish()
    return mean


def _watched(blocks: Iterable[Scores], pace: Pace, means: list[Mean]) -> Iterator[Scores]:
    """The same, counted and their means kept once each has been made use of."""
    for scores in blocks:
        yield scores
        means.append(Mean.of(scores.log_prob))
        pace.add(int(scores.names[-1]) + 1 - pace.done)


def _columns(blocks: Iterable[Scores], safe: bool) -> Iterator[Columns]:
    return (escaped(scores.columns) if safe else scores.columns for scores in blocks)


def fingerprint(model: Model) -> str:
    """Of all that a score depends on besides the row."""
    known = json.dumps([model.schema.to_json(), model.record["model"]], sort_keys=True)
    hashed = hashlib.blake2b(known.encode(), digest_size=16)
    for weights in model.density.state_dict().values():
        hashed.update(weights.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()
