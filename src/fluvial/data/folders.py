"""Folders: which files in them are read, and a sentence about each that is not."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fluvial.core.errors import DataError
from fluvial.data.limits import decoding
from fluvial.data.words import noted

_SYSTEMS = frozenset(
    {"@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini"}
)
"""Names, in small letters, of what systems keep among a user's files."""


@dataclass(frozen=True)
class Found:
    """What lies in a folder.

    Args:
        files: those to read, in order, each with the names of the sub-folders that it lies in.
        notes: sentences on what was left out, and on links that were followed.
    """

    files: tuple[tuple[Path, tuple[str, ...]], ...]
    notes: tuple[str, ...]


@dataclass
class _Met:
    """What a walk does not simply pass on."""

    hidden: list[str] = field(default_factory=list[str])
    special: list[str] = field(default_factory=list[str])
    linked: list[str] = field(default_factory=list[str])
    again: list[str] = field(default_factory=list[str])


def find(source: Path, suffixes: Collection[str], what: str) -> Found:
    """The files with these endings in a folder and its sub-folders, or the one file that ``source`` is.

    Hidden files and those that systems keep are left out. Links are followed last, and each folder is read
    once, however many links lead to it.

    Args:
        what: the files are, in a word, such as "sound".

    Raises:
        DataError: there is no such file, or a folder may not be read.
    """
    if not os.path.isdir(source):
        if not os.path.lexists(source):
            raise DataError(f"there is no file {source}")
        return Found(((source, ()),), ())
    met = _Met()
    files: list[tuple[Path, tuple[str, ...]]] = []
    others: list[str] = []
    for path in _walk(source, met):
        if path.suffix.lower() in suffixes:
            files.append((path, path.relative_to(source).parts[:-1]))
        else:
            others.append(str(path))
    notes = noted("hidden, or kept by a system, and left out", sorted(met.hidden))
    notes += noted(f"not {what} by their names, left out", sorted(others))
    notes += noted("neither files nor folders, left out", sorted(met.special))
    notes += noted("links, followed", sorted(met.linked))
    notes += noted("links to folders that are read already, left out", sorted(met.again))
    return Found(tuple(sorted(files)), notes)


def holds(folder: Path, suffixes: Collection[str]) -> bool:
    """Whether :func:`find` finds any file there."""
    return any(path.suffix.lower() in suffixes for path in _walk(folder, _Met()))


def listing(folder: Path) -> list[Path]:
    """All files in a folder and its sub-folders, but those that are hidden or kept by a system."""
    return sorted(_walk(folder, _Met()))


def _walk(folder: Path, met: _Met) -> Iterator[Path]:
    """All files below a folder, in no order."""
    near, far, seen = deque([folder]), deque[Path](), set[tuple[int, int]]()
    while near or far:
        path = near.popleft() if near else far.popleft()
        with decoding(path, "a folder that can be read"):
            status = os.stat(path)
            entries = list(os.scandir(path))
        if (status.st_dev, status.st_ino) in seen:
            met.again.append(str(path))
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in _shown(entries, met):
            linked = entry.is_symlink()
            if os.path.isdir(entry.path):
                (far if linked else near).append(Path(entry.path))
            elif os.path.isfile(entry.path):
                yield Path(entry.path)
            else:
                met.special.append(entry.path)
                continue
            if linked:
                met.linked.append(entry.path)


def _shown(entries: Iterable[os.DirEntry[str]], met: _Met) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEMS:
            met.hidden.append(entry.path)
        else:
            yield entry
