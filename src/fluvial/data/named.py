"""The files that a path, a folder, a pattern or a list names, where they may be larger than memory."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from fluvial.core.errors import DataError
from fluvial.data.limits import PACKED, limit
from fluvial.data.packed import TEXT, ending
from fluvial.data.words import counted

PARQUET = (".parquet", ".pq")
ARROW = (".feather", ".arrow", ".ipc")
_CLEAR = (".csv", ".tsv")  # of text in folders: .txt is as often a remark about the others
_FORMATS = {
    **dict.fromkeys(PARQUET, "Parquet"),
    **dict.fromkeys(ARROW, "Feather or Arrow"),
    **dict.fromkeys((*TEXT, ".zip"), "text"),
}
_PATTERN = "*?["
_WHOLE = 8  # so many bytes does a byte of text fill at most, once it is read
_PACKED = 8  # so many bytes does a byte of packed text stand for, about


def table_paths(source: str | os.PathLike[str] | Sequence[str]) -> list[Path]:
    """The files of a table, by name; none where the source is no file of a format that can be read in parts.

    Raises:
        DataError: a folder or a pattern holds none, or there are several formats among them.
    """
    paths = _paths(source)
    formats = {path: _FORMATS.get(ending(path), "") for path in paths}
    if not any(formats.values()):
        return []
    other = next((path for path in paths if formats[path] != formats[paths[0]]), None)
    if other is not None:
        raise DataError(
            f"{other} is not {formats[paths[0]] or 'a table'}, as {paths[0]} is: several files are one table "
            "where all are of one format"
        )
    return paths


def format_of(paths: Sequence[Path]) -> str:
    """ "Parquet", "Feather or Arrow", or "text"."""
    return _FORMATS[ending(paths[0])]


def is_small(path: Path) -> bool:
    """Whether a file of text or Arrow is surely within the limit once it is read in one piece."""
    packed = _PACKED if path.suffix.lower() in (*PACKED, ".zip") else 1
    return path.stat().st_size * packed * _WHOLE <= limit()


def paths_of(source: str | os.PathLike[str]) -> list[str]:
    """The files that a pattern stands for, by name; anything else is itself."""
    text = os.fspath(source)
    pattern = not os.path.lexists(text) and any(sign in text for sign in _PATTERN)
    return sorted(glob.glob(text, recursive=True)) if pattern else [text]


def holds_tables(folder: Path) -> bool:
    """Whether a folder, or one in it, has a file of a table that can be read in parts."""
    return bool(_within(folder.rglob("*")))


def about_others(source: object) -> str:
    """A sentence about tables in a folder that are not read, since it has Parquet too; empty if there are none."""
    if not isinstance(source, str | os.PathLike) or not Path(source).expanduser().is_dir():
        return ""
    found = _tables(Path(source).expanduser().rglob("*"))
    others = [path for path in found if ending(path) not in PARQUET]
    if len(others) in (0, len(found)):
        return ""
    return f"of {source} Parquet alone is read: left out {counted(len(others), 'other table')}, the first {others[0]}"


def _paths(source: str | os.PathLike[str] | Sequence[str]) -> list[Path]:
    if not isinstance(source, str | os.PathLike):
        return [Path(each) for each in source]
    path = Path(source).expanduser()
    if path.is_dir():
        if not (found := _within(path.rglob("*"))):
            raise DataError(f"{path} is a folder without tables ({', '.join((*PARQUET, *_CLEAR, *ARROW))})")
        return found
    named = [Path(name) for name in paths_of(path)]
    if not named:
        raise DataError(f"no file fits the pattern {path}")
    return [each for each in named if each.is_file()] if named == [path] else named


def _within(paths: Iterable[Path]) -> list[Path]:
    """The files of a folder's table: those of Parquet, where there are any."""
    found = _tables(paths)
    return [path for path in found if ending(path) in PARQUET] or found


def _tables(paths: Iterable[Path]) -> list[Path]:
    known = (*PARQUET, *_CLEAR, *ARROW)
    return sorted(path for path in paths if ending(path) in known and path.is_file() and path.name[0] != ".")
