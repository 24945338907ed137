"""Data that come through a pipe: standard input and its like, read once into a file that readers can seek in."""

from __future__ import annotations

import stat
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_BEGINNINGS = {
    b"PAR1": ".parquet",
    b"ARROW1": ".feather",
    b"\x93NUMPY": ".npy",
    b"PK\x03\x04": ".npz",
    b"\x1f\x8b": ".csv.gz",
    b"RIFF": ".wav",
    b"fLaC": ".flac",
    b"\x89PNG": ".png",
}
"""What files begin with, and what their names would end in; anything else is taken for CSV."""


def check_out(out: Path | None, *sources: str) -> None:
    """FluvialError, a sentence, before any work is done, where its answers could not be written, or over a source."""
    from fluvial.data.files import check_output

    if out is not None:
        check_output(out, sources)


@contextmanager
def seekable(sources: Sequence[str]) -> Generator[tuple[str, ...]]:
    """The sources by names that can be read again; ``-`` is standard input. Copies are gone at the end."""
    from fluvial.core.errors import FluvialError

    with tempfile.TemporaryDirectory(prefix="fluvial-") as folder:
        names = {s: _copied(s, Path(folder, str(i))) for i, s in enumerate(sources) if _is_stream(s)}
        try:
            yield tuple(names.get(s, s) for s in sources)
        except FluvialError as error:
            message = str(error)
            for stream, copy in names.items():
                message = message.replace(copy, "standard input" if stream == "-" else stream)
            raise type(error)(message) from None


def _is_stream(source: str) -> bool:
    if source == "-" or source.startswith(("/dev/", "/proc/")):  # such as /dev/stdin, behind which a file may stand
        return True
    try:
        mode = Path(source).stat().st_mode
    except (OSError, ValueError):  # no such file, which its reader will say
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _copied(source: str, folder: Path) -> str:
    from fluvial.core.errors import DataError

    folder.mkdir()
    copy, name = folder / "stdin", "standard input" if source == "-" else source
    try:
        if source == "-":
            _copy(sys.stdin.buffer, copy, name)
        else:
            with Path(source).open("rb") as stream:
                _copy(stream, copy, name)
    except OSError as error:
        raise DataError(f"{name} could not be read: {error.strerror or error}") from None
    with copy.open("rb") as file:
        head = file.read(8)
    if not head:
        raise DataError(f"{name} is empty: nothing came through it")
    suffix = next((s for beginning, s in _BEGINNINGS.items() if head.startswith(beginning)), ".csv")
    return str(copy.rename(copy.with_name(f"stdin{suffix}")))


def _copy(stream: BinaryIO, target: Path, name: str) -> None:
    """No more than the limit: a stream may have no end, and disks do."""
    from fluvial.data.limits import check_size

    with target.open("wb") as file:
        while part := stream.read(1 << 20):
            file.write(part)
            check_size(name, file.tell())
