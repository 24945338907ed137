"""Commands that put tables to use: detect and augment."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from fluvial.interfaces.cli_questions import of_table
from fluvial.interfaces.flags import Flag
from fluvial.interfaces.streams import check_out, seekable
from fluvial.interfaces.whole import Whole
from fluvial.terminal import note

if TYPE_CHECKING:
    from fluvial.kinds.tables.model import Model

_Data = Annotated[str, Parameter(allow_leading_hyphen=True)]
_Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
_ANSWER = ("row", "score", "p", "unusual", "column", "why")
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
        A table with the columns that the model was fitted to. A dash for standard input. Parquet, CSV and
        Feather, also a folder or a pattern of such files, may be larger than memory where a rate decides.
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

    check_out(out, data)
    model = of_table(run)
    if follow:
        if fdr is not None or out is not None:
            raise UsageError(
                "--follow answers on standard output, row by row, so it takes no --out, and no --fdr: "
                "which rows those are depends on all of them"
            )
        _follow(model, data, rate)
        return
    from fluvial.kinds.tables.detect import Detector
    from fluvial.kinds.tables.written import write_columns
    from fluvial.tasks.large import detect_large

    with seekable([data]) as (name,):
        if fdr is None and (said := detect_large(model, name, out, rate)) is not None:
            note("\n".join(said))
            return
        found = Detector.of(model).detect(name, rate, fdr)
    for sentence in found.warnings:
        note(f"note: {sentence}")
    write_columns(found.columns, out)
    for sentence in found.summary:
        note(sentence)
    strange = sorted(found.reasons, key=lambda row: -found.scores[found.rows == row][0])
    for row in strange[:_SHOWN]:
        note(f"row {row}: {found.reasons[row].sentence}")
    if len(strange) > _SHOWN:
        note(f"and {len(strange) - _SHOWN:,} more")


def augment(
    data: _Data,
    /,
    *,
    target: str | None = None,
    rows: Whole | None = None,
    balance: Flag = False,
    out: _Out = None,
    no_check: Flag = False,
    folds: Whole = 5,
    budget: str | None = None,
    epochs: Whole | None = None,
    seed: Whole = 0,
) -> None:
    """New rows of each label for a training set, and whether they help a classifier; or new images, or sound.

    They are drawn from a density that is fitted to the table, given the label. What is written are the new rows alone.
    Of a folder with a sub-folder of images or sound for each label, so many new files are written into a folder.

    Parameters
    ----------
    data
        A table, a dash for standard input; or a folder with a sub-folder of images or sound for each label.
    target
        The column of labels; of a folder the names of its sub-folders are the labels.
    rows
        How many new rows, of each label by its share.
    balance
        As many as make all labels as frequent as the most frequent one; the default where no rows are named.
    out
        File for the new rows: .csv, .parquet, .feather, .npy or .npz. None: CSV on stdout. Folder for new files.
    no_check
        Leave out whether they help: balanced accuracy of gradient boosting with and without them, by cross-validation,
        for which a density is fitted again in each fold.
    folds
        Of the check.
    budget
        Seconds for each fit, or 5m. None: as long as it helps.
    epochs
        Passes over the rows in each fit. None: as many as help.
    seed
        Of the fits and the draws.
    """
    from fluvial.core.errors import UsageError
    from fluvial.kinds.every import kind_of
    from fluvial.kinds.tables.written import write_columns
    from fluvial.tasks.augment import augment as draw

    wish: dict[str, Any] = {"rows": rows, "balance": balance, "budget": budget, "epochs": epochs, "seed": seed}
    if Path(data).is_dir() and kind_of(data).name != "tables":
        _augment_folder(data, target, out, wish)
        return
    if target is None and (data == "-" or Path(data).exists()):
        raise UsageError("augment draws rows for labels: name the column that holds them with --target")
    check_out(out, data)
    with seekable([data]) as (name,):
        found = draw(name, target or "", check=not no_check, folds=folds, **wish)
    write_columns(found.columns, out, schema=found.model.schema)
    for sentence in found.summary:
        note(sentence)


def _augment_folder(data: str, target: str | None, out: Path | None, wish: Mapping[str, Any]) -> None:
    from fluvial.core.errors import UsageError
    from fluvial.tasks.augment_folder import augment_folder

    if target is not None:
        raise UsageError(f"--target names a column of a table; the labels of {data} are the names of its sub-folders")
    if out is None:
        raise UsageError("--out: name a folder for the new files")
    for sentence in augment_folder(data, out, **wish).summary:
        note(sentence)


def _follow(model: Model, data: str, rate: float | None) -> None:
    from dataclasses import asdict

    from fluvial.core.errors import UsageError
    from fluvial.tasks.detect import follow

    if data not in ("-", "/dev/stdin"):
        raise UsageError(f"--follow reads standard input: give a dash in place of {data}")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_ANSWER)
    for answer in follow(model, _lines(), rate):
        for sentence in answer.notes:
            note(f"note, row {answer.row}: {sentence}")
        if answer.unread:
            note(answer.unread)
            continue
        told = asdict(answer)
        writer.writerow(told[name] for name in _ANSWER)
        sys.stdout.flush()
        if answer.drift:
            note(answer.drift)


def _lines() -> Iterator[str]:
    """Lines of standard input as they come; bytes that are not UTF-8 are kept for the reader of tables."""
    while line := sys.stdin.buffer.readline():
        yield line.decode("utf-8", "surrogateescape")
