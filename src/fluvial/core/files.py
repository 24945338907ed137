"""Files: regular ones are read, whole ones are written, and links lead nowhere."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from fluvial.core.errors import RunError

_TEMPORARY = re.compile(r"\.fluvial-[0-9a-f]{16}")
_SAFELY = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC")
_FLAGS = sum(getattr(os, name, 0) for name in _SAFELY)  # those that this system has


def reason(error: OSError | ValueError) -> str:
    """Why a file could not be read or written, without its name.

    >>> reason(FileNotFoundError(2, "No such file or directory", "x"))
    'No such file or directory'
    """
    return getattr(error, "strerror", None) or str(error)


def open_regular(path: Path, most: int | None = None) -> BinaryIO:
    """A regular file, open for reading; a link, a pipe, a device or a folder is refused, and none of them waited for.

    Args:
        most: bytes that the file may have; None for any number.

    Raises:
        RunError: it is missing, cannot be read, is not a regular file, or is larger.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except (OSError, ValueError) as error:
        if path.is_symlink():
            raise RunError(f"{path} could not be read: it is a link, which is not followed") from None
        raise RunError(f"{path} could not be read: {reason(error)}") from None
    found = os.fstat(descriptor)
    fault = ""
    if not stat.S_ISREG(found.st_mode):
        fault = "it is not a regular file"
    elif most is not None and found.st_size > most:
        fault = f"it has {found.st_size:,} bytes, more than the {most:,} that such a file may have"
    if fault:
        os.close(descriptor)
        raise RunError(f"{path} could not be read: {fault}")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int | None = None) -> bytes:
    """What a regular file holds; see :func:`open_regular`."""
    with open_regular(path, most) as file:
        try:
            # what grows while it is read is read no further
            return file.read(os.fstat(file.fileno()).st_size)
        except (OSError, MemoryError) as error:
            cause = "there is not enough memory" if isinstance(error, MemoryError) else reason(error)
            raise RunError(f"{path} could not be read: {cause}") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, or leave it as it was; a link in its place is replaced, not followed.

    Raises:
        RunError: the file cannot be written, for example because the disk is full.
    """
    with _replaced(path) as file:
        file.write(content)


def write_output(path: Path, content: bytes) -> None:
    """Write to where a user says; see :func:`written`."""
    with written(path) as file:
        file.write(content)


@contextlib.contextmanager
def written(path: Path) -> Generator[BinaryIO]:
    """A file to write to where a user says: whole or not at all, to a link's target, straight into a pipe or a device.

    Raises:
        RunError: it cannot be written.
    """
    target, stream = _target(path)
    if stream:
        try:
            with open(target, "wb") as file:
                yield file
        except OSError as error:
            raise RunError(f"{path} could not be written: {reason(error)}") from None
        return
    with _replaced(target) as file:
        yield file


def check_place(path: Path) -> None:
    """RunError, as :func:`written` would have it, where a file can hardly be made; nothing is left there."""
    target, stream = _target(path)
    if stream:
        return
    trial = target.with_name(f".fluvial-{secrets.token_hex(8)}")
    try:
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666))
        trial.unlink()
    except (OSError, ValueError) as error:
        raise RunError(f"{path!s:.300} could not be written: {reason(error)}") from None


def _target(path: Path) -> tuple[Path, bool]:
    """The file that a link leads to, and whether it is a pipe or a device.

    Raises:
        RunError: that cannot be known.
    """
    try:
        target = Path(os.path.realpath(path))
        return target, target.exists() and not target.is_file() and not target.is_dir()
    except (OSError, ValueError) as error:
        raise RunError(f"{path!s:.300} could not be written: {reason(error)}") from None


@contextlib.contextmanager
def _replaced(path: Path) -> Generator[BinaryIO]:
    """A new file that takes the place of ``path`` once it is whole and on the disk."""
    temporary = path.with_name(f".fluvial-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()
        if isinstance(error, OSError) or (isinstance(error, ValueError) and "null" in str(error)):
            raise RunError(f"{path!s:.300} could not be written: {reason(error)}{_kept(path)}") from error
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if need be.

    Raises:
        RunError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunError(f"{path!s:.300} is not a folder: name one, or a place where one can be made") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path!s:.300} could not be made: {reason(error)}") from None


def own_folder(path: Path) -> Path:
    """A folder of ours inside a run folder, made if need be.

    Raises:
        RunError: it cannot be made, or a link or a file stands in its place.
    """
    try:
        path.mkdir(exist_ok=True)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} could not be made: {reason(error)}") from None
    if path.is_symlink():
        raise RunError(f"{path} is a link, which is not followed: remove it")
    return path


def own_file(path: Path) -> Path:
    """A file whose name is ours: a link in its place leads nowhere, and is removed.

    Raises:
        RunError: it cannot be removed.
    """
    try:
        if path.is_symlink():
            path.unlink()
    except (OSError, ValueError) as error:
        raise RunError(f"{path!s:.300} could not be written: {reason(error)}") from None
    return path


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder that no other process writes to."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _TEMPORARY.fullmatch(name):
                (folder / name).unlink()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can promise that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _kept(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        if path.is_file():
            return "; the previous file is intact"
    return ""
