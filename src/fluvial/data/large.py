"""Tables larger than memory: read in parts from Parquet, or from a copy in it; to be fitted, a sample of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import cast

from fluvial.data.copied import Expected, copied_arrow, copied_text
from fluvial.data.limits import VARIABLE, limit
from fluvial.data.look import LABELS, ColumnKind, kind_of
from fluvial.data.named import about_others, format_of, is_small, table_paths
from fluvial.data.parquet import ParquetFiles, parquet_files
from fluvial.data.sampled import sample
from fluvial.data.tables import Table, read
from fluvial.data.tokens import SPELLED

_SHARE = 6  # of the limit: a fit holds its rows in several forms


def in_parts(paths: Sequence[Path], expected: Expected) -> ParquetFiles:
    """Files of one format as one table that can be read in parts.

    Args:
        expected: what is known of the columns, should the files be of text.

    Raises:
        DataError: a file is damaged, or the files have other columns than each other. RunError: no copy can be made.
    """
    match format_of(paths):
        case "Parquet":
            return parquet_files(paths)
        case "text":
            return copied_text(paths, expected)
        case _:
            return copied_arrow(paths)


def read_to_fit(source: object, kinds: Mapping[str, ColumnKind] | None = None, drop: Collection[str] = ()) -> Table:
    """As :func:`~fluvial.data.tables.read`, of files of tables also a folder, a pattern or a list, of any size.

    Of rows that would fill more than the limit each is kept with the same probability, the same ones each time.

    Args:
        kinds, drop: of columns, as of :func:`fluvial.fit`.

    Raises:
        DataError: a file is damaged, or the files have other columns than each other.
    """
    paths = _files(source)
    if not paths:
        return read(source)
    parquet = format_of(paths) == "Parquet"
    if len(paths) == 1 and not parquet and is_small(paths[0]):
        return read(str(paths[0]))
    labels = {name for name, kind in (kinds or {}).items() if kind_of(kind) in (*LABELS, "time")}
    files = in_parts(paths, Expected(dict.fromkeys((*labels, *drop), SPELLED)))
    table = _of_parts(files, len(paths) == 1 and parquet)
    others = about_others(source)
    return table.noting(others) if others else table


def _of_parts(files: ParquetFiles, single: bool) -> Table:
    """All rows, or a sample of them."""
    if single and files.size <= limit():
        return read(str(files.paths[0]))
    if files.size <= limit() or not len(files):
        return read(sample(files, 1.0))
    return read(sample(files, limit() / _SHARE / files.size))


def about_sample(table: Table) -> str:
    """What to say of a fit to a sample, a sentence; empty for a whole table."""
    if table.sampled is None:
        return ""
    files = table.sampled.files
    return (
        f"fitted to {len(table):,} of {len(files):,} rows, drawn at random, since all of them would fill about "
        f"{files.size >> 20:,} MiB; for more rows set the limit, {limit():,} bytes, of which a fit takes a sixth for "
        f"them, with the environment variable {VARIABLE}"
    )


def _files(source: object) -> list[Path]:
    if isinstance(source, str | os.PathLike):
        return table_paths(cast("str | os.PathLike[str]", source))
    named = (
        isinstance(source, list)
        and bool(source)
        and all(isinstance(each, str) for each in cast("list[object]", source))
    )
    return table_paths(cast("list[str]", source)) if named else []
