"""Commands that put a fitted table to use: detect."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fluvial.interfaces.cli_questions import of_table
from fluvial.interfaces.flags import Flag
from fluvial.interfaces.streams import seekable
from fluvial.terminal import note

if TYPE_CHECKING:
    from fluvial.kinds.tables.model import Model

_Data = Annotated[str, Parameter(allow_leading_hyphen=True)]
_Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
_SHOWN = 5  # unusual rows that are named beside the file


def detect(
    run: Path,
    data: _Data,
    /,
    *,
    out: _Out = None,
    rate: float | None = None,
    fdr: float | None = None,
    follow: Flag = False,
) -> None:
    """Which rows of a table are unusual, how sure that is, and which cell is why.

    Each row gets a score, larger for stranger rows; a p-value, the share of ordinary rows that score as high, from rows
    that the fit held out; whether it is unusual; and the cell that the rest of its row contradicts most.

    Parameters
    ----------
    run
        Run folder of a fit of a table; by mixed, if cells are to be named.
    data
        A table with the columns that the model was fitted to. A dash for standard input.
    out
        File for the answers: .csv, .parquet, .feather, .npy or .npz; by default CSV on stdout.
    rate
        Share of ordinary rows that may be flagged, by default 0.01.
    fdr
        In place of a rate: the share of the flagged rows that may be ordinary.
    follow
        Answer each row of standard input as it comes, after a first line of names; drift of the whole is said once.
    """
    from fluvial.core.errors import UsageError

    model = of_table(run)
    if follow:
        if fdr is not None or out is not None:
            raise UsageError(
                "--follow answers on standard output, row by row, so it takes no --out, and no --fdr: "
                "which rows those are depends on all of them"
            )
        _follow(model, data, rate)
        return
    from fluvial.kinds.tables.written import write_columns

    with seekable([data]) as (name,):
        found = model.detect(name, rate, fdr)
    for sentence in found.warnings:
        note(f"note: {sentence}")
    write_columns(found.columns, out)
    for sentence in found.summary:
        note(sentence)
    strange = sorted(found.reasons, key=lambda row: -found.scores[found.rows == row][0])
    for row in strange[:_SHOWN]:
        note(f"row {row}: {found.reasons[row].sentence}")


def _follow(model: Model, data: str, rate: float | None) -> None:
    from dataclasses import asdict

    from fluvial.core.errors import UsageError
    from fluvial.tasks.detect import follow

    if data not in ("-", "/dev/stdin"):
        raise UsageError(f"--follow reads standard input: give a dash in place of {data}")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("row", "score", "p", "unusual", "column", "why"))
    for answer in follow(model, _lines(), rate):
        if answer.note:
            note(answer.note)
            continue
        told = asdict(answer)
        writer.writerow(told[name] for name in ("row", "score", "p", "unusual", "column", "why"))
        sys.stdout.flush()
        if answer.drift:
            note(answer.drift)


def _lines() -> Iterator[str]:
    """Lines of standard input as they come."""
    while line := sys.stdin.readline():
        yield line
