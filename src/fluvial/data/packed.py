"""Text files, also compressed ones and archives, opened as bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from fluvial.core.errors import DataError
from fluvial.data import limits
from fluvial.data.words import listed

TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")


def ending(path: Path) -> str:
    """The ending that decides the format: of packed text that of the text, .zip of an archive.

    >>> ending(Path("a.CSV.gz")), ending(Path("a.csv.zip"))
    ('.csv', '.zip')
    """
    inner = Path(path.stem).suffix.lower()
    return inner if path.suffix.lower() in limits.PACKED and inner in TEXT else path.suffix.lower()


@contextmanager
def unpacked(path: Path, pick: str = "", whole: bool = True) -> Generator[tuple[Path, BinaryIO]]:
    """The bytes of a text file, unpacked as they are read, and the name that its format goes by.

    Args:
        path: ends in .gz, .bz2, .xz or .zip where it is packed.
        pick: the file in a .zip archive of several.
        whole: as of :func:`fluvial.data.limits.unpacked`.

    Raises:
        DataError: it is damaged, holds more than the limit, or is an archive of several files of which none is picked.
    """
    if path.suffix.lower() != ".zip":
        with limits.unpacked(path, whole) as raw:
            yield path, raw
        return
    with limits.open_regular(path) as raw:
        with limits.decoding(path, "a whole .zip file"):
            archive = zipfile.ZipFile(raw)
            name = _entry(path, archive, pick)
            entry = archive.open(name)
        with limits.counted(cast(BinaryIO, entry), path, whole) as file:
            yield Path(f"{path}:{name}"), file


def _entry(path: Path, archive: zipfile.ZipFile, pick: str) -> str:
    """The name of the one text file in an archive, or of the one that is picked."""
    files = [i.filename for i in archive.infolist() if not i.is_dir() and not _is_litter(i.filename)]
    texts = [name for name in files if PurePosixPath(name).suffix.lower() in TEXT]
    if pick in files:
        return pick
    if not pick and len(texts) == 1:
        return texts[0]
    held = listed(texts or files) if files else "nothing"
    if pick:
        raise DataError(f"{path} has no file {pick!r}: it holds {held}")
    hint = f"; name one as {path.name}:{texts[0]}" if texts else f"; expected a text file in it ({', '.join(TEXT)})"
    raise DataError(f"{path} holds {held}{hint}")


def _is_litter(name: str) -> bool:
    """Whether a system, and not a person, put a file into an archive."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith("._")
