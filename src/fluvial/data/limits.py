"""One guard for all readers: regular files alone, no more memory than a stated limit, and sentences for what fails.

What a file fills once it is unpacked is counted while it is unpacked, so a small file that is made to fill a memory
is refused early. The environment variable ``FLUVIAL_LIMIT`` sets another limit, in bytes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from fluvial.core.errors import DataError, FluvialError, UsageError

VARIABLE = "FLUVIAL_LIMIT"
DEFAULT = 1 << 29
"""Bytes that what is read may fill in memory, where the variable says nothing: 512 MiB."""
LINE = 1 << 22
"""Characters that one line of text may have."""
_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
PACKED = tuple(_OPENERS)
"""Endings of files that are unpacked as they are read."""
_OUT_OF_MEMORY = "it asks for more memory than there is"
_UNBLOCKED = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_SHOWN = 200  # characters of a decoder's own words
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def limit() -> int:
    """Bytes that what is read may fill in memory.

    Raises:
        UsageError: ``FLUVIAL_LIMIT`` is not a positive whole number.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(f"{VARIABLE}: expected a number of bytes, such as {DEFAULT}, got {text!r}")
    return int(text)


def check_size(source: object, size: int) -> None:
    """DataError if what ``source`` unpacks to, ``size`` bytes so far or in all, is more than the limit."""
    if size > limit():
        raise DataError(
            f"{source} fills more than {limit():,} bytes of memory once it is unpacked, which is the limit: use a part "
            f"of it, or set another limit, in bytes, with the environment variable {VARIABLE}"
        )


def check_regular(path: Path) -> None:
    """DataError, a sentence, unless ``path`` is a regular file or a link to one: a pipe may never end."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is {_KINDS.get(stat.S_IFMT(mode), 'no file')}: expected a file")


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading.

    Raises:
        DataError: it is a folder, a pipe, a device or a socket, is missing, or may not be read.
    """
    check_regular(path)
    try:
        # not blocking, in case a pipe has taken the file's place
        file = os.fdopen(os.open(path, os.O_RDONLY | _UNBLOCKED), "rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DataError(f"{path} is no longer a file")
    return file


@contextmanager
def unpacked(path: Path, whole: bool = True) -> Generator[BinaryIO]:
    """The bytes of a file, unpacked if its name ends in .gz, .bz2 or .xz, and counted.

    Args:
        whole: they are to be in memory at once; a reader that takes them in parts may have any number.

    Raises:
        DataError: it cannot be read, is damaged, or holds more than the limit.
    """
    with open_regular(path) as raw:
        open_packed = _OPENERS.get(path.suffix.lower())
        source = raw if open_packed is None else open_packed(raw)
        with counted(source, path, whole) as file:
            yield file


@contextmanager
def counted(source: BinaryIO, path: Path, whole: bool = True) -> Generator[BinaryIO]:
    """The bytes of an open file, as they are unpacked, counted; ``path`` is what sentences name."""
    with io.BufferedReader(_Counted(source, path, limit() if whole else sys.maxsize)) as file:
        yield cast(BinaryIO, file)


def lines(path: Path, text: TextIO) -> Iterator[str]:
    """The lines of a text with their ends, from where it stands.

    Raises:
        DataError: a line is longer than any table's.
    """
    number = 0
    while line := text.readline(LINE + 1):
        number += 1
        if len(line) > LINE:
            raise DataError(f"{path}, line {number} is longer than {LINE:,} characters: expected a table, row by row")
        yield line


@contextmanager
def decoding(path: object, what: str) -> Generator[None]:
    """The one place where whatever a foreign decoder raises becomes a sentence that names the file.

    Args:
        path: the file.
        what: what it should be, such as "a whole .npy file".
    """
    try:
        yield
    except FluvialError:
        raise
    except Exception as error:  # decoders of damaged files raise anything
        raise DataError(f"{path} is not {what}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """A decoder's own words, in one short line that can be printed."""
    if isinstance(error, MemoryError):
        return _OUT_OF_MEMORY
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    if "pickle" in text:
        return "it holds Python objects, which fluvial never loads"
    line = "".join(c if c.isprintable() else "?" for c in text.strip().splitlines()[0])
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


class _Counted(io.RawIOBase):
    """Another file's bytes, which end in a DataError where they are more than the limit."""

    def __init__(self, source: BinaryIO, path: Path, most: int) -> None:
        super().__init__()
        self._source, self._path, self._limit = source, path, most

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        with decoding(self._path, f"a whole {self._path.suffix.lower()} file"):
            data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        if self._source.tell() > self._limit:
            check_size(self._path, self._source.tell())
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()
