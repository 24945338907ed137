"""Tables to fit: whole where they fit into the limit, else a random sample of their rows, which knows of the others."""

from __future__ import annotations

import os
from typing import cast

from fluvial.data.limits import VARIABLE, limit
from fluvial.data.parquet import ParquetFiles, parquet_files
from fluvial.data.sampled import sample
from fluvial.data.tables import Table, read

_SHARE = 4  # of the limit: a fit holds its rows in several forms


def read_to_fit(source: object) -> Table:
    """As :func:`~fluvial.data.tables.read`, of Parquet files also a folder, a pattern or a list, of any size.

    Of rows that would fill more than the limit each is kept with the same probability, the same ones each time.

    Raises:
        DataError: a file is damaged, or the files have other columns than each other.
    """
    files = _files(source)
    if files is None or (len(files.paths) == 1 and files.size <= limit()):
        return read(str(files.paths[0]) if files is not None else source)
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
        f"{files.size >> 20:,} MiB; for more rows set the limit, {limit():,} bytes, of which a fit takes a quarter for "
        f"them, with the environment variable {VARIABLE}"
    )


def _files(source: object) -> ParquetFiles | None:
    if isinstance(source, str | os.PathLike):
        return parquet_files(cast("str | os.PathLike[str]", source))
    named = (
        isinstance(source, list)
        and bool(source)
        and all(isinstance(each, str) for each in cast("list[object]", source))
    )
    return parquet_files(cast("list[str]", source)) if named else None
